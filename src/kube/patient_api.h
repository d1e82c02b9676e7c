// PatientApi: an Api that does what a busy server asks for. A request that is answered 429 or 503
// with a Retry-After is sent again after that time, within a limit.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "base/clock.h"
#include "base/rng.h"
#include "kube/api.h"

namespace pj::kube {

struct PatientOptions {
  // Of all waits of one request together. A wait that would go beyond it is not begun, and the
  // caller gets the server's answer.
  Nanos limit{Seconds(30)};
  uint64_t seed = 0;  // of the jitter: up to a quarter is added, so that not all come back at once
  // Waits; true when told to stop. Empty: on the system's clock, until Stop(). For tests.
  std::function<bool(Nanos)> wait = {};
};

// Thread-safe. The Api below lives longer. Repeats writes too: all of ours are a compare-and-swap
// or a create under a name of its own. A watch's answers are its reader's to heed.
class PatientApi : public Api {
 public:
  PatientApi(Api* api, PatientOptions options);

  Result<Response> Do(const Request& request) override;
  Result<std::unique_ptr<Watch>> OpenWatch(const WatchRequest& request) override {
    return api_->OpenWatch(request);
  }

  // From the next wait on.
  void SetLimit(Nanos limit);
  // Ends all waits, and lets none begin: requests are still sent, once each.
  void Stop();

 private:
  // With the jitter; nothing when it goes beyond the limit.
  std::optional<Nanos> PauseAfter(const Result<Response>& answer, Nanos waited);
  bool WaitStopped(Nanos time);

  Api* const api_;
  const std::function<bool(Nanos)> wait_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Nanos limit_;  // guarded by mutex_, as the rest
  Rng rng_;
  bool stopped_ = false;
};

}  // namespace pj::kube
