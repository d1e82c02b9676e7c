#include "tests/sim/plants.h"

namespace pj::sim {

using ledger::Plant;

const std::vector<NamedPlant>& Plants() {
  static const std::vector<NamedPlant> plants = {
      {"no-fencing", Plant::kNoFencing},
      {"merge-keeps-range", Plant::kMergeKeepsRange},
      {"raise-before-ack", Plant::kRaiseBeforeAck},
      {"lower-after-ack", Plant::kLowerAfterAck},
      {"lower-undone-on-unknown", Plant::kLowerUndoneOnUnknown},
      {"split-below-horizon", Plant::kSplitBelowHorizon},
      {"split-without-ticket", Plant::kSplitWithoutTicket},
      {"ignore-tickets", Plant::kIgnoreTickets},
      {"take-over-same-epoch", Plant::kTakeOverSameEpoch},
      {"take-over-forgets-done", Plant::kTakeOverForgetsDone},
      {"take-over-forgets-failed", Plant::kTakeOverForgetsFailed},
      {"commit-before-sync", Plant::kCommitBeforeSync},
      {"unknown-is-success", Plant::kUnknownIsSuccess},
      {"write-id-by-number", Plant::kWriteIdByNumber},
      {"write-id-reused", Plant::kWriteIdReused},
      {"retry-without-reading", Plant::kRetryWithoutReading},
      {"read-newest-is-own", Plant::kReadNewestIsOwn},
      {"retries-unlimited", Plant::kRetriesUnlimited},
      {"loss-charged", Plant::kLossCharged},
      {"attempts-forgotten", Plant::kAttemptsForgotten},
      {"failed-not-counted", Plant::kFailedNotCounted},
      {"seal-reads-only", Plant::kSealReadsOnly},
      {"seal-skips-missing", Plant::kSealSkipsMissing},
      {"release-early", Plant::kReleaseEarly},
      {"complete-early", Plant::kCompleteEarly},
      {"threshold-not-strict", Plant::kThresholdNotStrict},
      {"threshold-late", Plant::kThresholdLate},
      {"late-result-taken", Plant::kLateResultTaken},
      {"output-forgotten", Plant::kOutputForgotten},
      {"child-whole-range", Plant::kChildWholeRange},
      {"impatient", Plant::kImpatient},
      {"no-take-over", Plant::kNoTakeOver},
      {"lease-trusted", Plant::kLeaseTrusted, true, {}, 57},
      {"shard-change-ignored", Plant::kShardChangeIgnored, true, "tail", 1},
      {"retract-below-started", Plant::kRetractBelowStarted},
      {"forgets-rule-12", Plant::kForgetsRule12, true, {}, 1},
      {"status-of-old-uid", Plant::kStatusOfOldUid, true, {}, 26},
      {"job-despite-result", Plant::kJobDespiteResult, true, {}, 230},
      {"forgets-uid", Plant::kForgetsUid, true, {}, 53},
      {"wall-clock-expiry", Plant::kWallClockExpiry, true, {}, 18},
      {"ignores-expired-watch", Plant::kIgnoresExpiredWatch, true, {}, 15},
      {"counters-fall", Plant::kCountersFall, true, {}, 265},
      {"status-restless", Plant::kStatusRestless, true, {}, 6},
      {"control-unconditional", Plant::kControlUnconditional, true, {}, 59},
      {"scale-unconditional", Plant::kScaleUnconditional, true, "hangs", 5},
      {"lost-pods-kept", Plant::kLostPodsKept, true, {}, 18},
      {"job-not-restarted", Plant::kJobNotRestarted, true, {}, 155},
  };
  return plants;
}

}  // namespace pj::sim
