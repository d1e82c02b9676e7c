#include "worker/stack_text.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/fs.h"

namespace pj::worker {
namespace {

constexpr uint64_t kWindow = 256 << 10;  // a script may write more while it is asked
constexpr std::string_view kFrame = "  File \"";

bool IsThread(std::string_view line) {
  return (line.starts_with("Thread 0x") || line.starts_with("Current thread 0x")) &&
         line.ends_with("(most recent call first):");
}

bool Belongs(std::string_view line) {
  return line.empty() || IsThread(line) || line.starts_with(kFrame) || line == "  ...";
}

// True: one of ours, or how Python came to us.
bool IsOurs(std::string_view line, const StackPaths& paths) {
  const std::string_view file = line.substr(kFrame.size());
  return file.starts_with("<frozen ") || file.starts_with("<string>") ||
         (!paths.runtime.empty() && file.starts_with(paths.runtime));
}

void Append(std::string_view line, const StackPaths& paths, std::string* out) {
  if (line.starts_with(kFrame)) {
    if (IsOurs(line, paths)) return;
    const std::string code = std::string(paths.code) + "/";
    if (!paths.code.empty() && line.substr(kFrame.size()).starts_with(code)) {
      out->append(kFrame);
      line.remove_prefix(kFrame.size() + code.size());
    }
  }
  out->append(line).push_back('\n');
}

}  // namespace

std::string StackText(std::string_view log, const StackPaths& paths) {
  std::string out;
  while (!log.empty()) {
    const size_t end = std::min(log.find('\n'), log.size());
    const std::string_view line = log.substr(0, end);
    log.remove_prefix(std::min(end + 1, log.size()));
    if (out.empty() ? IsThread(line) : Belongs(line)) {
      Append(line, paths, &out);
    } else if (!out.empty()) {
      break;
    }
  }
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

std::string StackInLog(int fd, uint64_t from, const StackPaths& paths) {
  const uint64_t end = LogEnd(fd);
  if (end <= from) return {};
  const Result<std::string> text = ReadAt(fd, from, std::min(end - from, kWindow), "stderr");
  return text ? StackText(*text, paths) : std::string();
}

uint64_t LogEnd(int fd) {
  struct stat info{};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return 0;
  return static_cast<uint64_t>(info.st_size);
}

}  // namespace pj::worker
