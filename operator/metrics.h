// Metrics: what the operator counts, in Prometheus' text format. Labels are bounded: kinds, verbs,
// classes of answers, states; never a name.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "kube/api.h"
#include "kube/reflector.h"
#include "operator/reconcile.h"

namespace pj::op {

// Seconds, in fixed buckets. Not thread-safe.
class Histogram {
 public:
  static constexpr std::array<double, 10> kBounds = {0.0005, 0.001, 0.005, 0.01, 0.05,
                                                     0.1,    0.5,   1,     5,    30};
  void Add(Nanos time);
  void Render(const std::string& name, const std::string& help, std::string* out) const;

 private:
  std::array<uint64_t, kBounds.size()> counts_{};  // of each bucket alone
  uint64_t count_ = 0;
  double sum_ = 0;
};

// What is read when somebody asks.
struct Gauges {
  size_t queued = 0;
  size_t delayed = 0;
  bool leading = false;
  std::map<std::string, kube::ReflectorStats> watches;
  std::map<JobKey, JobStanding> jobs;
};

// Thread-safe.
class Metrics {
 public:
  // `waited`: from the change to the turn, the lag.
  void Turned(Nanos waited, Nanos took, bool ok);
  void Called(kube::Verb verb, const std::string& resource, int code);
  std::string Render(const Gauges& gauges) const;

 private:
  mutable std::mutex mutex_;
  Histogram waited_;
  Histogram took_;
  uint64_t failed_ = 0;
  std::map<std::string, uint64_t> calls_;  // by labels
};

// Counts the calls of another Api. Both live longer than it.
class CountingApi : public kube::Api {
 public:
  CountingApi(kube::Api* api, Metrics* metrics) : api_(api), metrics_(metrics) {}
  Result<kube::Response> Do(const kube::Request& request) override;
  Result<std::unique_ptr<kube::Watch>> OpenWatch(const kube::WatchRequest& request) override;

 private:
  kube::Api* api_;
  Metrics* metrics_;
};

}  // namespace pj::op
