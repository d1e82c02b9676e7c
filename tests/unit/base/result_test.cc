#include "base/result.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

namespace pj {
namespace {

TEST(ResultTest, AnErrorIsToldCauseFirstWithoutWhatIsEmpty) {
  EXPECT_EQ(Fail(Code::kInvalid, "negative count", "spec.n", "use 0 or more").error().ToString(),
            "negative count: spec.n: use 0 or more");
  EXPECT_EQ(Fail(Code::kInvalid, "no", "", "try").error().ToString(), "no: try");
  EXPECT_EQ(Fail(Code::kInvalid, "no").error().ToString(), "no");
  // What explains the cause comes after the way out.
  EXPECT_EQ(Fail(Code::kInvalid, "no\nbecause\nof it", "here", "try").error().ToString(),
            "no: here: try\nbecause\nof it");
}

TEST(ResultTest, ErrnoDecidesTheCode) {
  const std::pair<int, Code> codes[] = {
      {ENOSPC, Code::kNoSpace},       {EDQUOT, Code::kNoSpace},    {ENOENT, Code::kNotFound},
      {EROFS, Code::kForbidden},      {EACCES, Code::kForbidden},  {EIO, Code::kIo},
      {EEXIST, Code::kAlreadyExists}, {EAGAIN, Code::kUnavailable}};
  for (const auto& [number, code] : codes) {
    const Error error = FailErrno(number, "cannot write", "/x").error();
    EXPECT_EQ(error.code, code) << number;
    EXPECT_EQ(error.where, "/x");
    EXPECT_EQ(error.message.find("cannot write ("), 0u);
  }
}

TEST(ResultTest, OnlyWhatMayPassByItselfIsRetryable) {
  EXPECT_TRUE((Error{Code::kUnavailable, "", "", ""}).Retryable());
  EXPECT_TRUE((Error{Code::kConflict, "", "", ""}).Retryable());
  EXPECT_FALSE((Error{Code::kNoSpace, "", "", ""}).Retryable());
}

TEST(ResultTest, EveryCodeHasItsOwnName) {
  std::vector<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    names.push_back(CodeName(static_cast<Code>(code)));
    EXPECT_NE(names.back(), "Unknown");
    EXPECT_EQ(std::count(names.begin(), names.end(), names.back()), 1);
  }
}

Result<int> Half(int x) {
  if (x % 2 != 0) return Fail(Code::kInvalid, "odd");
  return x / 2;
}
Status Check(int x) {
  PJ_TRY(Half(x));
  return {};
}
Result<int> Quarter(int x) {
  PJ_TRY(Check(x));
  PJ_ASSIGN(const int half, Half(x));
  PJ_ASSIGN(const int quarter, Half(half));
  return quarter;
}

TEST(ResultTest, TheMacrosHandErrorsOn) {
  EXPECT_EQ(Quarter(12).value(), 3);
  EXPECT_EQ(Quarter(3).error().message, "odd");
  EXPECT_EQ(Quarter(6).error().message, "odd");
}

}  // namespace
}  // namespace pj
