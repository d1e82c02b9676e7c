// Plants: deliberate errors that the simulator switches on to prove that it would find them. A test
// seam only: nothing sets a plant outside tests/sim, and none is looked at on the per-mini-batch
// path.
#pragma once

#include <cstdint>

namespace pj::ledger {

enum class Plant : uint8_t {
  kNone,
  kNoFencing,             // a conflict is answered by writing over whoever holds the shard now
  kMergeKeepsRange,       // a merge ignores that the range has shrunk
  kRaiseBeforeAck,        // a raised horizon counts before the 200
  kLowerAfterAck,         // a lowered horizon counts only after the 200
  kLowerUndoneOnUnknown,  // a lowered horizon is forgotten when the answer is lost
  kSplitBelowHorizon,     // a thief takes half of what is left, started or not
  kSplitWithoutTicket,    // a thief shortens its victim without leaving a ticket
  kIgnoreTickets,         // childless tickets are not followed
  kTakeOverSameEpoch,     // a take-over keeps the epoch
  kTakeOverForgetsDone,   // a take-over starts from the low-water mark, ignoring what is done above
                          // it
  kTakeOverForgetsFailed,  // a take-over loses the set of failed mini-batches
  kCommitBeforeSync,       // mini-batches that finished during the sync are committed with it
  kUnknownIsSuccess,       // a lost answer is taken for a 200
  kWriteIdByNumber,        // a lost write is recognised by its counter alone
  kWriteIdReused,          // every body carries the same write id
  kRetryWithoutReading,  // after a conflict the held version is written again with the read version
  kReadNewestIsOwn,      // any record read back counts as what was written
  kRetriesUnlimited,     // one retry too many
  kLossCharged,          // the death of a slot host charges what was running
  kAttemptsForgotten,    // a take-over forgets charged attempts
  kFailedNotCounted,     // terminal failures are not counted
  kSealReadsOnly,        // the seal believes what it read and writes nothing
  kSealSkipsMissing,     // the seal forgets roots nobody created
  kReleaseEarly,         // a drain releases while calls still run
  kCompleteEarly,        // an agent ends when its own shards are done
  kThresholdNotStrict,   // a threshold fails the job when it is reached
  kThresholdLate,        // a threshold fails the job one failure late
  kLateResultTaken,      // the result of an older attempt is taken
  kOutputForgotten,      // a take-over loses the outputs of earlier epochs
  kChildWholeRange,      // a ticket's child is created up to the root's end
  kImpatient,            // a stranger takes over without waiting for the Lease to run out
  kNoTakeOver,           // strangers never take over
  // In a cluster: agents …
  kLeaseTrusted,         // who sees a Lease run out takes the shard over without compare-and-swap
  kShardChangeIgnored,   // a take-over looks at the Lease only, not at whether the shard changed
  kRetractBelowStarted,  // an asked-for retreat lowers the horizon below what was started
  kForgetsRule12,        // an agent exits 0 when all is done, before `result` is there
  // … and operators
  kStatusOfOldUid,        // a status is written to whatever has the name now
  kJobDespiteResult,      // a Job that is over is made again without asking for `result`
  kForgetsUid,            // what is remembered of a job counts for the next of its name
  kWallClockExpiry,       // a Lease has run out when its own time says so
  kIgnoresExpiredWatch,   // a watch that is too old (410) is not begun anew
  kCountersFall,          // a status counts less than the one before, if the caches do
  kStatusRestless,        // rate and duration alone are reason enough for a write
  kControlUnconditional,  // the control object is written over whatever it says
  kScaleUnconditional,    // the Job is scaled from whatever it is, not from what was decided on
  kLostPodsKept,          // pods of lost nodes are left alone
  kJobNotRestarted,       // a Job that is gone without a `result` stays gone
  kCount
};

// Set by the simulator for its own thread.
inline thread_local Plant active_plant = Plant::kNone;
inline bool Planted(Plant plant) { return active_plant == plant; }

}  // namespace pj::ledger
