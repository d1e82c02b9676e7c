#include "base/process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/fs.h"

extern char** environ;

namespace pj {
namespace {

using std::chrono::steady_clock;
using Deadline = std::optional<steady_clock::time_point>;
constexpr size_t kKeep = 64 * 1024;
constexpr Millis kExitPoll{10};

std::atomic<pid_t> running{0};
static_assert(std::atomic<pid_t>::is_always_lock_free);

// Milliseconds for poll(2): -1 without a deadline, 0 when it has passed.
int LeftOf(const Deadline& deadline) {
  if (!deadline) return -1;
  const auto left = std::chrono::ceil<Millis>(*deadline - steady_clock::now()).count();
  return static_cast<int>(std::max<int64_t>(left, 0));
}

// False if the deadline passed before the other end was closed.
bool ReadTail(int fd, const Deadline& deadline, std::string* tail) {
  char buffer[8192];
  while (true) {
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    const int found = ::poll(&ready, 1, LeftOf(deadline));
    if (found < 0 && errno == EINTR) continue;
    if (found == 0) return false;
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    tail->append(buffer, static_cast<size_t>(n));
    if (tail->size() > 2 * kKeep) tail->erase(0, tail->size() - kKeep);
  }
}

// False if the deadline passed before the process ended.
bool Reap(pid_t pid, const Deadline& deadline, int* status) {
  while (true) {
    const pid_t ended = ::waitpid(pid, status, deadline ? WNOHANG : 0);
    if (ended == pid || (ended < 0 && errno != EINTR)) return true;
    if (ended == 0) {
      if (LeftOf(deadline) == 0) return false;
      ::poll(nullptr, 0, static_cast<int>(kExitPoll.count()));
    }
  }
}

std::vector<std::string> Environment(const ProcessOptions& options) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('='));
    bool replaced = false;
    for (const auto& [key, value] : options.environment) replaced = replaced || key == name;
    if (!replaced) out.emplace_back(text);
  }
  for (const auto& [key, value] : options.environment) out.push_back(key + "=" + value);
  return out;
}

std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

Result<pid_t> Spawn(const std::vector<std::string>& argv, const ProcessOptions& options,
                    int output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  if (options.keep_stderr) posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  const std::vector<std::string> environment = Environment(options);
  pid_t pid = 0;
  const int failed = ::posix_spawnp(&pid, argv[0].c_str(), &actions, nullptr, Pointers(argv).data(),
                                    Pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return FailErrno(failed, "cannot start", argv[0]);
  return pid;
}

}  // namespace

Result<ProcessResult> RunProcess(const std::vector<std::string>& argv,
                                 const ProcessOptions& options) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return FailErrno(errno, "cannot make a pipe");
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  PJ_ASSIGN(const pid_t pid, Spawn(argv, options, writer.get()));
  running = pid;
  writer.Reset();
  Deadline deadline;
  if (options.timeout) deadline = steady_clock::now() + *options.timeout;
  ProcessResult result;
  int status = 0;
  if (!ReadTail(reader.get(), deadline, &result.output) || !Reap(pid, deadline, &status)) {
    ::kill(pid, SIGKILL);
    Reap(pid, {}, &status);
    running = 0;
    return Fail(Code::kUnavailable,
                fmt::format("no end after {} s, killed", options.timeout->count()), argv[0]);
  }
  running = 0;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

void KillRunningProcess() {
  if (const pid_t pid = running; pid > 0) ::kill(pid, SIGKILL);
}

std::string FindProgram(const std::string& name) {
  std::istringstream path(GetEnv("PATH"));
  std::string dir;
  while (std::getline(path, dir, ':')) {
    const std::string file = dir + "/" + name;
    std::error_code error;
    if (dir.empty() || ::access(file.c_str(), X_OK) != 0) continue;
    if (std::filesystem::is_directory(file, error)) continue;
    const std::string found = std::filesystem::absolute(file, error).string();
    if (!error) return found;
  }
  return {};
}

std::string GetEnv(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace pj
