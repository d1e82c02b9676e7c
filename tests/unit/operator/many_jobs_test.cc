// What many jobs at a time share: status writes.
#include <fmt/core.h>

#include <algorithm>

#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

TEST_F(OperatorTest, StatusWritesOfManyJobsComeOneAfterTheOther) {
  constexpr int kJobs = 20;
  Reconciler reconciler({.api = api_.get(),
                         .reader = reader_.get(),
                         .clock = &clock_,
                         .job = {.status_writes_per_second = 2}});
  int writes = 0;
  api_->SetFaultHook([&writes](const kube::Request& request) {
    writes += request.verb == kube::Verb::kUpdateStatus ? 1 : 0;
    return kube::Fault::kNone;
  });
  std::map<std::string, Nanos> due;  // by name
  for (int i = 0; i < kJobs; ++i) {
    Json job = SmallJob();
    job["metadata"]["name"] = fmt::format("score-{}", i);
    Apply(job);
    due[job["metadata"]["name"]] = Nanos(0);
  }
  int turns = 0;
  int most = 0;  // in one second
  for (int second = 0; second < 11; ++second) {
    const int before = writes;
    for (int tick = 0; tick < 10; ++tick, clock_.Advance(Millis(100))) {
      for (auto& [name, at] : due) {
        if (at > clock_.Monotonic()) continue;
        const Result<Nanos> next = reconciler.Reconcile({kNs, name});
        ASSERT_TRUE(next) << next.error().ToString();
        at = clock_.Monotonic() + std::min<Nanos>(*next, Seconds(60));
        ++turns;
      }
    }
    most = std::max(most, writes - before);
  }
  EXPECT_EQ(writes, kJobs) << "each has its moment";
  EXPECT_LE(most, 4) << "two a second, and two at once after a rest";
  EXPECT_LE(turns, kJobs * 6) << "nobody tries again and again";
}

}  // namespace
}  // namespace pj::op
