#include "cli/pod_logs.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <map>
#include <mutex>
#include <thread>

#include "base/json.h"
#include "cli/cluster_target.h"
#include "cli/job_view.h"
#include "job/pod_contract.h"

namespace pj::cli {
namespace {

constexpr size_t kStreams = 64;   // threads and connections of one command
constexpr Seconds kQuiet{20};     // then the connection is made anew: so none outlives its pod
constexpr Millis kLook{1000};     // for new pods
constexpr Seconds kLastWords{5};  // after the job's end

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

// One container's log, followed by a thread of its own until the container's last end.
class Stream {
 public:
  Stream(kube::HttpApi* api, LogRequest request, int64_t instance, LogOutput* out)
      : api_(api),
        request_(std::move(request)),
        source_{.instance = instance, .pod = request_.pod, .container = request_.container},
        out_(out),
        thread_([this] { Run(); }) {}
  ~Stream() {
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
      wake_.notify_all();
    }
    thread_.join();
  }

 private:
  void Run() {
    while (!Stopped()) {
      // Each line comes behind its time: that is where the next connection goes on.
      std::string query = "&follow=true&timestamps=true";
      if (!last_time_.empty()) query += "&sinceTime=" + kube::PercentEncoded(last_time_);
      unfinished_.clear();
      printed_until_ = last_time_;
      const auto answer = api_->GetRaw({.path = LogPath(request_, query), .silence = kQuiet},
                                       [this](std::string_view piece) {
                                         Take(piece);
                                         return !Stopped();
                                       });
      // A container that has not started is refused; one that has ended gives an empty rest.
      if (answer && answer->code == 404) return;
      request_.tail = -1;
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kLook, [this] { return stopped_; });
    }
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
  LogOutput* const out_;
  std::string last_time_;
  std::string printed_until_;  // of the connections before this one
  std::string unfinished_;
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
    while (true) {
      PJ_ASSIGN(const JobView job, GetJob(api_, options_.ns, options_.job));
      PJ_TRY(StartNew());
      const bool over = job.Ended();
      std::unique_lock lock(mutex);
      never.wait_for(lock, over ? Nanos(kLastWords) : Nanos(kLook));
      if (over) return {};
    }
  }

 private:
  Status StartNew() {
    PJ_ASSIGN(const std::vector<WorkerPod> pods, WorkerPods(api_, options_.ns, options_.job));
    for (const WorkerPod& pod : pods) {
      if (options_.instance >= 0 && pod.instance != options_.instance) continue;
      for (const std::string& container : options_.containers) {
        auto& stream = streams_[pod.name + "/" + container];
        if (stream != nullptr) continue;
        if (streams_.size() > kStreams) {
          return Fail(Code::kTooLarge, fmt::format("has more than {} containers", kStreams),
                      "job " + options_.job, "choose: --instance N, --container NAME");
        }
        stream = std::make_unique<Stream>(
            api_,
            LogRequest{
                .ns = options_.ns, .pod = pod.name, .container = container, .tail = options_.tail},
            pod.instance, out_);
      }
    }
    return {};
  }

  kube::HttpApi* const api_;
  const FollowOptions& options_;
  LogOutput* const out_;
  std::map<std::string, std::unique_ptr<Stream>> streams_;
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
  return std::unexpected(ErrorOf(
      {.verb = kube::Verb::kGet, .type = Pods(), .ns = request.ns, .name = request.pod + "/log"},
      answer));
}

Status FollowLogs(kube::HttpApi* api, const FollowOptions& options, LogOutput* out) {
  return Follower(api, options, out).Run();
}

}  // namespace pj::cli
