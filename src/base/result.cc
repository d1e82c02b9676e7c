#include "base/result.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace pj {

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kInvalid:
      return "Invalid";
    case Code::kNotFound:
      return "NotFound";
    case Code::kAlreadyExists:
      return "AlreadyExists";
    case Code::kConflict:
      return "Conflict";
    case Code::kGone:
      return "Gone";
    case Code::kForbidden:
      return "Forbidden";
    case Code::kTooLarge:
      return "TooLarge";
    case Code::kUnavailable:
      return "Unavailable";
    case Code::kIo:
      return "IoError";
    case Code::kNoSpace:
      return "NoSpace";
    case Code::kCorrupt:
      return "Corrupt";
    case Code::kCancelled:
      return "Cancelled";
    case Code::kInternal:
      return "Internal";
  }
  return "Unknown";
}

std::string Error::ToString() const {
  const size_t end = std::min(message.find('\n'), message.size());
  std::string text = message.substr(0, end);
  for (const std::string* part : {&where, &hint}) {
    if (!part->empty()) text += ": " + *part;
  }
  return text + message.substr(end);
}

std::unexpected<Error> Fail(Code code, std::string message, std::string where, std::string hint) {
  return std::unexpected(Error{code, std::move(message), std::move(where), std::move(hint)});
}

std::unexpected<Error> FailErrno(int err, std::string what, std::string where) {
  Code code = Code::kIo;
  switch (err) {
    case ENOSPC:
    case EDQUOT:
      code = Code::kNoSpace;
      break;
    case ENOENT:
    case ENOTDIR:
      code = Code::kNotFound;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = Code::kForbidden;
      break;
    case ELOOP:
    case ENAMETOOLONG:
      code = Code::kInvalid;
      break;
    case EEXIST:
      code = Code::kAlreadyExists;
      break;
    case EAGAIN:
    case ETIMEDOUT:
      code = Code::kUnavailable;
      break;
    default:
      break;
  }
  return Fail(code, what + " (" + std::strerror(err) + ")", std::move(where));
}

}  // namespace pj
