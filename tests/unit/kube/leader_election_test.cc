#include "kube/leader_election.h"

#include "scripted_api.h"

namespace pj::kube {
namespace {

constexpr Millis kNow{0};
using State = LeaderState;

class LeaderTest : public testing::Test {
 protected:
  LeaderElection Candidate(const std::string& identity, Api& api) {
    return LeaderElection(api,
                          {.ns = "ns", .name = "operator", .identity = identity, .clock = &clock_});
  }
  Lease Stored() {
    auto lease = DecodeLease(
        Must(*api_, {.verb = Verb::kGet, .type = Leases(), .ns = "ns", .name = "operator"}).body);
    EXPECT_TRUE(lease.has_value());
    return lease.value_or(Lease{});
  }
  // Steps all for so long, a tenth of a second at a time.
  void Pass(Nanos time, std::vector<LeaderElection*> candidates) {
    for (Nanos passed{0}; passed < time; passed += Millis(100)) {
      clock_.Advance(Millis(100));
      for (LeaderElection* candidate : candidates) candidate->Step(kNow);
    }
  }

  ManualClock clock_;
  std::unique_ptr<MemoryApi> api_ = OpenApi({.clock = &clock_});
  ScriptedApi a_api_{*api_};
  ScriptedApi b_api_{*api_};
  LeaderElection a_ = Candidate("a", a_api_);
  LeaderElection b_ = Candidate("b", b_api_);
};

TEST_F(LeaderTest, TheFirstLeadsAndRenewsEveryTwoSeconds) {
  a_.Step(kNow);
  b_.Step(kNow);
  EXPECT_TRUE(a_.IsLeader());
  EXPECT_EQ(b_.state(), State::kWaiting);
  EXPECT_EQ(b_.holder(), "a");
  EXPECT_EQ(Stored().duration_seconds, 15);
  const uint64_t before = api_->Writes();
  Pass(Seconds(60), {&a_, &b_});
  EXPECT_TRUE(a_.IsLeader());
  EXPECT_EQ(b_.state(), State::kWaiting);
  EXPECT_EQ(api_->Writes() - before, 30u);
  EXPECT_EQ(Stored().transitions, 0);
}

TEST_F(LeaderTest, ADeadLeaderIsReplacedAfterTheLeaseNotBefore) {
  a_.Step(kNow);
  b_.Step(kNow);
  Pass(Seconds(14), {&b_});
  EXPECT_EQ(a_.state(), State::kLost);  // by its own clock, long before anybody else leads
  EXPECT_EQ(b_.state(), State::kWaiting);
  Pass(Seconds(5), {&b_});
  EXPECT_TRUE(b_.IsLeader());
  EXPECT_EQ(Stored().holder, "b");
  EXPECT_EQ(Stored().transitions, 1);
}

TEST_F(LeaderTest, NeverTwoAtATime) {
  std::vector<Result<Response>> outage(200, Fail(Code::kUnavailable, "no way"));
  a_.Step(kNow);
  for (int i = 0; i < 40; ++i) {
    if (i == 3) a_api_.answers.assign(outage.begin(), outage.end());
    clock_.Advance(Millis(700));
    a_.Step(kNow);
    b_.Step(kNow);
    EXPECT_FALSE(a_.IsLeader() && b_.IsLeader()) << i;
  }
  EXPECT_EQ(a_.state(), State::kLost);
  EXPECT_TRUE(b_.IsLeader());
  // Losing is final, even when the server is back and the lease is free.
  a_api_.answers.clear();
  b_.Release();
  Pass(Seconds(60), {&a_});
  EXPECT_EQ(a_.state(), State::kLost);
}

TEST_F(LeaderTest, ABriefOutageIsSurvived) {
  a_.Step(kNow);
  a_api_.answers.assign(3, Fail(Code::kUnavailable, "no way"));
  Pass(Seconds(9), {&a_, &b_});
  EXPECT_TRUE(a_.IsLeader());
  Pass(Seconds(20), {&a_, &b_});
  EXPECT_TRUE(a_.IsLeader());
}

// Its write was carried out, but the answer got lost: the next one must not be a lost race.
TEST_F(LeaderTest, ALostAnswerIsNoLostLease) {
  api_->SetFaultHook([](const Request& request) {
    return request.verb == Verb::kCreate ? Fault::kLoseResponse : Fault::kNone;
  });
  a_.Step(kNow);
  EXPECT_EQ(a_.state(), State::kWaiting);
  Pass(Seconds(3), {&a_});
  EXPECT_TRUE(a_.IsLeader());
  int losses = 0;
  api_->SetFaultHook([&](const Request& request) {
    return request.verb == Verb::kUpdate && losses++ == 0 ? Fault::kLoseResponse : Fault::kNone;
  });
  Pass(Seconds(5), {&a_, &b_});
  EXPECT_GE(losses, 2);
  EXPECT_TRUE(a_.IsLeader());
}

TEST_F(LeaderTest, ReleaseLetsTheNextOneLeadAtOnce) {
  a_.Step(kNow);
  b_.Step(kNow);
  a_.Release();
  EXPECT_EQ(a_.state(), State::kWaiting);
  EXPECT_EQ(Stored().holder, "");
  Pass(Seconds(3), {&b_});
  EXPECT_TRUE(b_.IsLeader());
}

// What the Lease says is of who leads: it comes with a renewal, and goes with the lead.
TEST_F(LeaderTest, ANoteIsOfWhoLeads) {
  const auto with_note = [this](const std::string& identity, Api& api) {
    return LeaderElection(api, {.ns = "ns",
                                .name = "operator",
                                .identity = identity,
                                .clock = &clock_,
                                .note_key = "example.org/note"});
  };
  const auto note = [this] {
    const Meta meta = Stored().meta;
    const auto found = meta.annotations.find("example.org/note");
    return found == meta.annotations.end() ? std::string() : found->second;
  };
  LeaderElection a = with_note("a", a_api_);
  LeaderElection b = with_note("b", b_api_);
  a.Step(kNow);
  EXPECT_EQ(note(), "");
  a.SetNote("the disk is full");
  Pass(Seconds(3), {&a});
  EXPECT_EQ(note(), "the disk is full");
  Pass(Seconds(30), {&b});
  EXPECT_TRUE(b.IsLeader());
  EXPECT_EQ(note(), "") << "of the dead one";
  b.SetNote("damage");
  Pass(Seconds(3), {&b});
  EXPECT_EQ(note(), "damage");
  b.Release();
  EXPECT_EQ(note(), "");
}

TEST_F(LeaderTest, AStolenLeaseIsLost) {
  a_.Step(kNow);
  Lease lease = Stored();
  lease.holder = "thief";
  Must(*api_, {.verb = Verb::kUpdate,
               .type = Leases(),
               .ns = "ns",
               .name = "operator",
               .body = Encode(lease)});
  Pass(Seconds(5), {&a_});
  EXPECT_EQ(a_.state(), State::kLost);
  EXPECT_EQ(Stored().holder, "thief");
}

TEST_F(LeaderTest, ADeletedLeaseIsMadeAgain) {
  a_.Step(kNow);
  Must(*api_, {.verb = Verb::kDelete, .type = Leases(), .ns = "ns", .name = "operator"});
  Pass(Seconds(5), {&a_});
  EXPECT_TRUE(a_.IsLeader());
  EXPECT_EQ(Stored().holder, "a");
}

// The renewal time in the Lease may be of any clock: only that it changes counts.
TEST_F(LeaderTest, OtherMachinesClocksDoNotMatter) {
  a_.Step(kNow);
  Lease lease = Stored();
  lease.renew_time = "1999-01-01T00:00:00.000000Z";
  Must(*api_, {.verb = Verb::kUpdate,
               .type = Leases(),
               .ns = "ns",
               .name = "operator",
               .body = Encode(lease)});
  Pass(Seconds(14), {&b_});
  EXPECT_EQ(b_.state(), State::kWaiting);
}

TEST(LeaderThread, LeadsAndReleases) {
  auto api = OpenApi();
  LeaderElection election(*api, {.ns = "ns", .name = "l", .identity = "me"});
  auto watch = api->OpenWatch({.type = Leases(), .ns = "ns"});
  ASSERT_TRUE(watch.has_value());
  {
    LeaderThread thread(election);
    ASSERT_TRUE((*watch)->Next(Seconds(20)).has_value());
  }
  auto event = (*watch)->Next(Seconds(20));
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(DecodeLease(event->object)->holder, "");
}

}  // namespace
}  // namespace pj::kube
