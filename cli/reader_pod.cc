#include "cli/reader_pod.h"

#include <fmt/core.h>
#include <sys/random.h>

#include <algorithm>

#include "api/load.h"
#include "base/json.h"
#include "cli/cluster_target.h"
#include "cli/job_view.h"
#include "cli/operator_deployment.h"
#include "cli/reader_template.h"
#include "job/pod_contract.h"

namespace pj::cli {
namespace {

using kube::Request;
using kube::Response;
using kube::Verb;

constexpr Millis kLook{250};
constexpr Seconds kHashing{600};  // the pod reads the whole file before it answers

std::string RandomHex(size_t bytes) {
  std::string raw(bytes, '\0');
  size_t have = 0;
  while (have < bytes) {
    const ssize_t got = ::getrandom(raw.data() + have, bytes - have, 0);
    if (got > 0) have += static_cast<size_t>(got);
  }
  std::string out;
  for (const char c : raw) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

Status Pause(const ReaderOptions& options) {
  if (!options.stop(kLook)) return {};
  return Fail(Code::kCancelled, "stopped", "job " + options.job);
}

// Nothing that a pod says may lead out of the folder it is written to.
bool IsSafe(const std::string& path) {
  if (path.empty() || path.front() == '/' || path.find('\0') != std::string::npos) return false;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = std::string_view(path).substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return path.starts_with("outputs/") || path.starts_with("logs/");
}

// What the scheduler or the kubelet says of a pod that does not start.
std::string TroubleOf(const Json& pod) {
  const Json status = pod.value("status", Json::object());
  for (const Json& one : status.value("containerStatuses", Json::array())) {
    const Json waiting = one.value("state", Json::object()).value("waiting", Json::object());
    const std::string reason = TextAt(waiting, "reason");
    if (!reason.empty() && reason != "ContainerCreating") {
      return fmt::format("{}: {}", reason, TextAt(waiting, "message"));
    }
  }
  for (const Json& one : status.value("conditions", Json::array())) {
    if (TextAt(one, "type") == "PodScheduled" && TextAt(one, "status") == "False") {
      return fmt::format("{}: {}", TextAt(one, "reason"), TextAt(one, "message"));
    }
  }
  return fmt::format("its phase is {}", TextAt(status, "phase"));
}

// The Job of the job's workers that was made last; empty without one.
Result<std::string> WorkersOf(kube::Api* api, const std::string& ns, const std::string& job) {
  PJ_ASSIGN(const std::vector<Json> jobs,
            ListObjects(api, Jobs(), ns, fmt::format("{}={}", job::kJobLabel, job)));
  const Json* last = nullptr;
  for (const Json& one : jobs) {
    const auto made = [](const Json& object) {
      return TextAt(object.value("metadata", Json::object()), "creationTimestamp");
    };
    if (last == nullptr || made(one) > made(*last)) last = &one;
  }
  return last == nullptr ? std::string() : DumpJson(*last);
}

}  // namespace

Result<std::unique_ptr<ReaderPod>> ReaderPod::Start(kube::HttpApi* api,
                                                    const ReaderOptions& options) {
  std::unique_ptr<ReaderPod> pod(new ReaderPod(api, options.ns));
  PJ_TRY(pod->Create(options));
  PJ_TRY(pod->WaitUntilRunning(options));
  PJ_TRY(pod->WaitUntilServing(options));
  return pod;
}

ReaderPod::~ReaderPod() {
  if (!created_) return;
  // An error leaves a pod that ends by itself, and goes with the job.
  (void)api_->Do({.verb = Verb::kDelete, .type = Pods(), .ns = ns_, .name = name_});
}

Status ReaderPod::Create(const ReaderOptions& options) {
  PJ_ASSIGN(const Json object, GetObject(api_, kube::ParallelJobs(), ns_, options.job));
  const JobView view = ViewOf(object);
  ReaderSource source{.ns = ns_, .identity = view.identity};
  if (view.Ended()) source.published = view.outputs;
  PJ_ASSIGN(source.job, api::FromStoredJson(DumpJson(object)));
  PJ_ASSIGN(source.worker_job, WorkersOf(api_, ns_, options.job));
  if (source.worker_job.empty()) {
    source.flags = FlagsOfWorkers(api_, ns_).value_or(WorkerFlags());
  }
  token_ = RandomHex(16);
  name_ = fmt::format("{}-reader-{}", options.job, RandomHex(3));
  PJ_ASSIGN(ReaderPlan plan, PlanReader(source, {.name = name_,
                                                 .token = token_,
                                                 .image = options.image,
                                                 .outputs = options.outputs,
                                                 .logs = options.logs}));
  foreign_ = std::move(plan.foreign);
  unreadable_ = std::move(plan.unreadable);
  const Request create{.verb = Verb::kCreate, .type = Pods(), .ns = ns_, .body = plan.pod};
  PJ_ASSIGN(const Response response, api_->Do(create));
  created_ = true;
  // A create whose answer was lost may have been repeated below us.
  if (response.ok() || response.reason == "AlreadyExists") return {};
  return std::unexpected(ErrorOf(create, response));
}

Status ReaderPod::WaitUntilRunning(const ReaderOptions& options) {
  const Clock& clock = SystemClock();
  const Nanos deadline = clock.Monotonic() + options.start_within;
  while (true) {
    PJ_ASSIGN(const Json pod, GetObject(api_, Pods(), ns_, name_));
    const std::string phase = TextAt(pod.value("status", Json::object()), "phase");
    if (phase == "Running") return {};
    const std::string trouble = TroubleOf(pod);
    const bool never = phase == "Failed" || phase == "Succeeded" ||
                       trouble.starts_with("ErrImageNeverPull") ||
                       trouble.starts_with("InvalidImageName");
    if (never || clock.Monotonic() > deadline) {
      return Fail(Code::kUnavailable, "the reader pod does not start: " + trouble,
                  fmt::format("Pod {} in namespace {}", name_, ns_),
                  "it mounts the job's volumes and runs the image of its workers; another image: "
                  "--worker-image REF");
    }
    PJ_TRY(Pause(options));
  }
}

Status ReaderPod::WaitUntilServing(const ReaderOptions& options) {
  const Clock& clock = SystemClock();
  const Nanos deadline = clock.Monotonic() + std::min(options.start_within, Seconds(60));
  while (true) {
    const Result<Response> answer = Get("files");
    if (answer && answer->ok()) return {};
    if (answer && answer->code == 403) return std::unexpected(Refused(*answer));
    if (clock.Monotonic() > deadline) {
      const std::string why =
          answer ? fmt::format("{} ({})", answer->message, answer->code) : answer.error().message;
      return Fail(Code::kUnavailable, "the reader pod does not answer: " + why,
                  fmt::format("Pod {} in namespace {}", name_, ns_),
                  fmt::format("may the API server reach pods of this namespace on port {}?",
                              job::kReadPort));
    }
    PJ_TRY(Pause(options));
  }
}

Error ReaderPod::Refused(const Response& answer) const {
  return ErrorOf({.verb = Verb::kGet, .type = Pods(), .ns = ns_, .name = name_ + "/proxy"}, answer);
}

Result<Response> ReaderPod::Get(const std::string& what, const kube::RawReceiver& receiver) {
  return api_->GetRaw({.path = fmt::format("/api/v1/namespaces/{}/pods/http:{}:{}/proxy/{}/{}",
                                           kube::PercentEncoded(ns_), kube::PercentEncoded(name_),
                                           job::kReadPort, token_, what),
                       .silence = kHashing},
                      receiver);
}

Result<std::vector<RemoteFile>> ReaderPod::List() {
  PJ_ASSIGN(const Response answer, Get("files"));
  if (!answer.ok()) return std::unexpected(Refused(answer));
  std::vector<RemoteFile> out;
  for (size_t at = 0; at < answer.body.size();) {
    const size_t end = std::min(answer.body.find('\n', at), answer.body.size());
    PJ_ASSIGN(const Json line,
              ParseJson(std::string_view(answer.body).substr(at, end - at), "the reader pod"));
    at = end + 1;
    const auto size = line.find("size");
    RemoteFile file{.path = TextAt(line, "path")};
    if (size != line.end()) file.size = static_cast<uint64_t>(CheckedInt(*size).value_or(0));
    if (!IsSafe(file.path)) {
      return Fail(Code::kCorrupt, fmt::format("lists the path \"{}\"", file.path),
                  fmt::format("Pod {} in namespace {}", name_, ns_));
    }
    const bool foreign = std::any_of(foreign_.begin(), foreign_.end(), [&](const auto& path) {
      return file.path == path || file.path.starts_with(path + "/");
    });
    if (!foreign) out.push_back(std::move(file));
  }
  return out;
}

Status ReaderPod::Read(const RemoteFile& file, uint64_t offset, const kube::RawReceiver& receiver) {
  PJ_ASSIGN(const Response answer,
            Get(fmt::format("file?path={}&offset={}&size={}", kube::PercentEncoded(file.path),
                            offset, file.size),
                receiver));
  if (answer.ok()) return {};
  return Fail(answer.code == 404 || answer.code == 409 ? Code::kConflict : Code::kUnavailable,
              fmt::format("cannot be read ({})", answer.code), file.path,
              "it changed meanwhile: fetch again");
}

Result<std::string> ReaderPod::ReadText(const RemoteFile& file) {
  std::string out;
  PJ_TRY(Read(file, 0, [&](std::string_view piece) {
    out += piece;
    return true;
  }));
  return out;
}

Result<std::string> ReaderPod::Digest(const RemoteFile& file) {
  PJ_ASSIGN(const Response answer,
            Get(fmt::format("sha256?path={}&size={}", kube::PercentEncoded(file.path), file.size)));
  if (!answer.ok()) {
    return Fail(Code::kConflict, fmt::format("cannot be read ({})", answer.code), file.path,
                "it changed meanwhile: fetch again");
  }
  PJ_ASSIGN(const Json told, ParseJson(answer.body, "the reader pod"));
  return TextAt(told, "sha256");
}

}  // namespace pj::cli
