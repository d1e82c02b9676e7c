// Reports: the job's logs folder (contract §6), made from committed attempts and the verdict.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ledger/record.h"
#include "output/segment.h"
#include "report/error_text.h"
#include "report/proc_sample.h"

namespace pj::report {

// One row of processed_mini-batches.csv, with its newline.
std::string ProcessedRow(const output::AttemptRecord& record);

// Writes sys/job_report/processed_mini-batches.csv row by row as commits arrive; remade whole after
// a resume. Thread-safe.
class ProcessedCsv {
 public:
  // `path` is replaced by a fresh file with the header line. Storage that refuses is tried again at
  // each Flush: a log never stops a job.
  static Result<std::unique_ptr<ProcessedCsv>> Create(const std::string& path);
  virtual ~ProcessedCsv() = default;
  virtual void Add(const output::AttemptRecord& record) = 0;
  // Pushes what was added to the file; failures are counted, never fatal.
  virtual void Flush() = 0;
  virtual uint64_t Dropped() const = 0;
};

// Its place in a logs folder.
std::string ProcessedCsvPath(const std::string& logs_dir);

struct JobSummary {
  std::string job;
  std::string state;  // "Complete", "Failed"
  std::string reason;
  std::string message;
  uint64_t mini_batches_total = 0, mini_batches_succeeded = 0, mini_batches_failed = 0, not_run = 0;
  uint64_t items_total = 0, items_succeeded = 0, items_failed = 0;
  uint64_t retries = 0;
  uint64_t more_rows = 0;  // mini-batches that returned more rows than they had items
  double duration_seconds = 0;
  std::map<std::string, std::string> outputs;  // name → absolute path
  std::string logs;                            // absolute path
  std::vector<ledger::ErrorGroup> errors;      // groups, most frequent first
  std::vector<bool> recovered;                 // per group: all its mini-batches succeeded later
};

// Some of them, below a logs folder.
inline constexpr char kJobResultFile[] = "job_result.txt";
inline constexpr char kErrorOverviewFile[] = "user/error.txt";
inline constexpr char kNodeSummaryCsv[] = "sys/job_report/node_summary.csv";
inline constexpr char kProcessSummaryCsv[] = "sys/job_report/process_summary.csv";

// job_result.txt, readme.txt, job_progress_overview.<stamp>.txt, node_summary.csv,
// process_summary.csv, user/error.txt and user/error/<node>/processNNN.txt, from the summary and
// all committed attempts. Sets summary->more_rows.
using AttemptSource =
    std::function<Status(const std::function<void(const output::AttemptRecord&)>&)>;
Status WriteReports(const std::string& logs_dir, JobSummary* summary,
                    const AttemptSource& attempts);

// The object that `run -o json` ends with (contract §9). As a text within JSON it takes at most
// `most_bytes`: longer error texts are cut in their middle, and when that is not enough the rarest
// groups become "other errors"; no count is lost.
std::string SummaryJson(const JobSummary& summary, size_t most_bytes = kSummaryBytes);

// Error groups with full detail from committed attempts: hash → group, recovered or not.
struct GroupedErrors {
  std::vector<ledger::ErrorGroup> groups;
  std::vector<bool> recovered;
};
Result<GroupedErrors> GroupErrors(const AttemptSource& attempts);
// category + last line with numbers, addresses and paths blanked: alike failures share it. Never 0.
uint64_t ErrorHash(std::string_view category, std::string_view message);

// sys/perf/<node>/node_resource_usage.csv, node_disk_usage.csv, processes_resource_usage.csv, one
// sample each `interval`; a thread of its own until destruction. `pids` gives the processes to look
// at, and `sample` looks at them: in another container they have other numbers than here.
class ResourceMonitor {
 public:
  using Pids = std::function<std::vector<std::pair<int, int>>()>;  // process number, pid
  using Sampler = std::function<std::vector<std::optional<ProcessSample>>(const std::vector<int>&)>;
  static std::unique_ptr<ResourceMonitor> Start(const std::string& logs_dir,
                                                const std::string& node, Seconds interval,
                                                Pids pids, Sampler sample = SampleProcesses);
  virtual ~ResourceMonitor() = default;
};

}  // namespace pj::report
