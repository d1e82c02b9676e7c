#include "worker/process_tree.h"

#include <dirent.h>
#include <fmt/core.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "base/fs.h"

namespace pj::worker {
namespace {

constexpr uint64_t kProcFileBytes = 1 << 20;

// The numbers that a /proc directory lists (processes or threads).
std::vector<int> NumbersIn(const std::string& dir) {
  std::vector<int> out;
  DIR* stream = ::opendir(dir.c_str());
  if (stream == nullptr) return out;
  while (const dirent* entry = ::readdir(stream)) {
    const int number = std::atoi(entry->d_name);
    if (number > 0) out.push_back(number);
  }
  ::closedir(stream);
  return out;
}

int ParentOf(int pid) {
  const Result<std::string> stat = ReadFile(fmt::format("/proc/{}/stat", pid), kProcFileBytes);
  if (!stat) return 0;
  // "pid (name) state ppid …": the name may hold anything, so look behind its last parenthesis.
  const size_t end = stat->rfind(')');
  if (end == std::string::npos || end + 4 > stat->size()) return 0;
  return std::atoi(stat->c_str() + end + 4);
}

// For kernels without the `children` file.
std::vector<int> ChildrenByScan(int pid) {
  std::vector<int> out;
  for (const int other : NumbersIn("/proc")) {
    if (ParentOf(other) == pid) out.push_back(other);
  }
  return out;
}

uint64_t CountIn(const std::string& path, const std::string& key) {
  const Result<std::string> text = ReadFile(path, kProcFileBytes);
  if (!text) return 0;
  std::istringstream lines(*text);
  std::string name;
  uint64_t value = 0;
  while (lines >> name >> value) {
    if (name == key) return value;
  }
  return 0;
}

// Path of our cgroup for a controller ("" = the unified hierarchy).
std::string OwnCgroup(const std::string& controller) {
  const Result<std::string> text = ReadFile("/proc/self/cgroup", kProcFileBytes);
  if (!text) return "/";
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
    if (names == ",," ? controller.empty() : names.find("," + controller + ",") != names.npos) {
      return line.substr(second + 1);
    }
  }
  return "/";
}

// `name` in our cgroup of a controller. Inside a container the path may be the host's, which is not
// mounted there: then our cgroup is the root of what is.
std::string CgroupFile(const std::string& controller, const std::string& name) {
  const std::string root = "/sys/fs/cgroup" + (controller.empty() ? "" : "/" + controller);
  const std::string own = root + OwnCgroup(controller) + "/" + name;
  return ::access(own.c_str(), R_OK) == 0 ? own : root + "/" + name;
}

}  // namespace

std::vector<int> ChildrenOf(int pid) {
  std::vector<int> out;
  for (const int thread : NumbersIn(fmt::format("/proc/{}/task", pid))) {
    const Result<std::string> text =
        ReadFile(fmt::format("/proc/{}/task/{}/children", pid, thread), kProcFileBytes);
    if (!text) return ChildrenByScan(pid);
    std::istringstream numbers(*text);
    for (int child = 0; numbers >> child;) out.push_back(child);
  }
  return out;
}

std::string DescribeExit(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    const char* name = ::sigabbrev_np(signal);
    return fmt::format("killed by signal {} (SIG{})", signal, name == nullptr ? "?" : name);
  }
  return fmt::format("exited with code {}", WEXITSTATUS(status));
}

uint64_t OutOfMemoryKills() {
  return CountIn(CgroupFile("", "memory.events"), "oom_kill") +
         CountIn(CgroupFile("memory", "memory.oom_control"), "oom_kill");
}

CpuLimit OwnCpuLimit() {
  std::istringstream v2(ReadFile(CgroupFile("", "cpu.max"), kProcFileBytes).value_or(""));
  CpuLimit limit;
  if (v2 >> limit.quota >> limit.period) return limit;  // "max 100000" is no number
  limit = {};
  std::istringstream quota(
      ReadFile(CgroupFile("cpu", "cpu.cfs_quota_us"), kProcFileBytes).value_or(""));
  std::istringstream period(
      ReadFile(CgroupFile("cpu", "cpu.cfs_period_us"), kProcFileBytes).value_or(""));
  if (!(quota >> limit.quota) || !(period >> limit.period) || limit.quota < 0) return {};
  return limit;
}

bool IsBelow(int pid, int ancestor) {
  for (; pid > 0; pid = ParentOf(pid)) {
    if (pid == ancestor) return true;
  }
  return false;
}

}  // namespace pj::worker
