#include "cli/reader_template.h"

#include <gmock/gmock.h>

#include "api/load.h"
#include "base/json.h"
#include "cli/job_log_files.h"

namespace pj::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kJob[] = R"({"metadata":{"name":"score","uid":"u"},"spec":{
  "inputs":[{"name":"data","path":"in","volume":{"persistentVolumeClaim":{"claimName":"a"}}}],
  "outputs":[
    {"name":"rows","type":"uri_file","path":"out/rows.csv",
     "volume":{"persistentVolumeClaim":{"claimName":"a"}}},
    {"name":"all","volume":{"persistentVolumeClaim":{"claimName":"b"}}},
    {"name":"gone","path":"x","volume":{"emptyDir":{}}}],
  "inputData":"${{inputs.data}}","task":{"code":{"image":"/c"},"entryScript":"s.py",
  "environment":{"image":"i"},"appendRowTo":"${{outputs.rows}}"}}})";
constexpr char kWorkers[] = R"({"spec":{"template":{"spec":{
  "securityContext":{"runAsUser":1234},"tolerations":[{"key":"gpu","operator":"Exists"}],
  "containers":[{"name":"agent","image":"registry/worker:1","imagePullPolicy":"Never"}]}}}})";

class ReaderTemplate : public testing::Test {
 protected:
  ReaderTemplate() {
    source_ = {.ns = "team", .identity = {.uid = "u", .run = 1}, .worker_job = kWorkers};
    source_.job = api::FromStoredJson(kJob).value();
    request_ = {.name = "score-reader-1", .token = "secret"};
  }
  Json Pod() {
    plan_ = PlanReader(source_, request_).value();
    return ParseJson(plan_.pod).value();
  }

  ReaderSource source_;
  ReaderRequest request_;
  ReaderPlan plan_;
};

TEST_F(ReaderTemplate, MountsWhatIsTheJobsAndNothingElse) {
  const Json pod = Pod();
  const Json& container = pod["spec"]["containers"][0];
  std::map<std::string, std::string> mounts;
  for (const Json& mount : container["volumeMounts"]) {
    EXPECT_EQ(mount["readOnly"], true);
    mounts[mount["mountPath"]] = mount.value("subPath", "");
  }
  EXPECT_THAT(mounts,
              ElementsAre(std::pair("/paralleljob/read/logs",
                                    "paralleljob/score-" + source_.identity.ShortHash() + "/logs"),
                          std::pair("/paralleljob/read/outputs/all", ""),
                          std::pair("/paralleljob/read/outputs/rows", "out")));
  EXPECT_EQ(pod["spec"]["volumes"].size(), 2U) << "a claim is one volume";
  EXPECT_EQ(container["command"], ParseJson(R"(["/usr/local/bin/paralleljob-worker","read",
    "outputs/rows/rows.csv","outputs/all","logs"])")
                                      .value());
  EXPECT_THAT(plan_.foreign, ElementsAre("outputs/all/paralleljob"));
  EXPECT_THAT(plan_.unreadable, ElementsAre("gone"));
}

TEST_F(ReaderTemplate, WhatAnEarlierRunLeftAtThePathIsNotThisOnes) {
  const std::string file = "outputs/rows/rows.csv";
  const std::string all = "outputs/all/paralleljob";
  source_.published.emplace();
  (*source_.published)["rows"] = "/paralleljob/outputs/rows/rows.csv";
  Pod();
  EXPECT_THAT(plan_.foreign, ElementsAre(file + ".partial", all));
  (*source_.published)["rows"] = "/paralleljob/outputs/rows/rows.csv.partial";
  Pod();
  EXPECT_THAT(plan_.foreign, ElementsAre(file, all));
  source_.published.emplace();  // it failed before there was a row
  Pod();
  EXPECT_THAT(plan_.foreign, ElementsAre(file, file + ".partial", all));
}

