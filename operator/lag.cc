#include "operator/lag.h"

namespace pj::op {

void Lag::Changed(const std::string& job, Nanos now) {
  const std::lock_guard lock(mutex_);
  since_.try_emplace(job, now);
}

void Lag::Begin(Nanos now) {
  const std::lock_guard lock(mutex_);
  for (auto& [job, since] : since_) since = now;
}

Nanos Lag::Ended(const std::string& job, Nanos now) {
  const std::lock_guard lock(mutex_);
  const auto found = since_.find(job);
  if (found == since_.end()) return Nanos(0);
  const Nanos waited = now - found->second;
  since_.erase(found);
  return waited;
}

}  // namespace pj::op
