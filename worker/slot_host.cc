#include "worker/slot_host.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>

#include "worker/fd_passing.h"
#include "worker/guardian_loop.h"
#include "worker/process_tree.h"

extern char** environ;

namespace pj::worker {
namespace {

Nanos Now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return Seconds(time.tv_sec) + Nanos(time.tv_nsec);
}

std::map<std::string, std::string> OwnEnvironment() {
  std::map<std::string, std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string::npos) out[text.substr(0, equals)] = text.substr(equals + 1);
  }
  out.erase(job::kEnvGrace);
  return out;
}

Result<UniqueFd> Listen(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof address.sun_path) {
    return Fail(Code::kInvalid, "the path of a socket is too long", path, "use a shorter one");
  }
  path.copy(address.sun_path, path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return FailErrno(errno, "cannot make a socket");
  ::unlink(path.c_str());  // of a host before us in this pod
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), 8) != 0) {
    return FailErrno(errno, "cannot listen for agents", path);
  }
  return fd;
}

class SlotHost {
 public:
  SlotHost(const SlotHostOptions& options, UniqueFd listener)
      : options_(options), listener_(std::move(listener)), loop_(OwnEnvironment()) {}

  void Run() {
    while (!Over()) {
      switch (loop_.Round({.program = agent_.get(), .listener = listener_.get()}, Millisecs())) {
        case GuardianLoop::Event::kNone:
          break;
        case GuardianLoop::Event::kProgramGone:
          LoseAgent();
          break;
        case GuardianLoop::Event::kNewcomer:
          Accept();
          break;
      }
      if (loop_.asked_to_end() && !ends_at_) ends_at_ = Now() + options_.stop_grace;
    }
    loop_.KillAll();
  }

 private:
  void LoseAgent() {
    agent_.Reset();
    loop_.KillAll();
    left_at_ = Now();
  }

  // An agent lives in another container, whose processes have no number here.
  bool IsOurOwn(int socket) const {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return true;
    return IsBelow(peer.pid, ::getpid());
  }

  void Accept() {
    UniqueFd newcomer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!newcomer.valid() || IsOurOwn(newcomer.get())) return;
    LoseAgent();
    GuardianReply hello;
    hello.pid = ::getpid();
    const std::string_view bytes(reinterpret_cast<const char*>(&hello), sizeof hello);
    if (SendMessage(newcomer.get(), bytes)) agent_ = std::move(newcomer);
  }

  // When to look at the clock again.
  std::optional<Nanos> Deadline() const {
    if (ends_at_) return ends_at_;
    if (!agent_.valid() && left_at_) return *left_at_ + options_.grace;
    return {};
  }
  bool Over() const {
    if (ends_at_ && !agent_.valid()) return true;
    const std::optional<Nanos> deadline = Deadline();
    return deadline && Now() >= *deadline;
  }
  int Millisecs() const {
    const std::optional<Nanos> deadline = Deadline();
    if (!deadline) return -1;
    const auto left = std::chrono::ceil<Millis>(*deadline - Now()).count();
    return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
  }

  const SlotHostOptions& options_;
  const UniqueFd listener_;
  GuardianLoop loop_;
  UniqueFd agent_;
  std::optional<Nanos> left_at_;  // when the last agent went
  std::optional<Nanos> ends_at_;  // after SIGTERM
};

}  // namespace

Status RunSlotHost(const SlotHostOptions& options) {
  PJ_ASSIGN(UniqueFd listener, Listen(options.socket));
  SlotHost(options, std::move(listener)).Run();
  return {};
}

}  // namespace pj::worker
