// metav1.Status as a server sends it: why a request or a watch was refused. Internal to src/kube.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace pj::kube {

struct ServerStatus {
  int code = 0;
  std::string reason = {};
  std::string message = {};
  std::optional<Seconds> retry_after = {};  // details.retryAfterSeconds
};

// Whatever of a Status can be read; text that is none (an HTML page) becomes the message, cut
// short.
ServerStatus ReadStatus(std::string_view json);

// A Status of our own, for what a watch could not be opened with.
std::string WriteStatus(const ServerStatus& status);

// The version asked for is older than what the server remembers.
inline bool IsExpired(int code, std::string_view reason) {
  return code == 410 || reason == "Expired" || reason == "Gone";
}

// The version asked for is newer than any that the server has: its store was set back.
inline bool IsFromTheFuture(int code, std::string_view message) {
  return code == 504 && message.find("Too large resource version") != std::string_view::npos;
}

}  // namespace pj::kube
