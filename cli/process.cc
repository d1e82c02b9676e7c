#include "cli/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/fs.h"

extern char** environ;

namespace pj::cli {
namespace {

constexpr size_t kKeep = 64 * 1024;

std::string ReadTail(int fd) {
  std::string tail;
  char buffer[8192];
  while (true) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return tail;
    tail.append(buffer, static_cast<size_t>(n));
    if (tail.size() > 2 * kKeep) tail.erase(0, tail.size() - kKeep);
  }
}

}  // namespace

Result<ProcessResult> RunProcess(const std::vector<std::string>& argv) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return FailErrno(errno, "cannot make a pipe");
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, writer.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, writer.get(), STDERR_FILENO);
  std::vector<char*> raw;
  for (const std::string& word : argv) raw.push_back(const_cast<char*>(word.c_str()));
  raw.push_back(nullptr);
  pid_t pid = 0;
  const int failed = ::posix_spawnp(&pid, raw[0], &actions, nullptr, raw.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return FailErrno(failed, "cannot start", argv[0]);
  writer.Reset();
  ProcessResult result;
  result.output = ReadTail(reader.get());
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

std::string FindProgram(const std::string& name) {
  std::istringstream path(GetEnv("PATH"));
  std::string dir;
  while (std::getline(path, dir, ':')) {
    const std::string file = dir + "/" + name;
    if (dir.empty() || ::access(file.c_str(), X_OK) != 0 || std::filesystem::is_directory(file))
      continue;
    return std::filesystem::absolute(file).string();
  }
  return {};
}

std::string GetEnv(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace pj::cli
