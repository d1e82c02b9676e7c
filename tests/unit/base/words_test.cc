#include "base/words.h"

#include <gtest/gtest.h>

namespace pj {
namespace {

TEST(Words, ANumberAgreesWithItsNoun) {
  EXPECT_EQ(Count(0, "file"), "0 files");
  EXPECT_EQ(Count(1, "file"), "1 file");
  EXPECT_EQ(Count(1, "retry"), "1 retry");
  EXPECT_EQ(Count(2, "retry"), "2 retries");
  EXPECT_EQ(Count(3, "mini-batch"), "3 mini-batches");
  EXPECT_EQ(Count(4, "process"), "4 processes");
  EXPECT_EQ(Count(5, "kind of error", "kinds of errors"), "5 kinds of errors");
  EXPECT_EQ(NounFor(1, "slot"), "slot");
}

}  // namespace
}  // namespace pj
