#include "kube/patient_api.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace pj::kube {

PatientApi::PatientApi(Api* api, PatientOptions options)
    : api_(api), wait_(std::move(options.wait)), limit_(options.limit), rng_(options.seed) {}

Result<Response> PatientApi::Do(const Request& request) {
  Nanos waited{0};
  while (true) {
    Result<Response> answer = api_->Do(request);
    const std::optional<Nanos> pause = PauseAfter(answer, waited);
    if (!pause || WaitStopped(*pause)) return answer;
    waited += *pause;
  }
}

void PatientApi::SetLimit(Nanos limit) {
  const std::lock_guard lock(mutex_);
  limit_ = limit;
}

void PatientApi::Stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  wake_.notify_all();
}

std::optional<Nanos> PatientApi::PauseAfter(const Result<Response>& answer, Nanos waited) {
  if (!answer || (answer->code != 429 && answer->code != 503)) return std::nullopt;
  if (!answer->retry_after || answer->retry_after->count() <= 0) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const Seconds asked = *answer->retry_after;
  if (stopped_ || asked > limit_ - waited) return std::nullopt;
  const Nanos whole = asked;
  const auto quarter = static_cast<uint64_t>(whole.count() / 4);
  const Nanos jitter(static_cast<int64_t>(rng_.Below(quarter + 1)));
  return std::min(whole + jitter, limit_ - waited);
}

bool PatientApi::WaitStopped(Nanos time) {
  if (wait_) return wait_(time);
  std::unique_lock lock(mutex_);
  return wake_.wait_for(lock, time, [this] { return stopped_; });
}

}  // namespace pj::kube
