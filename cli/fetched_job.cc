#include "cli/fetched_job.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <limits>
#include <map>

#include "base/fs.h"
#include "base/json.h"
#include "base/made_folder.h"
#include "cli/cluster_target.h"
#include "job/pod_contract.h"
#include "ledger/agent_core.h"
#include "report/report.h"

namespace pj::cli {
namespace {

constexpr uint64_t kMostBytes = 64 << 20;  // of the saved result
constexpr uint64_t kMostExitCode = 255;
constexpr uint64_t kMostReport = uint64_t{1} << 36;

std::string Private(const std::string& folder) { return folder + "/" + kRunFolderMark; }
std::string RecordFile(const std::string& folder) { return Private(folder) + "/fetched.json"; }

// "/paralleljob/outputs/rows/a.csv" of a pod is "outputs/rows/a.csv" here; empty for other paths.
std::string HereOf(const std::string& folder, const std::string& pod_path) {
  const std::string outputs = std::string(job::kOutputsDir) + "/";
  if (!pod_path.starts_with(outputs)) return {};
  return folder + "/outputs/" + pod_path.substr(outputs.size());
}

// What processed_mini-batches.csv tells: a row for each attempt.
class Attempts {
 public:
  void Read(std::string_view text) {
    bool quoted = false;
    bool header = true;
    size_t begin = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '"') quoted = !quoted;
      if (text[i] != '\n' || quoted) continue;
      if (!header) Row(text.substr(begin, i - begin));
      header = false;
      begin = i + 1;
    }
  }

  uint64_t rows() const { return rows_; }
  uint64_t mini_batches() const { return last_.size(); }
  // Those whose last attempt failed: given up, or waiting for a retry that never came.
  uint64_t unsuccessful() const {
    return static_cast<uint64_t>(
        std::ranges::count_if(last_, [](const auto& entry) { return !entry.second.done; }));
  }
  uint64_t items_succeeded(bool only_of_done) const {
    uint64_t sum = 0;
    for (const auto& [id, last] : last_) sum += only_of_done && !last.done ? 0 : last.succeeded;
    return sum;
  }

 private:
  struct Last {
    uint64_t attempt = 0;
    uint64_t succeeded = 0;
    bool done = false;  // RUN_DONE
  };

  // None of the fields up to here is ever quoted: Mini-batch Id, Picked Count, Ip Address, Process,
  // Start Time, Total, Succeeded, Failed, Elapsed Seconds, Process Seconds, Run Method Seconds,
  // Status.
  void Row(std::string_view row) {
    std::array<std::string_view, 12> fields;
    for (std::string_view& field : fields) {
      const size_t comma = std::min(row.find(','), row.size());
      field = row.substr(0, comma);
      row.remove_prefix(std::min(comma + 1, row.size()));
    }
    ++rows_;
    Last& last = last_[Number(fields[0])];
    const uint64_t attempt = Number(fields[1]);
    if (attempt < last.attempt) return;
    last = {attempt, Number(fields[6]),
            fields[11] == ledger::AttemptStatusName(ledger::AttemptStatus::kRunDone)};
  }

  static uint64_t Number(std::string_view text) {
    uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
  }

  uint64_t rows_ = 0;
  std::map<uint64_t, Last> last_;
};

Status CheckOutput(const std::string& folder, const job::StoredResult& result, Findings* findings) {
  if (result.published_path.empty()) return {};
  const std::string path = HereOf(folder, result.published_path);
  if (path.empty()) {
    return Fail(Code::kInvalid, "the output was not below the pods' outputs",
                result.published_path);
  }
  PJ_ASSIGN(const FileSum file, SumFile(path));
  Expect(findings, "bytes of the output file, against the result", result.published_bytes,
         file.bytes);
  Expect(findings, "checksum of the output file, against the result", result.published_crc,
         file.crc);
  return {};
}

