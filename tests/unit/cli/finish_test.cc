#include "cli/finish.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace pj::cli {
namespace {

// A pipeline's object holds the summary twice.
TEST(FinalJsonTest, OfAPipelineFitsIntoTheResultToo) {
  report::JobSummary summary{.job = "scores", .state = "Failed"};
  for (uint64_t i = 0; i < report::kMostGroups; ++i) {
    summary.errors.push_back(
        {.hash = i + 1, .count = 2, .first_ids = {i}, .text = std::string(4096, '"')});
    summary.recovered.push_back(false);
  }
  api::LoadedJob job;
  job.step = "score";
  const std::string text = FinalJson(job, summary);
  EXPECT_LE(DumpJson(Json(text)).size(), report::kSummaryBytes + 1024);
  const auto json = ParseJson(text);
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["errors"].size(), report::kMostGroups);
  EXPECT_EQ((*json)["steps"][0]["errors"], (*json)["errors"]);
}

}  // namespace
}  // namespace pj::cli
