#include "operator/tick_budget.h"

#include <algorithm>
#include <cmath>

namespace pj::op {
namespace {

constexpr double kStep = 5;         // seconds; also the shortest tick
constexpr double kJobWrites = 100;  // a second
constexpr double kLargeJobWrites = 200;
constexpr int64_t kLargeJobPods = 2500;

}  // namespace

Nanos TickFor(int64_t pods, int64_t all_pods, double cluster_writes) {
  const double budget = pods > kLargeJobPods ? kLargeJobWrites : kJobWrites;
  const double own = static_cast<double>(pods) / budget;
  const double shared =
      static_cast<double>(std::max(pods, all_pods)) / std::max(1.0, cluster_writes);
  const double steps = std::max(1.0, std::ceil(std::max(own, shared) / kStep));
  return Seconds(static_cast<int64_t>(steps * kStep));
}

}  // namespace pj::op
