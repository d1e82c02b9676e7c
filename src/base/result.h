// Result<T> and Error: how every module reports what went wrong. No exceptions cross a module.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pj {

// What kind of failure it is: decides the exit code, whether a repeat can help and who has to act.
enum class Code {
  kInvalid,        // bad input or usage: the user's to mend
  kNotFound,       // file, object or mini-batch that is not there
  kAlreadyExists,  // a create that came second
  kConflict,       // compare-and-swap lost: read again
  kGone,           // a watch's version is too old (HTTP 410)
  kForbidden,      // no permission
  kTooLarge,       // over a limit of limits.h
  kUnavailable,    // may work later: timeouts, refused connections, 429, 5xx
  kIo,             // the storage answered with an error
  kNoSpace,        // ENOSPC or EDQUOT
  kCorrupt,        // checksum or structure is wrong: never guess
  kCancelled,      // asked to stop
  kInternal,       // a bug of ours
};

std::string_view CodeName(Code code);

// One failure, told cause first. `message` says what; `where` names file, field or object (may be
// empty); `hint` is the way out (may be empty).
struct Error {
  Code code = Code::kInternal;
  std::string message;
  std::string where;
  std::string hint;

  // "<what>: <where>: <way out>", leaving out what is empty.
  std::string ToString() const;
  // True if the same call may succeed later without anyone acting.
  bool Retryable() const { return code == Code::kUnavailable || code == Code::kConflict; }
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

// return Fail(Code::kInvalid, "negative count", "spec.instanceCount", "use 0 or more");
std::unexpected<Error> Fail(Code code, std::string message, std::string where = {},
                            std::string hint = {});
// From errno: chooses the code (ENOSPC, ENOENT, EACCES …) and appends strerror.
std::unexpected<Error> FailErrno(int err, std::string what, std::string where = {});

// PJ_TRY(status_expr): returns the error of a Status or Result from the enclosing function.
#define PJ_TRY(expr)                                            \
  do {                                                          \
    if (auto pj_try_status = (expr); !pj_try_status) {          \
      return std::unexpected(std::move(pj_try_status).error()); \
    }                                                           \
  } while (false)

// PJ_ASSIGN(auto x, result_expr): x gets the value, or the enclosing function returns the error.
#define PJ_CONCAT_INNER(a, b) a##b
#define PJ_CONCAT(a, b) PJ_CONCAT_INNER(a, b)
#define PJ_ASSIGN(decl, expr) PJ_ASSIGN_IMPL(PJ_CONCAT(pj_result_, __LINE__), decl, expr)
#define PJ_ASSIGN_IMPL(tmp, decl, expr)                     \
  auto tmp = (expr);                                        \
  if (!tmp) return std::unexpected(std::move(tmp).error()); \
  decl = std::move(*tmp)

}  // namespace pj
