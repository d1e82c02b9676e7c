#include "wait_for.h"

#include <fmt/core.h>
#include <poll.h>

#include "base/clock.h"
#include "base/fs.h"
#include "worker/fd_passing.h"

namespace pj::worker {

bool WaitFor(const std::function<bool()>& condition, int seconds) {
  const Nanos deadline = SystemClock().Monotonic() + Seconds(seconds);
  while (!condition()) {
    if (SystemClock().Monotonic() > deadline) return false;
    ::poll(nullptr, 0, 1);
  }
  return true;
}

bool Alive(int pid) {
  const Result<std::string> stat = ReadFile(fmt::format("/proc/{}/stat", pid));
  if (!stat) return false;
  const size_t end = stat->rfind(')');
  return end != std::string::npos && end + 2 < stat->size() && (*stat)[end + 2] != 'Z';
}

std::string ReceiveText(int socket) {
  pollfd wait{socket, POLLIN, 0};
  if (::poll(&wait, 1, 10'000) <= 0) return {};
  std::string buffer(64 * 1024, '\0');
  const Received got = ReceiveMessage(socket, buffer.data(), buffer.size(), 0);
  if (got.size <= 0) return {};
  buffer.resize(static_cast<size_t>(got.size));
  return buffer;
}

}  // namespace pj::worker
