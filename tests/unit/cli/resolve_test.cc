// How many processes an instance gets when the job does not say.
#include "cli/resolve.h"

#include <gtest/gtest.h>
#include <sched.h>

namespace pj::cli {
namespace {

// One that may use so many cores, of those that this thread has.
class CoresTest : public testing::Test {
 protected:
  CoresTest() { EXPECT_EQ(::sched_getaffinity(0, sizeof all_, &all_), 0); }
  ~CoresTest() override { ::sched_setaffinity(0, sizeof all_, &all_); }
  void UseOne() {
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &all_)) continue;
      CPU_SET(cpu, &one);
      break;
    }
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  }
  uint32_t cores() const { return static_cast<uint32_t>(CPU_COUNT(&all_)); }
  uint32_t Slots(int64_t instances) {
    api::ParallelJobSpec spec;
    spec.instance_count.Set(instances);
    return SlotsPerInstance(spec);
  }

  cpu_set_t all_;
};

TEST_F(CoresTest, InstancesShareThem) {
  EXPECT_EQ(Slots(1), cores());
  EXPECT_EQ(Slots(cores()), 1u);
  EXPECT_EQ(Slots(2), std::max(1u, cores() / 2));
  EXPECT_EQ(Slots(10 * cores()), 1u) << "never none";
}

TEST_F(CoresTest, OnlyThoseThatMayBeUsedCount) {
  UseOne();
  EXPECT_EQ(Slots(1), 1u);
}

TEST_F(CoresTest, TheJobsOwnNumberWins) {
  api::ParallelJobSpec spec;
  spec.max_concurrency_per_instance = 7;
  EXPECT_EQ(SlotsPerInstance(spec), 7u);
}

}  // namespace
}  // namespace pj::cli
