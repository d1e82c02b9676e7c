// PodWorld: a ParallelJob's whole run on the embedded API: the operator's own reconciler on a
// thread, agents of worker pods as threads with real slots, and the test as kubelet and Job
// controller.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"
#include "kube/memory_api.h"
#include "operator/reconcile.h"
#include "unit/temp_dir.h"
#include "worker/pod/agent.h"
#include "worker/pod/end.h"

namespace pj::worker {

inline constexpr char kNs[] = "team";
inline constexpr char kName[] = "score";

class PodWorld {
 public:
  // `files` inputs "0.txt" … of one line each, one to a mini-batch; the script is entry.py. `more`
  // goes over the job's spec.
  explicit PodWorld(int files, const std::string& script, const Json& more = Json::object());
  ~PodWorld();

  void StartOperator();
  void StopOperator() { operator_ = {}; }
  // Starts worker `ordinal`, in a pod that the API knows as Running.
  void StartAgent(int ordinal);
  // Of agents that are started from now on: from Stop() to killing what runs.
  void SetGrace(Nanos grace) { grace_ = grace; }
  void StopAgent(int ordinal) { agents_.at(ordinal).agent->Stop(); }
  // Its exit code, or -1 for an error; the API hears how the pod ended.
  int Join(int ordinal);

  // Fails the test if `done` does not hold within a minute.
  void WaitUntil(const char* what, const std::function<bool()>& done);
  std::string State();
  // Empty: not true.
  std::string Condition(const std::string& type, const std::string& field = "reason");
  std::optional<job::StoredResult> Outcome() const { return store().LoadResult().value(); }
  std::string Rows() const;  // of the appended file; "" if it is not there
  std::string Holder(int ordinal);
  // What its Lease says of a worker; nothing before there is one.
  std::optional<job::WorkerState> WorkerState(int ordinal);
  void PatchSpec(const Json& changes);
  void DeleteJob();

  job::RunStore store() const { return {api_.get(), objects_}; }
  const job::JobObjects& objects() const { return objects_; }
  kube::MemoryApi& api() { return *api_; }
  PodFolders FoldersOf(int ordinal) const;
  const std::string& dir() const { return dir_; }

 private:
  struct Running {
    std::unique_ptr<PodAgent> agent;
    std::jthread thread;
    int code = -2;
  };

  void Apply(const Json& more);
  Json Get(const kube::ResourceType& type, const std::string& name);
  kube::Response Do(const kube::Request& request);
  void TellPod(int ordinal, const std::string& phase);
  void LayOutManifest(const std::string& file);

  const TempDir temp_;
  const std::string& dir_ = temp_.str();
  std::unique_ptr<Guardian> guardian_;
  std::unique_ptr<kube::MemoryApi> api_;
  job::JobObjects objects_;
  Nanos grace_{Seconds(5)};
  std::unique_ptr<op::ApiReader> reader_;
  std::unique_ptr<op::Reconciler> reconciler_;
  std::jthread operator_;
  std::map<int, Running> agents_;
};

}  // namespace pj::worker
