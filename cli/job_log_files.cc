#include "cli/job_log_files.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "cli/console.h"

namespace pj::cli {
namespace {

constexpr char kProcessed[] = "logs/sys/job_report/processed_mini-batches.csv";
constexpr uint64_t kShownBytes = 256 << 20;  // of one file

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

// "2026-11-28T14:13:55.817728Z mini-batch 1, attempt 1: …": where an entry begins.
bool BeginsEntry(std::string_view line, std::string_view* rest) {
  constexpr std::string_view kMark = "Z mini-batch ";
  const size_t mark = line.find(kMark);
  if (mark == std::string_view::npos || mark > 40 || line.find(' ') != mark + 1) return false;
  *rest = line.substr(mark + kMark.size());
  return true;
}

Result<std::string> Text(ReaderPod* pod, const RemoteFile& file) {
  if (file.size > kShownBytes) {
    return Fail(Code::kTooLarge, fmt::format("has {} bytes", file.size), file.path,
                "`paralleljob fetch` brings it here");
  }
  return pod->ReadText(file);
}

}  // namespace

std::string EntriesOf(const std::string& error_file, uint64_t mini_batch) {
  const std::string wanted = fmt::format("{},", mini_batch);
  std::string out;
  bool taking = false;
  for (const std::string_view line : Lines(error_file)) {
    std::string_view rest;
    if (BeginsEntry(line, &rest)) taking = rest.starts_with(wanted);
    if (taking) out += fmt::format("{}\n", line);
  }
  while (out.ends_with("\n\n")) out.pop_back();
  return out;
}

std::string RowsOf(const std::string& csv, uint64_t mini_batch) {
  const std::string wanted = fmt::format("{},", mini_batch);
  std::string rows;
  const std::vector<std::string_view> lines = Lines(csv);
  for (const std::string_view line : lines) {
    if (line.starts_with(wanted)) rows += fmt::format("{}\n", line);
  }
  return rows.empty() ? rows : fmt::format("{}\n{}", lines.front(), rows);
}

Status PrintJobResult(ReaderPod* pod, LogOutput* out) {
  PJ_ASSIGN(const std::vector<RemoteFile> files, pod->List());
  for (const char* path : {"logs/job_result.txt", "logs/user/error.txt"}) {
    for (const RemoteFile& file : files) {
      if (file.path != path || file.size == 0) continue;
      PJ_ASSIGN(const std::string text, Text(pod, file));
      out->Text({.file = path}, text);
    }
  }
  if (files.empty()) PrintNote("the log folder is empty");
  return {};
}

Status PrintInstanceLogs(ReaderPod* pod, int64_t instance, LogOutput* out) {
  PJ_ASSIGN(const std::vector<RemoteFile> files, pod->List());
  const std::string node = fmt::format("/instance-{}/", instance);
  for (const RemoteFile& file : files) {
    const bool user = file.path.starts_with("logs/user/");
    if (!user || file.size == 0 || file.path.find(node) == std::string::npos) continue;
    PJ_ASSIGN(const std::string text, Text(pod, file));
    out->Text({.file = file.path}, text);
  }
  return {};
}

Status PrintMiniBatch(ReaderPod* pod, uint64_t mini_batch, LogOutput* out) {
  PJ_ASSIGN(const std::vector<RemoteFile> files, pod->List());
  bool any = false;
  for (const RemoteFile& file : files) {
    const bool errors = file.path.starts_with("logs/user/error/");
    if (!errors && file.path != kProcessed) continue;
    PJ_ASSIGN(const std::string text, Text(pod, file));
    const std::string found = errors ? EntriesOf(text, mini_batch) : RowsOf(text, mini_batch);
    if (found.empty()) continue;
    out->Text({.file = file.path}, found);
    any = true;
  }
  if (any) return {};
  return Fail(Code::kNotFound, fmt::format("nothing tells of mini-batch {}", mini_batch), "logs",
              "successes are listed when the job has ended; failures at once");
}

}  // namespace pj::cli
