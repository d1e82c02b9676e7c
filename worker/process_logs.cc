#include "worker/process_logs.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

namespace pj::worker {
namespace {

constexpr uint64_t kLastLineBytes = 200;  // at most: ours, or that of the process
constexpr char kLastLine[] =
    "\nparalleljob: this log had reached its limit of 64 MiB; the rest is dropped\n";

void Trim(int fd) {
  struct stat info{};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return;
  if (static_cast<uint64_t>(info.st_size) <= kLogBytes + kLastLineBytes) return;
  if (::ftruncate(fd, kLogBytes) != 0) return;
  static_cast<void>(!::write(fd, kLastLine, sizeof kLastLine - 1));
}

Result<UniqueFd> OpenLog(const std::string& path) {
  Result<UniqueFd> fd = OpenFile(path, O_RDWR | O_CREAT | O_APPEND);
  if (!fd) fd = OpenFile("/dev/null", O_WRONLY);
  return fd;
}

}  // namespace

void TrimLogs(const ProcessLogs& logs) {
  for (const UniqueFd* fd : {&logs.out, &logs.err, &logs.log}) Trim(fd->get());
}

void MakeLogFolders(const std::string& logs_dir, const std::string& node) {
  for (const char* folder : {"user/stdout", "user/stderr", "user/entry_script_log", "sys/node"}) {
    static_cast<void>(MakeDirs(fmt::format("{}/{}/{}", logs_dir, folder, node)));
  }
}

Result<ProcessLogs> OpenProcessLogs(const std::string& logs_dir, const std::string& node,
                                    int process) {
  const std::string name = ProcessName(process);
  ProcessLogs logs;
  PJ_ASSIGN(logs.out,
            OpenLog(fmt::format("{}/user/stdout/{}/{}.stdout.txt", logs_dir, node, name)));
  PJ_ASSIGN(logs.err, OpenLog(logs_dir + "/" + StderrLog(node, process)));
  PJ_ASSIGN(logs.log,
            OpenLog(fmt::format("{}/user/entry_script_log/{}/{}.log.txt", logs_dir, node, name)));
  return logs;
}

std::string StderrLog(const std::string& node, int process) {
  return fmt::format("user/stderr/{}/{}.stderr.txt", node, ProcessName(process));
}

std::string ProcessName(int process) { return fmt::format("process{:03}", process); }

std::string SystemLogPath(const std::string& logs_dir, const std::string& node,
                          const std::string& name) {
  return fmt::format("{}/sys/node/{}/{}.txt", logs_dir, node, name);
}

void AppendSystemLog(const std::string& logs_dir, const std::string& node, const std::string& name,
                     const std::string& line) {
  const std::string path = SystemLogPath(logs_dir, node, name);
  const Result<UniqueFd> fd = OpenFile(path, O_WRONLY | O_CREAT | O_APPEND);
  if (!fd) return;
  static_cast<void>(
      WriteAll(fd->get(), FormatRfc3339(SystemClock().Wall()) + " " + line + "\n", path));
}

}  // namespace pj::worker
