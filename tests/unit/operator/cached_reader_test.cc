// The watched copies: what a turn reads, and whose change it is. Stepped by hand, without threads.
#include "operator/cached_reader.h"

#include "job/pod_contract.h"
#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::Not;

class CachedReaderTest : public OperatorTest {
 protected:
  CachedReaderTest()
      : cached_({.api = api_.get(), .clock = &clock_, .changed = [this](const JobKey& key) {
                   changed_.insert(key.ToString());
                 }}) {}

  // Until nothing is left to be seen.
  void CatchUp() {
    for (int idle = 0, steps = 0; idle < 2 && steps < 1000; ++steps) {
      bool moved = false;
      for (const auto& [plural, stats] : cached_.Stats()) moved = cached_.Step(plural) || moved;
      idle = moved ? 0 : idle + 1;
    }
    EXPECT_TRUE(cached_.Synced());
  }
  JobWorld World() { return **cached_.Read({kNs, kName}); }

  std::set<std::string> changed_;
  CachedReader cached_;
};

TEST_F(CachedReaderTest, ShowsWhatTheServerShows) {
  EXPECT_FALSE(cached_.Synced());
  Apply();
  Settle();
  Plan(10);
  PutShard(Shard(10, 4));
  PutPod("p0", Running());
  PutLease(0, "u0", {.environment_ready = true});
  CatchUp();
  const JobWorld asked = **reader_->Read({kNs, kName});
  const JobWorld seen = World();
  EXPECT_EQ(seen.maps, asked.maps);
  EXPECT_EQ(seen.shards.size(), 1u);
  EXPECT_EQ(seen.plan->mini_batches, 10u);
  EXPECT_EQ(seen.leases.size(), 1u);
  EXPECT_EQ(seen.jobs.size(), 1u);
  ASSERT_EQ(seen.pods.size(), 1u);
  EXPECT_TRUE(seen.pods[0].ready);
  EXPECT_EQ(seen.control_version, asked.control_version);
}

TEST_F(CachedReaderTest, TellsWhoseObjectChanged) {
  Apply();
  Settle();
  CatchUp();
  changed_.clear();
  CatchUp();
  EXPECT_THAT(changed_, IsEmpty());
  PutPod("p0", Running());
  CatchUp();
  EXPECT_THAT(changed_, Contains("team/score"));
  changed_.clear();
  Make(kube::ConfigMaps(), {{"apiVersion", "v1"},
                            {"kind", "ConfigMap"},
                            {"metadata", {{"name", "strange"}, {"namespace", kNs}}}});
  CatchUp();
  EXPECT_THAT(changed_, IsEmpty()) << "it carries no label of ours";
}

TEST_F(CachedReaderTest, AJobThatIsGoneLeavesNothing) {
  Apply();
  Settle();
  PutPod("p0", Running());
  CatchUp();
  Delete(kube::ParallelJobs(), kName);
  Delete(Pods(), "p0");
  CatchUp();
  EXPECT_EQ(*cached_.Read({kNs, kName}), std::nullopt);
  EXPECT_THAT(*cached_.Leftovers({kNs, kName}, ""), IsEmpty());
}

TEST_F(CachedReaderTest, LeftoversAreThePodsOfOtherRuns) {
  Apply();
  Settle();
  PutPod("p0", Running());
  CatchUp();
  const std::string run = objects_.identity.ShortHash();
  EXPECT_THAT(*cached_.Leftovers({kNs, kName}, run), IsEmpty());
  for (const JobKey& other : {JobKey{"elsewhere", kName}, JobKey{kNs, "other"}}) {
    EXPECT_THAT(*cached_.Leftovers(other, ""), IsEmpty()) << other.ToString();
  }
  for (const char* not_its : {"", "0123abcd"}) {
    const auto left = *cached_.Leftovers({kNs, kName}, not_its);
    ASSERT_EQ(left.size(), 1u) << not_its;
    EXPECT_EQ(left[0].meta.name, "p0");
  }
  // Labels can be changed; the index follows.
  Json pod = Get(Pods(), "p0");
  pod["metadata"]["labels"][job::kJobLabel] = "other";
  Put(Pods(), pod);
  CatchUp();
  EXPECT_THAT(*cached_.Leftovers({kNs, kName}, ""), IsEmpty());
  EXPECT_EQ(cached_.Leftovers({kNs, "other"}, "")->size(), 1u);
}

TEST_F(CachedReaderTest, OwnWritesAreMissedUntilTheyAreSeen) {
  Apply();
  Settle();
  CatchUp();
  const Json map = Get(kube::ConfigMaps(), objects_.Name("ctl"));
  Json changed = map;
  changed["metadata"]["annotations"]["a"] = "b";
  const kube::Request update{.verb = kube::Verb::kUpdate,
                             .type = kube::ConfigMaps(),
                             .ns = kNs,
                             .name = map["metadata"]["name"],
                             .body = changed.dump()};
  cached_.Wrote(update, api_->Do(update).value());
  EXPECT_FALSE(cached_.ShowsOwnWrites({kNs, kName}));
  EXPECT_TRUE(cached_.ShowsOwnWrites({kNs, "other"}));
  CatchUp();
  EXPECT_TRUE(cached_.ShowsOwnWrites({kNs, kName}));
}

}  // namespace
}  // namespace pj::op
