// SimKubernetes: what the Job controller, the scheduler, the kubelets and the garbage collector do
// with Indexed Jobs, as seen on a real 1.34: pods per index, replacement after a delay and only
// when a pod is really gone, suspend, scale, pods that stay Terminating on lost nodes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "operator/views.h"
#include "tests/sim/cluster/env.h"

namespace pj::sim {

class PodProgram;

// What runs in a pod: made when the pod starts, told of its end by `exited`.
struct PodStart {
  std::string uid;
  std::string name;
  uint32_t ordinal = 0;
  bool finaliser = false;
  std::map<std::string, std::string> labels;
  std::function<void(int code)> exited;
};
using StartPod = std::function<PodProgram*(const PodStart&)>;  // null: nothing wants to run

// Not thread-safe. Lives as long as the Env.
class SimKubernetes {
 public:
  SimKubernetes(Env* env, StartPod start);

  void Begin();
  void OnWrite(const SeenWrite& write);
  void CatchUp();  // its watches have seen everything so far
  // One pod's containers die at once; a node goes, with or without what runs on it.
  void KillPod();
  void LoseNode();
  void ReturnNodes();
  // Pods that have not ended and are not on their way out, by run label.
  std::map<std::string, int64_t> LivePods() const;
  // Of runs for which `counts` says so.
  bool AnyPodLives(const std::function<bool(const std::string& run)>& counts) const;

 private:
  struct Pod {
    op::WorkerPodView view;
    std::string job;  // name of its Job
    std::string job_uid;
    int node = 0;
    bool starting = false;
    PodProgram* program = nullptr;
    bool told_to_stop = false;
  };
  struct Job {
    op::WorkerJobView view;
    std::set<int64_t> succeeded;
    bool complete = false;
    Nanos next_pod{0};  // its own back-off
  };

  void Soon();
  void CollectLate(const SeenWrite& write);
  void Sync();
  void See(kube::Watch* watch, const std::function<void(const kube::WatchEvent&)>& take);
  void TakeJob(const kube::WatchEvent& event);
  void TakePod(const kube::WatchEvent& event);
  void SyncJob(const std::string& name, Job* job);
  void SyncPod(Pod* pod);
  void Orphan(Pod* pod);
  void CreatePods(const std::string& name, Job* job);
  bool HasAccount(const Job& job);
  void CreatePod(const std::string& name, const Job& job, int64_t index);
  void Complete(const std::string& name, Job* job);
  void StartContainers(const std::string& uid);
  void Ended(const std::string& uid, int code);
  void SetPhase(const Pod& pod, const std::string& phase);
  void DropFinalizer(const Pod& pod);
  void Delete(const Pod& pod);
  bool NodeLives(int node) const { return !lost_nodes_.contains(node); }
  int PickNode();
  Pod* Find(const std::string& uid);

  Env* env_;
  StartPod start_;
  ActorApi api_;
  std::unique_ptr<kube::Watch> job_watch_;
  std::unique_ptr<kube::Watch> pod_watch_;
  std::map<std::string, Job> jobs_;  // by name
  std::map<std::string, Pod> pods_;  // by UID
  std::set<int> lost_nodes_;
  int last_node_ = 0;
  bool synced_soon_ = false;
};

}  // namespace pj::sim
