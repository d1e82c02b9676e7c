#include "worker/guardian.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "worker/fd_passing.h"
#include "worker/guardian_client.h"
#include "worker/guardian_process.h"

namespace pj::worker {
namespace {

class LocalGuardian final : public GuardianClient {
 public:
  explicit LocalGuardian(UniqueFd socket) { socket_ = std::move(socket); }
  bool Ready() override { return true; }

 private:
  std::unexpected<Error> Gone() override {
    return Fail(Code::kInternal, "the guardian process is gone, and all slots with it", {},
                "start the run again: it goes on where it stopped");
  }
};

// The slot host greets when it is ours alone; until then the connection waits in `coming_`.
class RemoteGuardian final : public GuardianClient {
 public:
  RemoteGuardian(std::string path, Millis patience) : path_(std::move(path)), patience_(patience) {}

  bool Ready() override {
    std::lock_guard lock(mutex_);
    if (socket_.valid() && StillThere()) return true;
    socket_.Reset();
    if (!coming_.valid() && !Connect()) return false;
    GuardianReply hello;
    const Received got =
        ReceiveMessage(coming_.get(), reinterpret_cast<char*>(&hello), sizeof hello, MSG_DONTWAIT);
    if (got.size < 0 && (got.error == EAGAIN || got.error == EWOULDBLOCK)) return false;
    UniqueFd fresh = std::move(coming_);
    if (got.size != sizeof hello) return false;  // refused, or gone again
    ::fcntl(fresh.get(), F_SETFL, 0);            // from now on it is waited for, but not for long
    const timeval limit{.tv_sec = patience_ / Seconds(1),
                        .tv_usec = std::chrono::microseconds(patience_ % Seconds(1)).count()};
    for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
      ::setsockopt(fresh.get(), SOL_SOCKET, option, &limit, sizeof limit);
    }
    socket_ = std::move(fresh);
    return true;
  }

 private:
  // It says nothing unasked: what can be read is the end.
  bool StillThere() const {
    char byte = 0;
    return ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
  }

  bool Connect() {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    if (path_.size() >= sizeof address.sun_path) return false;
    path_.copy(address.sun_path, path_.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid() ||
        ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      return false;
    }
    coming_ = std::move(fd);
    return true;
  }

  std::unexpected<Error> Gone() override {
    return Fail(Code::kUnavailable, "there is no slot host", path_,
                "the kubelet starts the container `user` again: see its state and its log");
  }

  const std::string path_;
  const Millis patience_;
  UniqueFd coming_;  // guarded by mutex_
};

}  // namespace

Result<std::unique_ptr<Guardian>> Guardian::Start() {
  PJ_ASSIGN(auto pair, SeqpacketPair());
  const pid_t pid = ::fork();
  if (pid < 0) return FailErrno(errno, "cannot fork the guardian");
  if (pid == 0) {
    pair.first.Reset();
    RunGuardian(std::move(pair.second));
  }
  return std::unique_ptr<Guardian>(new LocalGuardian(std::move(pair.first)));
}

std::unique_ptr<Guardian> Guardian::Remote(const std::string& path, Millis patience) {
  return std::make_unique<RemoteGuardian>(path, patience);
}

}  // namespace pj::worker