TEST_F(ReaderTemplate, IsLikeTheWorkersButNoneOfThem) {
  const Json pod = Pod();
  const Json& spec = pod["spec"];
  EXPECT_EQ(spec["containers"][0]["image"], "registry/worker:1");
  EXPECT_EQ(spec["containers"][0]["imagePullPolicy"], "Never");
  EXPECT_EQ(spec["securityContext"]["runAsUser"], 1234);
  EXPECT_EQ(spec["tolerations"][0]["key"], "gpu");
  EXPECT_EQ(spec["automountServiceAccountToken"], false);
  EXPECT_FALSE(pod["metadata"]["labels"].contains("paralleljob.dev/job"));
  EXPECT_EQ(pod["metadata"]["ownerReferences"][0]["uid"], "u");
}

TEST_F(ReaderTemplate, NeedsAnImageAndSomethingToRead) {
  source_.worker_job.clear();
  const auto without = PlanReader(source_, request_);
  ASSERT_FALSE(without);
  EXPECT_THAT(without.error().ToString(), HasSubstr("--worker-image"));
  request_.image = "other:1";
  EXPECT_EQ(Pod()["spec"]["containers"][0]["image"], "other:1");
  EXPECT_EQ(Pod()["spec"]["securityContext"]["runAsUser"], 65532);
  for (api::Output& output : source_.job.spec.outputs) output.volume = R"({"emptyDir":{}})";
  EXPECT_FALSE(PlanReader(source_, request_));
}

TEST_F(ReaderTemplate, IsAsTheOperatorMakesWorkersWhenTheirsAreGone) {
  source_.worker_job.clear();
  source_.job.spec.pod_template = R"({"tolerations":[{"key":"gpu"}],"nodeSelector":{"zone":"a"},
                                      "imagePullSecrets":[{"name":"one"}]})";
  source_.flags = {.image = "registry/worker:3",
                   .image_pull_policy = "Always",
                   .image_pull_secrets = {"one", "two"},
                   .run_as_user = "1000",
                   .fs_group = "2000"};
  const Json pod = Pod();
  const Json& spec = pod["spec"];
  EXPECT_EQ(spec["containers"][0]["image"], "registry/worker:3");
  EXPECT_EQ(spec["containers"][0]["imagePullPolicy"], "Always");
  EXPECT_EQ(spec["imagePullSecrets"], ParseJson(R"([{"name":"one"},{"name":"two"}])").value());
  EXPECT_EQ(spec["securityContext"]["runAsUser"], 1000);
  EXPECT_EQ(spec["securityContext"]["fsGroup"], 2000);
  EXPECT_EQ(spec["tolerations"][0]["key"], "gpu");
  EXPECT_EQ(spec["nodeSelector"]["zone"], "a");
}

TEST_F(ReaderTemplate, OnlyLogs) {
  request_.outputs = false;
  EXPECT_EQ(Pod()["spec"]["containers"][0]["volumeMounts"].size(), 1U);
  EXPECT_THAT(plan_.unreadable, IsEmpty());
}

TEST(JobLogFiles, FindsTheEntriesOfOneMiniBatch) {
  const std::string file =
      "2026-11-28T14:13:55.817728Z mini-batch 1, attempt 1: RUN_EXCEPTION after 0.034 s\n"
      "ValueError: of 1\nTraceback: mini-batch 17, not an entry\n\n\n"
      "2026-11-28T14:13:56.817728Z mini-batch 17, attempt 1: RUN_TIMEOUT\nof 17\n\n"
      "2026-11-28T14:13:57.817728Z mini-batch 1, attempt 2 (the last): RUN_EXCEPTION\nagain\n";
  const std::string found = EntriesOf(file, 1);
  EXPECT_THAT(found, HasSubstr("of 1\nTraceback: mini-batch 17, not an entry\n"));
  EXPECT_THAT(found, HasSubstr("attempt 2 (the last): RUN_EXCEPTION\nagain\n"));
  EXPECT_THAT(found, testing::Not(HasSubstr("of 17")));
  EXPECT_EQ(EntriesOf(file, 7), "");
  EXPECT_EQ(RowsOf("Id,Status\n1,A\n11,B\n1,C\n", 1), "Id,Status\n1,A\n1,C\n");
  EXPECT_EQ(RowsOf("Id,Status\n1,A\n", 2), "");
}

}  // namespace
}  // namespace pj::cli
