#include "operator/events.h"

#include <fmt/core.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "operator/kinds.h"
#include "operator/workers.h"

namespace pj::op {
namespace {

constexpr size_t kMessageBytes = 1024;  // as the API server allows
constexpr size_t kFailedTold = 5;
constexpr int64_t kNearPercent = 80;

std::string NameOf(const ParallelJobView& job, const EventText& event) {
  const std::string what =
      fmt::format("{}/{}/{}/{}", job.meta.uid, job.run, event.reason, event.key);
  return fmt::format("{}.{}", job.meta.name, Sha256Hex(what).substr(0, 16));
}

// The first five that are seen, each by its id; at the end how many there were.
void TellFailures(Turn* turn, const Decision& decision) {
  std::set<uint64_t>& told = turn->memory.failures_told;
  const auto& errors = decision.sums.errors;
  const std::string why = errors.empty() ? "" : "; most frequent error: " + errors.front().text;
  for (const ledger::ShardRecord& shard : turn->world.shards) {
    for (const auto& [first, last] : shard.failed.ranges()) {
      for (uint64_t id = first; id < last && told.size() < kFailedTold; ++id) {
        if (!told.insert(id).second) continue;
        Tell(turn, {.warning = true,
                    .reason = "MiniBatchFailed",
                    .message = fmt::format("mini-batch {} failed{}", id, why),
                    .key = fmt::format("{}", id)});
      }
    }
  }
  const uint64_t failed = decision.sums.counters.mini_batches_failed;
  if (!turn->world.result || failed <= kFailedTold) return;
  Tell(turn, {.warning = true,
              .reason = "MiniBatchFailed",
              .message = fmt::format("{} of {} mini-batches failed in all{}", failed,
                                     decision.sums.total, why),
              .key = "all"});
}

void TellNear(Turn* turn, const char* setting, uint64_t count, int64_t threshold) {
  if (threshold <= 0 || static_cast<int64_t>(count) * 100 < threshold * kNearPercent) return;
  Tell(turn, {.warning = true,
              .reason = "ThresholdNear",
              .message = fmt::format("{} failures, and {} allows {}", count, setting, threshold),
              .key = setting});
}

}  // namespace

void Tell(Turn* turn, const EventText& event) {
  const ParallelJobView& job = turn->job();
  const std::string name = NameOf(job, event);
  if (turn->memory.told.contains(name)) return;
  const std::string now = FormatRfc3339Seconds(turn->clock.Wall());
  const Json body{{"apiVersion", "v1"},
                  {"kind", "Event"},
                  {"metadata", {{"name", name}, {"namespace", job.meta.ns}}},
                  {"involvedObject",
                   {{"apiVersion", api::kApiVersion},
                    {"kind", api::kKind},
                    {"name", job.meta.name},
                    {"namespace", job.meta.ns},
                    {"uid", job.meta.uid}}},
                  {"type", event.warning ? "Warning" : "Normal"},
                  {"reason", event.reason},
                  {"message", event.message.substr(0, kMessageBytes)},
                  {"source", {{"component", "paralleljob-operator"}}},
                  {"firstTimestamp", now},
                  {"lastTimestamp", now},
                  {"count", 1}};
  const Result<bool> made = turn->writer.Create(Events(), job.meta.ns, DumpJson(body));
  if (!made) PJ_WARN("{}", made.error().ToString());
  // A server that was away is asked again; a refusal would be the same in each turn.
  if (made || made.error().code != Code::kUnavailable) turn->memory.told.insert(name);
}

void TellStanding(Turn* turn, const Decision& decision) {
  const JobWorld& world = turn->world;
  if (world.plan) {
    Tell(turn, {.reason = "Planned",
                .message = fmt::format("{} mini-batches", world.plan->mini_batches)});
  }
  if (decision.sums.anything_started) {
    Tell(turn, {.reason = "Started", .message = "the first mini-batches are running"});
  }
  if (decision.suspended && Drained(*turn)) {
    Tell(turn, {.reason = "Suspended",
                .message = "all workers have stopped",
                .key = fmt::format("{}", world.job.generation)});
  }
  TellFailures(turn, decision);
  const ledger::Counters& counters = decision.sums.counters;
  TellNear(turn, "miniBatchErrorThreshold", counters.mini_batches_failed,
           turn->spec().mini_batch_error_threshold.value);
  TellNear(turn, "errorThreshold", counters.items_failed, turn->spec().error_threshold.value);
  // Of all planned mini-batches: how many that are is known with the plan.
  const int64_t percent = turn->spec().allowed_failed_percent.value;
  if (world.plan && percent < 100) {
    TellNear(turn, "allowedFailedPercent", counters.mini_batches_failed,
             static_cast<int64_t>(world.plan->mini_batches) * percent / 100);
  }
  if (!world.result) return;
  Tell(turn, {.warning = decision.Failed(),
              .reason = decision.Failed() ? "Failed" : "Complete",
              .message = decision.verdict.message});
}

}  // namespace pj::op
