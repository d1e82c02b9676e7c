#include "tests/sim/cluster/kubernetes.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/json.h"
#include "job/pod_contract.h"
#include "operator/kinds.h"
#include "tests/sim/cluster/pod_program.h"

namespace pj::sim {
namespace {

constexpr char kTracking[] = "batch.kubernetes.io/job-tracking";
constexpr Nanos kGrace = Seconds(job::kGraceSeconds);
constexpr Nanos kEviction = Seconds(30);  // toleration of nodes that are not ready

}  // namespace

SimKubernetes::SimKubernetes(Env* env, StartPod start)
    : env_(env), start_(std::move(start)), api_(env, "kubernetes", false) {}

void SimKubernetes::Begin() {
  job_watch_ =
      std::move(*api_.OpenWatch({.type = op::Jobs(), .ns = kNs, .timeout = Seconds(1 << 20)}));
  pod_watch_ =
      std::move(*api_.OpenWatch({.type = op::Pods(), .ns = kNs, .timeout = Seconds(1 << 20)}));
}

void SimKubernetes::OnWrite(const SeenWrite& write) {
  const kube::ResourceType& type = write.request.type;
  if (type == op::Jobs() || type == op::Pods() || type == kube::ParallelJobs()) Soon();
  // A Lease is made by an update, too.
  if (write.request.verb == kube::Verb::kCreate || type == kube::Leases()) CollectLate(write);
}

// Made when its owner was gone already: the garbage collector finds it some time later.
void SimKubernetes::CollectLate(const SeenWrite& write) {
  const auto meta = kube::DecodeMeta(write.response.body);
  if (!meta || !meta->owner || meta->owner->kind != kube::ParallelJobs().kind) return;
  env_->time.After(Seconds(1) + env_->time.Below(Seconds(5)),
                   [this, type = write.request.type, meta = *meta] {
                     const auto owner = api_.Do({.verb = kube::Verb::kGet,
                                                 .type = kube::ParallelJobs(),
                                                 .ns = kNs,
                                                 .name = meta.owner->name});
                     if (owner->ok() && kube::DecodeMeta(owner->body)->uid == meta.owner->uid)
                       return;
                     static_cast<void>(api_.Do({.verb = kube::Verb::kDelete,
                                                .type = type,
                                                .ns = kNs,
                                                .name = meta.name,
                                                .precondition_uid = meta.uid}));
                   });
}

void SimKubernetes::Soon() {
  if (std::exchange(synced_soon_, true)) return;
  env_->time.After(Millis(1) + env_->time.Below(Millis(300)), [this] {
    synced_soon_ = false;
    Sync();
  });
}

// --- What is there -------------------------------------------------------------------------------

void SimKubernetes::See(kube::Watch* watch,
                        const std::function<void(const kube::WatchEvent&)>& take) {
  while (const std::optional<kube::WatchEvent> event = watch->Next(Millis(0))) {
    if (event->type != kube::WatchEvent::Type::kBookmark) take(*event);
  }
  if (watch->Ended()) env_->Violate("the watch of the simulated Kubernetes ended");
}

void SimKubernetes::TakeJob(const kube::WatchEvent& event) {
  const op::WorkerJobView view = op::DecodeWorkerJob(event.object).value();
  if (event.type == kube::WatchEvent::Type::kDeleted) {
    jobs_.erase(view.meta.name);
    return;
  }
  Job& job = jobs_[view.meta.name];
  if (job.view.meta.uid != view.meta.uid) job = {};
  job.view = view;
}

void SimKubernetes::TakePod(const kube::WatchEvent& event) {
  const op::WorkerPodView view = op::DecodeWorkerPod(event.object).value();
  if (event.type == kube::WatchEvent::Type::kDeleted) {
    Pod* gone = Find(view.meta.uid);
    if (gone != nullptr && gone->program != nullptr) gone->program->Kill();
    pods_.erase(view.meta.uid);
    return;
  }
  Pod& pod = pods_[view.meta.uid];
  if (pod.job.empty() && view.meta.owner) {
    pod.job = view.meta.owner->name;
    pod.job_uid = view.meta.owner->uid;
    pod.node = view.node.empty() ? 0 : view.node.back() - '0';
  }
  pod.view = view;
}

SimKubernetes::Pod* SimKubernetes::Find(const std::string& uid) {
  const auto found = pods_.find(uid);
  return found == pods_.end() ? nullptr : &found->second;
}

void SimKubernetes::CatchUp() {
  See(job_watch_.get(), [this](const auto& event) { TakeJob(event); });
  See(pod_watch_.get(), [this](const auto& event) { TakePod(event); });
}

void SimKubernetes::Sync() {
  CatchUp();
  for (auto& [name, job] : jobs_) SyncJob(name, &job);
  std::vector<std::string> uids;
  for (const auto& [uid, pod] : pods_) uids.push_back(uid);
  for (const std::string& uid : uids) {
    if (Pod* pod = Find(uid)) SyncPod(pod);
  }
}

// --- The Job controller --------------------------------------------------------------------------

void SimKubernetes::SyncJob(const std::string& name, Job* job) {
  const op::WorkerJobView& view = job->view;
  std::vector<const Pod*> active;
  for (auto& [uid, pod] : pods_) {
    if (pod.job_uid != view.meta.uid) continue;
    if (pod.view.phase == "Succeeded") job->succeeded.insert(pod.view.index);
    if (!pod.view.Ended() && !pod.view.deletion) active.push_back(&pod);
  }
  const bool over = job->complete || view.terminal || view.deleting;
  std::sort(active.begin(), active.end(),
            [](const Pod* a, const Pod* b) { return a->view.index < b->view.index; });
  int64_t kept = 0;
  for (const Pod* pod : active) {
    const bool wanted =
        !over && !view.suspended && pod->view.index < view.completions && kept < view.parallelism;
    if (wanted) {
      ++kept;
    } else {
      Delete(*pod);
    }
  }
  if (over || view.suspended) return;
  const auto done = std::count_if(job->succeeded.begin(), job->succeeded.end(),
                                  [&](int64_t index) { return index < view.completions; });
  if (view.completions > 0 && done >= view.completions) return Complete(name, job);
  CreatePods(name, job);
}

void SimKubernetes::CreatePods(const std::string& name, Job* job) {
  if (env_->time.Now() < job->next_pod) return;
  if (!HasAccount(*job)) return;
  // A pod on its way out counts: it is replaced when it has really ended.
  std::set<int64_t> taken;
  for (const auto& [uid, pod] : pods_) {
    if (pod.job_uid == job->view.meta.uid && !pod.view.Ended()) taken.insert(pod.view.index);
  }
  for (int64_t index = 0; index < job->view.completions; ++index) {
    if (static_cast<int64_t>(taken.size()) >= job->view.parallelism) return;
    if (taken.contains(index) || job->succeeded.contains(index)) continue;
    taken.insert(index);
    CreatePod(name, *job, index);
  }
}

// Pods are refused as long as their account is not there.
bool SimKubernetes::HasAccount(const Job& job) {
  const auto& labels = job.view.meta.labels;
  const auto name = labels.find(job::kJobLabel);
  const auto run = labels.find(job::kRunLabel);
  if (name == labels.end() || run == labels.end()) return false;
  const auto found = api_.Do({.verb = kube::Verb::kGet,
                              .type = op::ServiceAccounts(),
                              .ns = kNs,
                              .name = name->second + "-" + run->second + "-worker"});
  return found && found->ok();
}

void SimKubernetes::CreatePod(const std::string& name, const Job& job, int64_t index) {
  Json labels = Json::object();
  for (const auto& [key, value] : job.view.meta.labels) labels[key] = value;
  const int node = PickNode();
  const Json pod{
      {"apiVersion", "v1"},
      {"kind", "Pod"},
      {"metadata",
       {{"name", fmt::format("{}-{}-{}", name, index, env_->time.Number())},
        {"namespace", kNs},
        {"labels", std::move(labels)},
        {"annotations", {{"batch.kubernetes.io/job-completion-index", fmt::format("{}", index)}}},
        {"finalizers", Json::array({kTracking})},
        {"ownerReferences", Json::array({{{"apiVersion", "batch/v1"},
                                          {"kind", "Job"},
                                          {"name", name},
                                          {"uid", job.view.meta.uid},
                                          {"controller", true}}})}}},
      {"spec", {{"nodeName", fmt::format("node-{}", node)}}}};
  const auto made =
      api_.Do({.verb = kube::Verb::kCreate, .type = op::Pods(), .ns = kNs, .body = DumpJson(pod)});
  if (!made || !made->ok()) {
    env_->Violate("the simulated Job controller cannot make a pod: " + made->message);
  }
}

void SimKubernetes::Complete(const std::string& name, Job* job) {
  const auto stored =
      api_.Do({.verb = kube::Verb::kGet, .type = op::Jobs(), .ns = kNs, .name = name});
  if (!stored || !stored->ok()) return;
  env_->time.Trace("Job " + name + " is complete");
  Json body = Json::parse(stored->body);
  body["status"]["conditions"] = Json::array({{{"type", "Complete"}, {"status", "True"}}});
  job->complete = true;
  static_cast<void>(api_.Do({.verb = kube::Verb::kUpdateStatus,
                             .type = op::Jobs(),
                             .ns = kNs,
                             .name = name,
                             .body = DumpJson(body)}));
}

// --- Kubelets and the garbage collector ----------------------------------------------------------

void SimKubernetes::SyncPod(Pod* pod) {
  const auto job = jobs_.find(pod->job);
  const bool orphan = job == jobs_.end() || job->second.view.meta.uid != pod->job_uid;
  if (orphan && !pod->view.deletion && !pod->view.Ended()) return Delete(*pod);
  if (pod->view.Ended()) {
    // Its containers end with it, unless nobody on the node hears of it.
    if (pod->program != nullptr && NodeLives(pod->node)) pod->program->Kill();
    if (orphan) return Orphan(pod);
    return DropFinalizer(*pod);
  }
  if (!NodeLives(pod->node)) return;
  const std::string uid = pod->view.meta.uid;
  if (pod->view.deletion && !std::exchange(pod->told_to_stop, true)) {
    if (pod->program == nullptr) return Ended(uid, 1);
    pod->program->Stop();
    env_->time.After(kGrace, [this, uid] {
      Pod* late = Find(uid);
      if (late == nullptr || late->view.Ended() || !NodeLives(late->node)) return;
      if (late->program != nullptr) late->program->Kill();
      Ended(uid, 137);
    });
  } else if (!pod->view.deletion && !std::exchange(pod->starting, true)) {
    env_->time.After(Millis(100) + env_->time.Below(Seconds(3)),
                     [this, uid] { StartContainers(uid); });
  }
}

// Nobody counts it any more.
void SimKubernetes::Orphan(Pod* pod) {
  DropFinalizer(*pod);
  if (!pod->view.deletion) Delete(*pod);
}

void SimKubernetes::StartContainers(const std::string& uid) {
  Pod* pod = Find(uid);
  if (pod == nullptr || pod->view.deletion || pod->view.Ended() || !NodeLives(pod->node)) return;
  PodStart start{.uid = uid,
                 .name = pod->view.meta.name,
                 .ordinal = static_cast<uint32_t>(pod->view.index),
                 .finaliser = pod->job.ends_with("-fin"),
                 .labels = pod->view.meta.labels,
                 .exited = [this, uid](int code) { Ended(uid, code); }};
  pod->program = start_(start);
  if (pod->program == nullptr) return Ended(uid, 1);
  SetPhase(*pod, "Running");
  pod->program->Start();
}

void SimKubernetes::Ended(const std::string& uid, int code) {
  Pod* pod = Find(uid);
  if (pod == nullptr || !NodeLives(pod->node)) return;
  env_->time.Trace(fmt::format("pod {} ended with {}", pod->view.meta.name, code));
  pod->program = nullptr;
  if (const auto job = jobs_.find(pod->job); job != jobs_.end() && code != 0) {
    const Nanos pause = env_->time.Below(env_->time.Chance(0.3) ? Seconds(10) : Seconds(1));
    job->second.next_pod = env_->time.Now() + pause;
    env_->time.After(pause, [this] { Soon(); });
  }
  SetPhase(*pod, code == 0 ? "Succeeded" : "Failed");
}

void SimKubernetes::SetPhase(const Pod& pod, const std::string& phase) {
  const kube::Meta& meta = pod.view.meta;
  const auto stored =
      api_.Do({.verb = kube::Verb::kGet, .type = op::Pods(), .ns = kNs, .name = meta.name});
  if (!stored || !stored->ok()) return;
  Json body = Json::parse(stored->body);
  const op::WorkerPodView now = op::DecodeWorkerPod(stored->body).value();
  if (now.Ended()) return;  // final, whoever said so
  body["status"] = {
      {"phase", phase},
      {"conditions",
       Json::array({{{"type", "Ready"}, {"status", phase == "Running" ? "True" : "False"}}})}};
  static_cast<void>(api_.Do({.verb = kube::Verb::kUpdateStatus,
                             .type = op::Pods(),
                             .ns = kNs,
                             .name = meta.name,
                             .body = DumpJson(body)}));
}

void SimKubernetes::DropFinalizer(const Pod& pod) {
  const kube::Meta& meta = pod.view.meta;
  const auto stored =
      api_.Do({.verb = kube::Verb::kGet, .type = op::Pods(), .ns = kNs, .name = meta.name});
  if (!stored || !stored->ok()) return;
  Json body = Json::parse(stored->body);
  if (!body["metadata"].contains("finalizers")) return;
  body["metadata"].erase("finalizers");
  static_cast<void>(api_.Do({.verb = kube::Verb::kUpdate,
                             .type = op::Pods(),
                             .ns = kNs,
                             .name = meta.name,
                             .body = DumpJson(body)}));
}

void SimKubernetes::Delete(const Pod& pod) {
  static_cast<void>(api_.Do({.verb = kube::Verb::kDelete,
                             .type = op::Pods(),
                             .ns = kNs,
                             .name = pod.view.meta.name,
                             .precondition_uid = pod.view.meta.uid}));
}

// --- What goes wrong -----------------------------------------------------------------------------

void SimKubernetes::KillPod() {
  std::vector<std::string> running;
  for (const auto& [uid, pod] : pods_) {
    if (pod.program != nullptr && NodeLives(pod.node)) running.push_back(uid);
  }
  if (running.empty()) return;
  const std::string uid = running[env_->time.Pick(running.size())];
  Pod* pod = Find(uid);
  env_->time.Trace("kill of pod " + pod->view.meta.name);
  if (env_->time.Chance(0.3)) return Delete(*pod);
  pod->program->Kill();
  Ended(uid, 137);
}

int SimKubernetes::PickNode() {
  if (lost_nodes_.contains(last_node_)) last_node_ = static_cast<int>(lost_nodes_.size());
  const int nodes = 1 + last_node_ + static_cast<int>(env_->time.Pick(2));
  for (int node = nodes; node < 9; ++node) {
    if (NodeLives(node)) return node;
  }
  return 9;
}

// Its pods are told to go and never do. What ran there died, or lives on and may even reach the
// API.
void SimKubernetes::LoseNode() {
  std::set<int> nodes;
  for (const auto& [uid, pod] : pods_) {
    if (pod.program != nullptr && NodeLives(pod.node) && pod.node < 9) nodes.insert(pod.node);
  }
  if (nodes.empty()) return;
  const int node = *std::next(nodes.begin(), static_cast<int64_t>(env_->time.Pick(nodes.size())));
  lost_nodes_.insert(node);
  env_->time.Trace(fmt::format("node {} is lost", node));
  const uint64_t how = env_->time.Pick(3);
  for (auto& [uid, pod] : pods_) {
    if (pod.node != node || pod.view.Ended() || pod.program == nullptr) continue;
    if (how == 0) pod.program->Kill();
    if (how == 1) pod.program->CutOff();
  }
  env_->time.After(kEviction, [this, node] {
    for (const auto& [uid, pod] : pods_) {
      if (pod.node == node && !pod.view.Ended() && !pod.view.deletion) Delete(pod);
    }
  });
}

// Their kubelets end what nobody wants any more.
void SimKubernetes::ReturnNodes() {
  for (auto& [uid, pod] : pods_) {
    if (!NodeLives(pod.node)) pod.told_to_stop = false;
  }
  lost_nodes_.clear();
  Soon();
}

std::map<std::string, int64_t> SimKubernetes::LivePods() const {
  std::map<std::string, int64_t> out;
  for (const auto& [uid, pod] : pods_) {
    const auto run = pod.view.meta.labels.find(job::kRunLabel);
    if (pod.view.Ended() || pod.view.deletion || pod.job.ends_with("-fin")) continue;
    if (run != pod.view.meta.labels.end()) ++out[run->second];
  }
  return out;
}

bool SimKubernetes::AnyPodLives(const std::function<bool(const std::string&)>& counts) const {
  return std::any_of(pods_.begin(), pods_.end(), [&](const auto& entry) {
    const op::WorkerPodView& view = entry.second.view;
    const auto run = view.meta.labels.find(job::kRunLabel);
    return !view.Ended() && run != view.meta.labels.end() && counts(run->second);
  });
}

}  // namespace pj::sim
