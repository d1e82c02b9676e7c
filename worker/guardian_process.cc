#include "worker/guardian_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "base/byte_io.h"
#include "worker/fd_passing.h"
#include "worker/process_tree.h"

namespace pj::worker {
namespace {

constexpr int kSweepMillis = 1000;
constexpr int kFirstFd = 3;
constexpr int kParkingFd = 200;  // descriptors wait here while 3, 4, … are filled

struct Start {
  std::vector<std::string> argv, env;
  std::string cwd, stdout_path, stderr_path;
};

bool DecodeStart(std::string_view bytes, Start* out) {
  ByteReader in(bytes);
  for (uint64_t n = in.Varint(); n > 0 && in.ok(); --n) out->argv.emplace_back(in.Bytes());
  for (uint64_t n = in.Varint(); n > 0 && in.ok(); --n) out->env.emplace_back(in.Bytes());
  out->cwd = in.Bytes();
  out->stdout_path = in.Bytes();
  out->stderr_path = in.Bytes();
  return in.ok() && !out->argv.empty();
}

std::vector<char*> Pointers(std::vector<std::string>* words) {
  std::vector<char*> out;
  for (std::string& word : *words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

[[noreturn]] void GiveUp(int pipe, const char* stage) {
  GuardianReply reply;
  reply.error = errno;
  std::strncpy(reply.stage, stage, sizeof reply.stage - 1);
  static_cast<void>(!::write(pipe, &reply, sizeof reply));
  ::_exit(127);
}

// A log that cannot be opened (full disk) must not stop the job: its lines are dropped.
void OpenStream(const std::string& path, int target) {
  int fd = -1;
  if (!path.empty()) fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) fd = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (fd >= 0) ::dup2(fd, target);
}

// In the forked child, before execve: a session, signals and descriptors of its own.
[[noreturn]] void BecomeProcess(Start* start, const std::vector<UniqueFd>& fds, int error_pipe) {
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  error_pipe = ::fcntl(error_pipe, F_DUPFD_CLOEXEC, kParkingFd);
  std::vector<int> parked;
  for (const UniqueFd& fd : fds) parked.push_back(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kParkingFd));
  OpenStream(start->stdout_path, STDOUT_FILENO);
  OpenStream(start->stderr_path, STDERR_FILENO);
  ::syscall(SYS_close_range, kFirstFd, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
  for (size_t i = 0; i < parked.size(); ++i) {
    if (::dup2(parked[i], kFirstFd + static_cast<int>(i)) < 0) GiveUp(error_pipe, "dup2");
  }
  if (!start->cwd.empty() && ::chdir(start->cwd.c_str()) != 0) GiveUp(error_pipe, "chdir");
  ::execve(start->argv[0].c_str(), Pointers(&start->argv).data(), Pointers(&start->env).data());
  GiveUp(error_pipe, "execve");
}

class GuardianLoop {
 public:
  explicit GuardianLoop(UniqueFd socket) : socket_(std::move(socket)) {}

  [[noreturn]] void Run() {
    while (true) {
      pollfd fds[2] = {{socket_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
      ::poll(fds, 2, spawned_.empty() ? -1 : kSweepMillis);
      DrainSignals();
      if (fds[0].revents != 0 && !HandleMessage()) break;
      Reap();
      KillOrphans();
    }
    KillAll();
    ::_exit(0);
  }

  void TakeSignals() {
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    signals_.Reset(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  }

 private:
  void DrainSignals() {
    signalfd_siginfo info;
    while (::read(signals_.get(), &info, sizeof info) > 0) {
    }
  }

  // False: the program has gone.
  bool HandleMessage() {
    GuardianRequest request;
    Received got =
        ReceiveMessage(socket_.get(), reinterpret_cast<char*>(&request), sizeof request, 0);
    if (got.size != sizeof request) return false;
    GuardianReply reply;
    if (request.op == GuardianRequest::kSweep) return true;
    if (request.op == GuardianRequest::kSpawn) {
      reply = Spawn(request, &got.fds);
    } else if (!spawned_.contains(request.pid)) {
      reply.error = ESRCH;
    } else {
      ::kill(-request.pid, SIGKILL);
      ::kill(request.pid, SIGKILL);
    }
    return ::send(socket_.get(), &reply, sizeof reply, MSG_NOSIGNAL) == sizeof reply;
  }

  GuardianReply Spawn(const GuardianRequest& request, std::vector<UniqueFd>* fds) {
    GuardianReply reply;
    Start start;
    if (fds->empty()) {
      reply.error = EINVAL;
      return reply;
    }
    const Result<std::string> body = ReadAt(fds->front().get(), 0, request.bytes, "spawn request");
    if (!body || !DecodeStart(*body, &start)) {
      reply.error = EINVAL;
      return reply;
    }
    fds->erase(fds->begin());
    int pipe[2];
    if (::pipe2(pipe, O_CLOEXEC) != 0) {
      reply.error = errno;
      return reply;
    }
    const pid_t pid = ::fork();
    if (pid == 0) BecomeProcess(&start, *fds, pipe[1]);
    reply.error = pid < 0 ? errno : 0;
    ::close(pipe[1]);
    if (pid > 0) {
      GuardianReply failed;
      reply.pid = pid;
      if (::read(pipe[0], &failed, sizeof failed) == sizeof failed) reply = failed;
      spawned_.insert(pid);
    }
    ::close(pipe[0]);
    return reply;
  }

  // False: there are no children at all.
  bool Reap() {
    while (true) {
      const pid_t pid = ::waitpid(-1, nullptr, WNOHANG);
      if (pid < 0) return errno != ECHILD;
      if (pid == 0) return true;
      spawned_.erase(pid);
    }
  }

  // Children that we did not start were left behind by a process below us that has died.
  void KillOrphans() {
    for (const int pid : ChildrenOf(::getpid())) {
      if (!spawned_.contains(pid)) KillWithGroup(pid);
    }
  }

  void KillAll() {
    while (true) {
      for (const int pid : ChildrenOf(::getpid())) KillWithGroup(pid);
      if (!Reap()) return;
      // The killed ones' own children come to us now: look again.
      pollfd wait{signals_.get(), POLLIN, 0};
      ::poll(&wait, 1, 5);
      DrainSignals();
    }
  }

  static void KillWithGroup(int pid) {
    ::kill(-pid, SIGKILL);
    ::kill(pid, SIGKILL);
  }

  const UniqueFd socket_;
  UniqueFd signals_;
  std::set<int> spawned_;
};

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
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  DetachStreams();
  // Locks and files of the program must not stay open in here; the socket keeps descriptor 3.
  int fd = socket.Release();
  if (fd != kFirstFd) {
    ::dup3(fd, kFirstFd, O_CLOEXEC);
    fd = kFirstFd;
  }
  ::syscall(SYS_close_range, kFirstFd + 1, ~0U, 0U);
  GuardianLoop loop{UniqueFd(fd)};
  loop.TakeSignals();
  loop.Run();
}

}  // namespace pj::worker
