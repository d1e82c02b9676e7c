// RenameOnto: whom an ENOENT is believed.
#include "base/rename_onto.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdio>

#include "base/fs.h"
#include "unit/temp_dir.h"

namespace pj {
namespace {

class RenameOntoTest : public testing::Test {
 protected:
  RenameOntoTest() { EXPECT_TRUE(WriteFileAtomic(from_, "new")); }

  // A server that does it and whose answer is lost: the repeated request finds nothing.
  static int Lost(const std::string& from, const std::string& to) {
    if (std::rename(from.c_str(), to.c_str()) != 0) return -1;
    errno = ENOENT;
    return -1;
  }
  Status Rename(int (*rename)(const std::string&, const std::string&)) {
    return RenameOnto(from_, to_, {.is_there = [this] { return IsThere(); }, .rename = rename});
  }
  bool IsThere() {
    ++asked_;
    return ReadFile(to_).value_or("") == "new";
  }

  const TempDir dir_;
  const std::string from_ = dir_ / "from";
  const std::string to_ = dir_ / "to";
  int asked_ = 0;
};

TEST_F(RenameOntoTest, WhatWorksIsNotLookedAt) {
  EXPECT_TRUE(Rename(nullptr));
  EXPECT_EQ(asked_, 0);
  EXPECT_TRUE(IsThere());
}

TEST_F(RenameOntoTest, ALostAnswerIsSuccess) {
  EXPECT_TRUE(Rename(Lost));
  EXPECT_EQ(asked_, 1);
}

TEST_F(RenameOntoTest, SomebodyElsesFileIsNot) {
  ASSERT_TRUE(WriteFileAtomic(to_, "other"));
  ASSERT_EQ(std::remove(from_.c_str()), 0);
  const Status status = Rename(nullptr);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kNotFound);
  EXPECT_EQ(status.error().where, to_);
  EXPECT_EQ(asked_, 1);
}

TEST_F(RenameOntoTest, OtherErrorsAreNotDoubted) {
  const auto denied = [](const std::string&, const std::string&) {
    errno = EACCES;
    return -1;
  };
  ASSERT_TRUE(WriteFileAtomic(to_, "new"));
  EXPECT_FALSE(Rename(denied));
  EXPECT_EQ(asked_, 0);
}

}  // namespace
}  // namespace pj
