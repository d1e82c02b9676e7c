// How a job of a cluster is shown and waited for.
#include "cli/job_view.h"

#include <gmock/gmock.h>

#include "base/json.h"
#include "cli/job_wait.h"

namespace pj::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

Json Object() {
  return Json::parse(R"({
    "apiVersion": "paralleljob.dev/v1alpha1", "kind": "ParallelJob",
    "metadata": {"name": "score", "namespace": "team", "uid": "u"},
    "spec": {
      "inputs": [{"name": "data", "path": "in",
                  "volume": {"persistentVolumeClaim": {"claimName": "mine"}}}],
      "outputs": [{"name": "rows", "type": "uri_file", "path": "out/rows.csv",
                   "volume": {"persistentVolumeClaim": {"claimName": "mine"}}}],
      "inputData": "${{inputs.data}}",
      "miniBatchSize": 5,
      "task": {"code": {"configMap": {"name": "code"}}, "entryScript": "score.py",
               "environment": {"image": "python:3.11"}, "appendRowTo": "${{outputs.rows}}"}}})");
}

JobView With(const Json& status) {
  Json object = Object();
  object["status"] = status;
  return ViewOf(object);
}

TEST(JobView, OutputsAreShownByClaimAndPath) {
  const JobView job = With(
      {{"state", "Complete"},
       {"outputs", {{"rows", "/paralleljob/outputs/rows/rows.csv"}, {"gone", "/elsewhere/x"}}}});
  EXPECT_EQ(OutputsText(job), "gone: /elsewhere/x\nrows: claim mine: out/rows.csv\n");
  const Json json = ToJson(job);
  EXPECT_EQ(json["outputs"]["rows"], "/paralleljob/outputs/rows/rows.csv");
  EXPECT_EQ(json["places"], Json::parse(R"({"rows": {"claim": "mine", "path": "out/rows.csv"}})"));
  EXPECT_THAT(FetchHint(job), HasSubstr("paralleljob fetch score"));
}

TEST(JobView, NoErrorsSoFarIsSaidOnlyOfAJobThatGoesOn) {
  EXPECT_EQ(NoErrorsText(With({{"state", "Running"}})), "no errors so far");
  const Json ended = Json::parse(
      R"({"state": "Complete", "conditions": [{"type": "Complete", "status": "True"}]})");
  EXPECT_EQ(NoErrorsText(With(ended)), "no errors");
}

TEST(JobView, AMiniBatchThatIsNotThereIsToldWhichAre) {
  const JobView job = With({{"state", "Running"}, {"miniBatches", {{"total", 30}}}});
  for (const int64_t fine : {-1, 0, 29}) EXPECT_TRUE(MiniBatchIsThere(job, fine)) << fine;
  const Status missing = MiniBatchIsThere(job, 999);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "the job has mini-batches 0 to 29");
  EXPECT_TRUE(MiniBatchIsThere(With(Json::object()), 999)) << "not known yet";
}

TEST(WaitLine, ThatNobodyHasLookedIsSaidAfterAWhile) {
  WaitLine line;
  const JobView unseen = ViewOf(Object());
  EXPECT_EQ(line.Text(unseen, Seconds(100)), "Pending");
  EXPECT_EQ(line.Text(unseen, Seconds(114)), "Pending");
  EXPECT_THAT(line.Text(unseen, Seconds(115)), HasSubstr("no operator has looked at it yet"));
  EXPECT_THAT(line.Text(unseen, Seconds(115)), HasSubstr("paralleljob doctor"));
  const JobView seen = With({{"state", "Pending"}});
  EXPECT_THAT(line.Text(seen, Seconds(116)), Not(HasSubstr("no operator")));
  EXPECT_EQ(line.Text(unseen, Seconds(117)), "Pending") << "its status was taken away";
}

}  // namespace
}  // namespace pj::cli
