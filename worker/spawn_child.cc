#include "worker/spawn_child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>

namespace pj::worker {
namespace {

constexpr int kFirstFd = 3;
constexpr int kParkingFd = 200;  // descriptors wait here while 3, 4, … are filled

// What execve takes, made before the fork.
struct Program {
  std::vector<std::string> paths;  // to try one after the other
  std::vector<std::string> argv, env;
  std::string cwd;
};

Program ProgramOf(const SpawnBody& body, std::map<std::string, std::string> environment) {
  for (const auto& [name, value] : body.env) environment[name] = value;
  Program out{.paths = {body.argv[0]}, .argv = body.argv, .env = {}, .cwd = body.cwd};
  if (body.argv[0].find('/') == std::string::npos) {
    out.paths.clear();
    std::istringstream dirs(environment["PATH"]);
    for (std::string dir; std::getline(dirs, dir, ':');) {
      out.paths.push_back((dir.empty() ? "." : dir) + "/" + body.argv[0]);
    }
  }
  for (const auto& [name, value] : environment) out.env.push_back(name + "=" + value);
  return out;
}

std::vector<char*> Pointers(std::vector<std::string>* words) {
  std::vector<char*> out;
  for (std::string& word : *words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

[[noreturn]] void GiveUp(int pipe, const char* stage, int error) {
  GuardianReply reply;
  reply.error = error;
  std::strncpy(reply.stage, stage, sizeof reply.stage - 1);
  static_cast<void>(!::write(pipe, &reply, sizeof reply));
  ::_exit(127);
}

void TakeStream(int fd, int target) {
  if (fd < 0) fd = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (fd >= 0) ::dup2(fd, target);
}

[[noreturn]] void Execute(Program* program, int error_pipe) {
  int error = ENOENT;
  for (const std::string& path : program->paths) {
    ::execve(path.c_str(), Pointers(&program->argv).data(), Pointers(&program->env).data());
    // What PATH holds further on may do better than what may not be executed.
    if (errno != ENOENT && errno != ENOTDIR) error = errno;
    if (error != ENOENT && error != EACCES) break;
  }
  GiveUp(error_pipe, "execve", error);
}

// In the forked child.
[[noreturn]] void BecomeProcess(Program* program, const ChildFds& fds, int error_pipe) {
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  error_pipe = ::fcntl(error_pipe, F_DUPFD_CLOEXEC, kParkingFd);
  std::vector<int> parked;
  for (const UniqueFd& fd : fds.others) {
    parked.push_back(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kParkingFd));
  }
  TakeStream(fds.out, STDOUT_FILENO);
  TakeStream(fds.err, STDERR_FILENO);
  ::syscall(SYS_close_range, kFirstFd, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
  for (size_t i = 0; i < parked.size(); ++i) {
    if (::dup2(parked[i], kFirstFd + static_cast<int>(i)) < 0) GiveUp(error_pipe, "dup2", errno);
  }
  if (!program->cwd.empty() && ::chdir(program->cwd.c_str()) != 0) {
    GiveUp(error_pipe, "chdir", errno);
  }
  Execute(program, error_pipe);
}

}  // namespace

GuardianReply SpawnChild(const SpawnBody& body, const ChildFds& fds,
                         const std::map<std::string, std::string>& environment) {
  GuardianReply reply;
  Program program = ProgramOf(body, environment);
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) {
    reply.error = errno;
    return reply;
  }
  const UniqueFd read_end(pipe[0]);
  UniqueFd write_end(pipe[1]);
  const pid_t pid = ::fork();
  if (pid == 0) BecomeProcess(&program, fds, write_end.get());
  if (pid < 0) {
    reply.error = errno;
    return reply;
  }
  write_end.Reset();
  GuardianReply failed;
  if (::read(read_end.get(), &failed, sizeof failed) == sizeof failed) reply = failed;
  reply.pid = pid;
  return reply;
}

}  // namespace pj::worker
