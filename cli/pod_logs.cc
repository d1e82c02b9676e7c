#include "cli/pod_logs.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "base/json.h"
#include "cli/cluster_target.h"
#include "cli/console.h"
#include "cli/job_view.h"
#include "cli/print.h"
#include "job/pod_contract.h"

namespace pj::cli {
namespace {

constexpr size_t kStreams = 64;  // threads and connections of one command
constexpr Seconds kQuiet{20};    // then the connection is made anew: so none outlives its pod
constexpr int kRefusals = 3;     // a token may be renewed meanwhile

WorkerPod DecodePod(const Json& object) {
  const Json& meta = PartAt(object, "metadata");
  const Json& status = PartAt(object, "status");
  WorkerPod pod{.name = TextAt(meta, "name"),
                .node = TextAt(PartAt(object, "spec"), "nodeName"),
                .phase = TextAt(status, "phase")};
  const std::string index =
      TextAt(PartAt(meta, "annotations"), "batch.kubernetes.io/job-completion-index");
  std::from_chars(index.data(), index.data() + index.size(), pod.instance);
  for (const char* kind : {"initContainerStatuses", "containerStatuses"}) {
    for (const Json& one : PartAt(status, kind)) {
      const auto restarts = one.find("restartCount");
      if (restarts != one.end()) pod.restarts += CheckedInt(*restarts).value_or(0);
    }
  }
  for (const Json& condition : PartAt(status, "conditions")) {
    if (TextAt(condition, "type") == "Ready") pod.ready = TextAt(condition, "status") == "True";
  }
  return pod;
}

std::string LogPath(const LogRequest& request, const std::string& query) {
  std::string path = fmt::format("/api/v1/namespaces/{}/pods/{}/log?container={}",
                                 kube::PercentEncoded(request.ns),
                                 kube::PercentEncoded(request.pod), request.container);
  if (request.tail >= 0) path += fmt::format("&tailLines={}", request.tail);
  return path + query;
}

Error LogErrorOf(const LogRequest& request, const kube::Response& answer) {
  return ErrorOf(
      {.verb = kube::Verb::kGet, .type = Pods(), .ns = request.ns, .name = request.pod + "/log"},
      answer);
}

// One container's log, followed by a thread of its own until the container's last end.
class Stream {
 public:
  Stream(kube::HttpApi* api, LogRequest request, const WorkerPod& pod, Millis look, LogOutput* out)
      : api_(api),
        request_(std::move(request)),
        source_{.instance = pod.instance, .pod = request_.pod, .container = request_.container},
        look_(look),
        out_(out),
        pod_ended_(pod.Ended()),
        thread_([this] { Run(); }) {}
  ~Stream() {
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
      wake_.notify_all();
    }
    thread_.join();
  }

  // What it says from now on is its last.
  void PodHasEnded() { pod_ended_ = true; }
  bool EndsSoon() const { return pod_ended_; }
  bool Finished() const { return finished_; }
  // Once it has finished: why it had to.
  std::optional<Error> Refusal() const { return finished_ ? refusal_ : std::nullopt; }

 private:
  void Run() {
    while (!Stopped()) {
      const bool last = pod_ended_;
      // Each line comes behind its time: that is where the next connection goes on.
      std::string query = "&follow=true&timestamps=true";
      if (!last_time_.empty()) query += "&sinceTime=" + kube::PercentEncoded(last_time_);
      unfinished_.clear();
      printed_until_ = last_time_;
      const auto answer = api_->GetRaw({.path = LogPath(request_, query), .silence = kQuiet},
                                       [this](std::string_view piece) {
                                         Take(piece);
                                         return !Stopped() && !OutLost();
                                       });
      if (OutLost() || (answer && IsOver(*answer, last))) break;
      request_.tail = -1;
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, look_, [this] { return stopped_; });
    }
    finished_ = true;
  }

  // A container that has not started is refused with 400; one that has ended gives an empty rest.
  bool IsOver(const kube::Response& answer, bool last) {
    if (answer.code == 404) return true;
    if (answer.code == 401 || answer.code == 403) {
      if (++refusals_ < kRefusals) return false;
      refusal_ = LogErrorOf(request_, answer);
      return true;
    }
    refusals_ = 0;
    if (answer.code >= 500 && answer.message != told_) {
      told_ = answer.message;
      PrintNote(fmt::format("{}: {}: trying again", source_.Heading(), told_));
    }
    return last && (answer.ok() || answer.code == 400);
  }

  bool Stopped() {
    std::lock_guard lock(mutex_);
    return stopped_;
  }

  void Take(std::string_view piece) {
    unfinished_ += piece;
    size_t begin = 0;
    while (true) {
      const size_t end = unfinished_.find('\n', begin);
      if (end == std::string::npos) break;
      Line(std::string_view(unfinished_).substr(begin, end - begin));
      begin = end + 1;
    }
    unfinished_.erase(0, begin);
  }

  // sinceTime counts whole seconds: lines up to the last one that was printed come again.
  void Line(std::string_view line) {
    const size_t blank = std::min(line.find(' '), line.size());
    const std::string time(line.substr(0, blank));
    if (!printed_until_.empty() && time <= printed_until_) return;
    last_time_ = time;
    line.remove_prefix(std::min(blank + 1, line.size()));
    out_->Line(source_, line);
  }

