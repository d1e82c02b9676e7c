// `paralleljob fetch JOB`: a job's outputs and logs into a folder here.
#include <fmt/core.h>

#include <filesystem>

#include "base/json.h"
#include "base/words.h"
#include "cli/cluster_target.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/fetched_file.h"
#include "cli/fetched_job.h"
#include "cli/job_dir.h"
#include "cli/job_view.h"
#include "cli/print.h"
#include "cli/signals.h"
#include "job/run_store.h"

namespace pj::cli {
namespace {

namespace fs = std::filesystem;

Status CheckFolder(const std::string& folder) {
  std::error_code ignored;
  if (!fs::exists(fs::path(folder) / "state.db", ignored)) return {};
  return Fail(Code::kInvalid, "is the folder of a local run", folder, "give --output another one");
}

// What was fetched, for people and for -o json.
class Report {
 public:
  explicit Report(const FetchOptions& options) : options_(options) {}

  void Add(const RemoteFile& file, const Fetched& fetched) {
    files_.push_back({{"path", file.path}, {"bytes", file.size}, {"sha256", fetched.sha256}});
    bytes_ += file.size;
    kept_ += fetched.kept ? 1 : 0;
    const bool log = file.path.starts_with("logs/");
    logs_ += log ? 1 : 0;
    if (options_.json || log) return;
    Print("{} ({}{})\n", file.path, HumanBytes(file.size),
          fetched.kept ? ", was here already" : "");
  }

  void Tell(const std::string& folder) {
    if (options_.json) {
      Print("{}\n", DumpJson({{"job", options_.job},
                              {"folder", folder},
                              {"bytes", bytes_},
                              {"files", std::move(files_)}}));
      return;
    }
    Print("{}: {}, {}, {} of them logs; {} were here already\n", folder,
          Count(files_.size(), "file"), HumanBytes(bytes_), logs_, kept_);
  }

 private:
  const FetchOptions& options_;
  Json files_ = Json::array();
  uint64_t bytes_ = 0;
  size_t kept_ = 0;
  size_t logs_ = 0;
};

// What `verify` compares the files with. The files are here without it, too.
void KeepResult(const ClusterTarget& cluster, const JobView& job, const FetchOptions& options,
                const std::string& folder) {
  const job::RunStore store(cluster.api.get(), {job.ns, job.name, job.identity});
  const Result<std::optional<job::StoredResult>> result = store.LoadResult();
  if (result && !*result) return DropFetched(folder);
  Status kept =
      result ? SaveFetched(
                   folder,
                   {.job = job.name, .ns = job.ns, .logs = !options.no_logs, .result = **result})
             : Status(std::unexpected(result.error()));
  if (kept) return;
  PrintWarning(fmt::format("`verify` will not work on {}: {}", folder, kept.error().ToString()));
}

// False after Ctrl-C.
Result<bool> FetchAll(ReaderPod* pod, const std::string& folder, StopSignals* signals,
                      Report* report) {
  PJ_ASSIGN(const std::vector<RemoteFile> files, pod->List());
  PJ_TRY(MarkFetched(folder));
  const auto stop = [signals] { return signals->Wait(Millis(0), -1); };
  for (const RemoteFile& file : files) {
    if (stop()) return false;
    const Result<Fetched> fetched = FetchFile(pod, file, folder, stop);
    if (!fetched && fetched.error().code == Code::kCancelled) return false;
    if (!fetched) return std::unexpected(fetched.error());
    report->Add(file, *fetched);
  }
  return true;
}

}  // namespace

int FetchCommand(const FetchOptions& options) {
  if (Status fine = RefuseFolder("fetch", options.job); !fine) {
    return Refused(fine.error(), options.json);
  }
  const std::string folder = OutputFolder(options.output_dir, options.job);
  if (Status fine = CheckFolder(folder); !fine) return Refused(fine.error(), options.json);
  const Result<ClusterTarget> cluster = OpenJobsCluster(options.cluster);
  if (!cluster) return Refused(cluster.error(), options.json);
  const Result<JobView> job = GetJob(cluster->api.get(), cluster->ns, options.job);
  if (!job) return Refused(job.error(), options.json);
  if (!job->Ended()) {
    PrintNote(fmt::format("{} has not ended ({}): its outputs are not complete", options.job,
                          job->state));
  }
  StopSignals signals;  // so that Ctrl-C leaves no pod behind
  auto pod = ReaderPod::Start(cluster->api.get(),
                              {.ns = cluster->ns,
                               .job = options.job,
                               .image = options.worker_image,
                               .logs = !options.no_logs,
                               .stop = [&](Millis wait) { return signals.Wait(wait, -1); }});
  if (!pod && pod.error().code == Code::kCancelled) return kExitInterrupted;
  if (!pod) return Refused(pod.error(), options.json);
  for (const std::string& name : (*pod)->unreadable()) {
    PrintWarning(fmt::format("output {} lies on a volume that is gone with its pods", name));
  }
  Report report(options);
  const Result<bool> whole = FetchAll(pod->get(), folder, &signals, &report);
  if (!whole) return Refused(whole.error(), options.json);
  if (*whole) KeepResult(*cluster, *job, options, folder);
  report.Tell(folder);
  return *whole ? kExitDone : kExitInterrupted;
}

}  // namespace pj::cli
