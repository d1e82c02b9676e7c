#include "api/nearest_name.h"

#include <gtest/gtest.h>

namespace pj::api {
namespace {

TEST(EditDistance, CountsChanges) {
  EXPECT_EQ(EditDistance("abc", "abc", 2), 0u);
  EXPECT_EQ(EditDistance("abc", "abd", 2), 1u);
  EXPECT_EQ(EditDistance("abc", "acb", 2), 1u) << "a swap is one slip";
  EXPECT_EQ(EditDistance("abc", "ab", 2), 1u);
  EXPECT_EQ(EditDistance("", "ab", 2), 2u);
  EXPECT_EQ(EditDistance("abc", "xyz", 2), 3u);
  EXPECT_EQ(EditDistance(std::string(100000, 'a'), std::string(100000, 'b'), 2), 3u);
}

TEST(NearestName, FindsWhatIsMeant) {
  const std::vector<std::string_view> names = {"miniBatchSize", "inputs", "inputData", "logs",
                                               "timeoutSeconds"};
  EXPECT_EQ(NearestName("mini_batch_size", names), "miniBatchSize");
  EXPECT_EQ(NearestName("minibatchsize", names), "miniBatchSize");
  EXPECT_EQ(NearestName("miniBatchSzie", names), "miniBatchSize");
  EXPECT_EQ(NearestName("input", names), "inputs");
  EXPECT_EQ(NearestName("timeout", names), "timeoutSeconds");
  EXPECT_EQ(NearestName("xyz", names), "");
  EXPECT_EQ(NearestName("lo", names), "") << "too short to guess";
}

TEST(SuggestName, FallsBackToTheList) {
  EXPECT_EQ(SuggestName("imputs", {"inputs"}), "did you mean inputs?");
  EXPECT_EQ(SuggestName("zzz", {"a", "b"}), "known: a, b");
  EXPECT_EQ(SuggestName("zzz", {}), "there are none");
}

}  // namespace
}  // namespace pj::api