Status CheckReport(const std::string& folder, const job::StoredResult& result, Findings* findings) {
  PJ_ASSIGN(const Json summary, ParseJson(result.summary_json, "result"));
  PJ_ASSIGN(const std::string text,
            ReadFile(report::ProcessedCsvPath(folder + "/logs"), kMostReport));
  Attempts attempts;
  attempts.Read(text);
  const Json batches = summary.value("miniBatches", Json::object());
  const uint64_t failed = NumberAt(batches, "failed");
  const uint64_t ended = NumberAt(batches, "succeeded") + failed;
  const uint64_t total = std::max(NumberAt(batches, "total"), ended);
  // A job that was ended early may have failed attempts whose retry never ran: they have rows, and
  // the result counts neither the mini-batch nor a retry.
  const uint64_t unsuccessful = std::max(attempts.unsuccessful(), failed);
  const uint64_t waiting = std::min(unsuccessful - failed, total - ended);
  Expect(findings, "mini-batches of processed_mini-batches.csv, against the result",
         ended + waiting, attempts.mini_batches());
  Expect(findings, "rows of processed_mini-batches.csv, against the result's retries",
         ended + waiting + NumberAt(summary, "retries"), attempts.rows());
  // Some items of an attempt that waits for its retry may have succeeded; they count for nothing.
  const uint64_t items = NumberAt(summary.value("items", Json::object()), "succeeded");
  const uint64_t most = attempts.items_succeeded(false);
  const bool fits = waiting > 0 && attempts.items_succeeded(true) <= items && items <= most;
  if (!fits) {
    Expect(findings, "items succeeded in processed_mini-batches.csv, against the result", items,
           most);
  }
  return {};
}

// What SaveFetched writes: a field that is not there must not count as zero.
bool IsWhole(const Json& saved) {
  const auto all = [&saved](std::initializer_list<const char*> keys, auto right) {
    return std::all_of(keys.begin(), keys.end(), [&](const char* key) {
      const auto found = saved.find(key);
      return found != saved.end() && right(*found);
    });
  };
  const auto text = [](const Json& value) { return value.is_string(); };
  const auto number = [](const Json& value) { return value.is_number_unsigned(); };
  const auto flag = [](const Json& value) { return value.is_boolean(); };
  return saved.is_object() && all({"job", "namespace", "summary", "path"}, text) &&
         all({"exitCode", "bytes", "rows", "crc"}, number) && all({"logs"}, flag) &&
         saved["exitCode"].get<uint64_t>() <= kMostExitCode &&
         saved["crc"].get<uint64_t>() <= std::numeric_limits<uint32_t>::max();
}

}  // namespace

Status MarkFetched(const std::string& folder) { return MakeDirs(Private(folder)); }

Status SaveFetched(const std::string& folder, const FetchedJob& job) {
  const std::string file = RecordFile(folder);
  PJ_TRY(MarkFetched(folder));
  const job::StoredResult& result = job.result;
  return WriteFileAtomic(file, DumpJson({{"job", job.job},
                                         {"namespace", job.ns},
                                         {"logs", job.logs},
                                         {"exitCode", result.exit_code},
                                         {"summary", result.summary_json},
                                         {"path", result.published_path},
                                         {"bytes", result.published_bytes},
                                         {"rows", result.published_rows},
                                         {"crc", result.published_crc}}) +
                                   "\n");
}

void DropFetched(const std::string& folder) {
  std::error_code ignored;
  std::filesystem::remove(RecordFile(folder), ignored);
}

Result<std::optional<FetchedJob>> LoadFetched(const std::string& folder) {
  const std::string file = RecordFile(folder);
  const Result<std::string> text = ReadFile(file, kMostBytes);
  if (!text && text.error().code == Code::kNotFound) return std::optional<FetchedJob>();
  if (!text) return std::unexpected(text.error());
  PJ_ASSIGN(const Json saved, ParseJson(*text, file));
  if (!IsWhole(saved)) {
    return Fail(Code::kCorrupt, "not what `fetch` writes", file, "fetch the job again");
  }
  FetchedJob out{.job = saved["job"], .ns = saved["namespace"], .logs = saved["logs"]};
  out.result.exit_code = saved["exitCode"];
  out.result.summary_json = saved["summary"];
  out.result.published_path = saved["path"];
  out.result.published_bytes = saved["bytes"];
  out.result.published_rows = saved["rows"];
  out.result.published_crc = saved["crc"];
  return std::optional<FetchedJob>(std::move(out));
}

Findings VerifyFetched(const std::string& folder, const FetchedJob& job) {
  Findings findings;
  if (Status checked = CheckOutput(folder, job.result, &findings); !checked) {
    findings.push_back(checked.error().ToString());
  }
  if (!job.logs) return findings;
  if (Status checked = CheckReport(folder, job.result, &findings); !checked) {
    findings.push_back(checked.error().ToString());
  }
  return findings;
}

}  // namespace pj::cli
