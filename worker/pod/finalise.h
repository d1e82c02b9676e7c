// Finaliser: the program of a pod without slots that ends a job of which no agent lives.
#pragma once

#include <condition_variable>
#include <mutex>

#include "kube/patient_api.h"
#include "worker/pod/config.h"

namespace pj::worker {

// Run() once; Stop() from any thread. The Api lives longer.
class Finaliser {
 public:
  Finaliser(PodConfig config, PodFolders folders, kube::Api* api);
  // The exit code: 0 once `result` is there.
  Result<int> Run();
  void Stop();

 private:
  bool WaitStopped(Nanos most);

  const PodConfig config_;
  const PodFolders folders_;
  kube::PatientApi api_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopped_ = false;  // guarded by mutex_
};

}  // namespace pj::worker
