#include "worker/guardian_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/guardian_loop.h"

namespace pj::worker {
namespace {

constexpr int kFirstFd = 3;

// Standard streams to /dev/null: a pipe behind the program must end with the program, not with us.
void DetachStreams() {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < kFirstFd; ++fd) {
    if (null >= 0) ::dup2(null, fd);
  }
}

}  // namespace

void RunGuardian(UniqueFd socket) {
  ::setsid();
  ::prctl(PR_SET_NAME, "pj-guardian");
  DetachStreams();
  // Locks and files of the program must not stay open in here; the socket keeps descriptor 3.
  int fd = socket.Release();
  if (fd != kFirstFd) {
    ::dup3(fd, kFirstFd, O_CLOEXEC);
    fd = kFirstFd;
  }
  ::syscall(SYS_close_range, kFirstFd + 1, ~0U, 0U);
  GuardianLoop loop;
  while (loop.Round({.program = fd}, -1) != GuardianLoop::Event::kProgramGone) {
  }
  loop.KillAll();
  ::_exit(0);
}

}  // namespace pj::worker