  kube::HttpApi* const api_;
  LogRequest request_;
  const LogSource source_;
  const Millis look_;
  LogOutput* const out_;
  std::string last_time_;
  std::string printed_until_;  // of the connections before this one
  std::string unfinished_;
  std::string told_;              // of the server's troubles
  int refusals_ = 0;              // one after the other
  std::optional<Error> refusal_;  // before finished_
  std::atomic<bool> pod_ended_;
  std::atomic<bool> finished_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopped_ = false;
  std::thread thread_;
};

class Follower {
 public:
  Follower(kube::HttpApi* api, const FollowOptions& options, LogOutput* out)
      : api_(api), options_(options), out_(out) {}

  Status Run() {
    std::mutex mutex;
    std::condition_variable never;
    Nanos reached = SystemClock().Monotonic();
    std::optional<Nanos> until;  // the job has ended; its last words are waited for
    while (true) {
      const Result<bool> over = Look();
      const Nanos now = SystemClock().Monotonic();
      if (over) {
        reached = now;
      } else if (!over.error().Retryable() || now - reached > options_.patience) {
        return std::unexpected(over.error());
      }
      if (OutLost()) return {};  // nobody reads along any more
      PJ_ASSIGN(const bool some_finished, DropFinished());
      const bool ended = until || over.value_or(false);
      if (ended && (!until || some_finished)) until = now + options_.last_words;
      if (ended && ((streams_.empty() && !waiting_) || now >= *until)) return {};
      std::unique_lock lock(mutex);
      never.wait_for(lock, options_.look);
    }
  }

 private:
  // True when the job has ended: no other pods come.
  Result<bool> Look() {
    PJ_ASSIGN(const JobView job, GetJob(api_, options_.ns, options_.job));
    PJ_ASSIGN(const std::vector<WorkerPod> pods, WorkerPods(api_, options_.ns, options_.job));
    waiting_ = false;
    for (const WorkerPod& pod : pods) {
      if (options_.instance >= 0 && pod.instance != options_.instance) continue;
      for (const std::string& container : options_.containers) PJ_TRY(Follow(pod, container));
    }
    return job.Ended();
  }

  Status Follow(const WorkerPod& pod, const std::string& container) {
    const std::string key = pod.name + "/" + container;
    if (done_.contains(key)) return {};
    if (const auto known = streams_.find(key); known != streams_.end()) {
      if (pod.Ended()) known->second->PodHasEnded();
      return {};
    }
    if (streams_.size() >= kStreams) {
      const bool room_soon =
          pod.Ended() || std::any_of(streams_.begin(), streams_.end(),
                                     [](const auto& each) { return each.second->EndsSoon(); });
      waiting_ = true;
      if (room_soon) return {};
      return Fail(Code::kTooLarge, fmt::format("has more than {} containers", kStreams),
                  "job " + options_.job, "choose: --instance N, --container NAME");
    }
    streams_[key] = std::make_unique<Stream>(
        api_,
        LogRequest{
            .ns = options_.ns, .pod = pod.name, .container = container, .tail = options_.tail},
        pod, options_.look, out_);
    return {};
  }

  // They make room for others. True if there were some.
  Result<bool> DropFinished() {
    bool any = false;
    for (auto at = streams_.begin(); at != streams_.end();) {
      if (!at->second->Finished()) {
        ++at;
        continue;
      }
      if (std::optional<Error> refusal = at->second->Refusal()) {
        return std::unexpected(std::move(*refusal));
      }
      done_.insert(at->first);
      at = streams_.erase(at);
      any = true;
    }
    return any;
  }

  kube::HttpApi* const api_;
  const FollowOptions& options_;
  LogOutput* const out_;
  std::map<std::string, std::unique_ptr<Stream>> streams_;
  std::set<std::string> done_;  // followed to their end
  bool waiting_ = false;        // some have not been begun yet
};

}  // namespace

Result<std::vector<WorkerPod>> WorkerPods(kube::Api* api, const std::string& ns,
                                          const std::string& job) {
  PJ_ASSIGN(std::vector<Json> pods,
            ListObjects(api, Pods(), ns, fmt::format("{}={}", job::kJobLabel, job)));
  std::stable_sort(pods.begin(), pods.end(), [](const Json& a, const Json& b) {
    return TextAt(PartAt(a, "metadata"), "creationTimestamp") <
           TextAt(PartAt(b, "metadata"), "creationTimestamp");
  });
  std::vector<WorkerPod> out;
  for (const Json& pod : pods) out.push_back(DecodePod(pod));
  std::stable_sort(out.begin(), out.end(),
                   [](const WorkerPod& a, const WorkerPod& b) { return a.instance < b.instance; });
  return out;
}

Status PrintLog(kube::HttpApi* api, const LogRequest& request, LogOutput* out) {
  PJ_ASSIGN(const kube::Response answer,
            api->GetRaw({.path = LogPath(request, "")},
                        [out](std::string_view piece) { return out->Append(piece); }));
  if (answer.ok()) return {};
  if (answer.code == 400 || answer.code == 404) {
    return Fail(Code::kNotFound, answer.message, request.pod + "/" + request.container);
  }
  return std::unexpected(LogErrorOf(request, answer));
}

Status FollowLogs(kube::HttpApi* api, const FollowOptions& options, LogOutput* out) {
  return Follower(api, options, out).Run();
}

}  // namespace pj::cli
