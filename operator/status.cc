#include "operator/status.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/json.h"
#include "ledger/plants.h"
#include "operator/children.h"
#include "operator/effective.h"
#include "operator/kueue.h"
#include "operator/pod_template.h"
#include "operator/stuck.h"
#include "operator/workers.h"

namespace pj::op {
namespace {

constexpr size_t kSamples = 20;
constexpr size_t kConditionBytes = 4096;
constexpr Seconds kRateFrom{5};  // a rate over less time says nothing
// What a status keeps while nothing can be told of it.
constexpr const char* kKept[] = {
    "startTime", "progress", "miniBatches", "items",  "retries", "infrastructureLosses",
    "workers",   "selector", "errors",      "outputs"};
// They change by themselves: alone they are no reason to write.
constexpr const char* kPassing[] = {"rate", "eta", "duration"};

std::string Shortened(std::string text) {
  if (text.size() <= kConditionBytes) return text;
  size_t end = kConditionBytes - 4;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + " …";
}

bool PodsGone(const JobWorld& world) {
  return std::all_of(world.pods.begin(), world.pods.end(),
                     [](const WorkerPodView& pod) { return pod.Ended(); });
}

bool IsWorker(const WorkerPodView& pod) {
  const auto component = pod.meta.labels.find(kComponentLabel);
  return component == pod.meta.labels.end() || component->second != kFinaliserComponent;
}

std::string HumanTime(Nanos time) {
  const int64_t seconds = std::max<int64_t>(0, std::chrono::duration_cast<Seconds>(time).count());
  if (seconds < 120) return fmt::format("{}s", seconds);
  if (seconds < 7200) return fmt::format("{}m{}s", seconds / 60, seconds % 60);
  return fmt::format("{}h{}m", seconds / 3600, seconds % 3600 / 60);
}

// How long the job ran, as its result says; 0: it does not.
double SecondsIn(const job::StoredResult& result) {
  const Result<Json> summary = ParseJson(result.summary_json);
  if (!summary || !summary->is_object()) return 0;
  const auto seconds = summary->find("durationSeconds");
  const bool number = seconds != summary->end() && seconds->is_number();
  return number ? std::clamp(seconds->get<double>(), 0.0, 1e9) : 0;
}

// True if some count of `now` is less than it was, whatever is left.
bool Falls(const Json& before, const Json& now) {
  for (const auto& [key, value] : now.items()) {
    const auto old = before.is_object() ? before.find(key) : before.end();
    if (old == before.end() || key == "left") continue;
    if (value.is_object() && Falls(*old, value)) return true;
    if (value.is_number() && CheckedInt(value).value_or(0) < CheckedInt(*old).value_or(0)) {
      return true;
    }
  }
  return false;
}

const Json* FindCondition(const Json& old, const std::string& type) {
  const auto conditions = old.find("conditions");
  if (conditions == old.end() || !conditions->is_array()) return nullptr;
  for (const Json& condition : *conditions) {
    if (condition.is_object() && condition.value("type", "") == type) return &condition;
  }
  return nullptr;
}

class Builder {
 public:
  Builder(const Turn& turn, const Decision& decision)
      : turn_(turn), decision_(decision), world_(turn.world) {
    if (Result<Json> old = ParseJson(world_.job.status_json); old && old->is_object()) {
      old_ = std::move(*old);
    }
    now_ = FormatRfc3339Seconds(turn.clock.Wall());
  }

  WantedStatus Build() {
    out_["observedGeneration"] = world_.job.generation;
    out_["run"] = world_.job.run;
    out_["state"] = StateOf(turn_, decision_);
    AddConditions();
    if (decision_.invalid) {
      Keep();
    } else {
      AddTimes();
      AddCounters();
      AddWorkers();
      AddErrors();
      AddOutputs();
    }
    AddEffective();
    CountFrom();
    WantedStatus wanted{.state = out_.value("state", ""), .json = {}};
    if (!Differs()) return wanted;
    AddPassing();
    wanted.json = DumpJson(out_);
    return wanted;
  }

 private:
  void Keep() {
    for (const char* key : kKept) {
      if (const auto old = old_.find(key); old != old_.end()) out_[key] = *old;
    }
  }

  void AddConditions() {
    Json list = Json::array();
    for (const Condition& condition : ConditionsOf(turn_, decision_))
      list.push_back(Entry(condition));
    out_["conditions"] = std::move(list);
  }

  Json Entry(const Condition& condition) const {
    const std::string status = condition.is_true ? "True" : "False";
    const Json* old = FindCondition(old_, condition.type);
    const bool same = old != nullptr && old->value("status", "") == status;
    return {{"type", condition.type},
            {"status", status},
            {"reason", condition.reason},
            {"message", Shortened(condition.message)},
            {"observedGeneration", world_.job.generation},
            {"lastTransitionTime", same ? old->value("lastTransitionTime", now_) : now_}};
  }

  // As a batch Job: the clock starts anew when a job goes on that we, or a queue, had suspended.
  void AddTimes() {
    if (decision_.suspended || (!decision_.Decided() && HeldByQueue(turn_))) return;
    out_["startTime"] = old_.value("startTime", now_);
    const std::string state = out_.value("state", "");
    if (state == "Complete" || state == "Failed") {
      out_["completionTime"] = old_.value("completionTime", now_);
    }
  }

  void AddCounters() {
    const bool known = world_.plan || old_.contains("miniBatches");
    if (!known) return;
    Json counts = Counters();
    // Another operator, or this one before it started again, had seen more: caches differ.
    const bool behind = !world_.plan || Falls(old_, counts);
    if (behind && !ledger::Planted(ledger::Plant::kCountersFall)) {
      for (auto& [key, value] : counts.items()) value = old_.value(key, value);
    }
    out_.update(counts);
  }

  Json Counters() const {
    const policy::Sums& sums = decision_.sums;
    const uint64_t failed = sums.counters.mini_batches_failed;
    Json out = Json::object();
    out["progress"] = fmt::format(
        "{}%", sums.total == 0 ? 100
                               : static_cast<int>(100.0 * static_cast<double>(sums.done) /
                                                  static_cast<double>(sums.total)));
    out["miniBatches"] = {{"total", sums.total},
                          {"succeeded", sums.done - failed},
                          {"failed", failed},
                          {"left", sums.total - sums.done}};
    out["items"] = {{"total", world_.plan ? world_.plan->items : 0},
                    {"succeeded", sums.counters.items_ok},
                    {"failed", sums.counters.items_failed}};
    out["retries"] = sums.counters.retries;
    out["infrastructureLosses"] = sums.counters.infrastructure_losses;
    return out;
  }

  void AddWorkers() {
    int64_t active = 0;
    int64_t ready = 0;
    for (const WorkerPodView& pod : world_.pods) {
      if (!IsWorker(pod)) continue;
      active += pod.Ended() ? 0 : 1;
      ready += pod.ready && !pod.Ended() && !pod.deletion ? 1 : 0;
    }
    const int64_t wanted =
        decision_.Decided() || decision_.suspended ? 0 : turn_.spec().instance_count.value;
    out_["workers"] = {{"wanted", wanted},
                       {"active", active},
                       {"ready", ready},
                       {"summary", fmt::format("{}/{}", ready, wanted)}};
    out_["selector"] = fmt::format("paralleljob.dev/run={}", world_.job.identity().ShortHash());
  }

  void AddErrors() {
    Json list = Json::array();
    for (const ledger::ErrorGroup& group : decision_.sums.errors) {
      if (list.size() == kSamples) break;
      list.push_back({{"count", group.count},
                      {"message", group.text},
                      {"miniBatches", group.first_ids},
                      {"log", group.log}});
    }
    if (!list.empty()) out_["errors"] = std::move(list);
  }

  void AddOutputs() {
    if (!world_.result) return;
    const Result<Json> summary = ParseJson(world_.result->summary_json);
    if (!summary || !summary->is_object()) return;
    if (const auto outputs = summary->find("outputs");
        outputs != summary->end() && outputs->is_object() && !outputs->empty()) {
      out_["outputs"] = *outputs;
    }
  }

  void AddEffective() {
    Json list = Json::array();
    for (const EffectiveSetting& setting : Effective(turn_.job())) {
      list.push_back(
          {{"name", setting.name}, {"value", setting.value}, {"source", setting.source}});
    }
    out_["effective"] = std::move(list);
  }

  bool Differs() const {
    if (ledger::Planted(ledger::Plant::kStatusRestless)) return true;
    Json before = old_;
    for (const char* key : kPassing) before.erase(key);
    // The server may order the keys anew.
    return nlohmann::json(before) != nlohmann::json(out_);
  }

  // What was done before the workers ran, or before this process looked, is no part of the rate.
  void CountFrom() {
    std::optional<JobMemory::CountedFrom>& from = turn_.memory.counted_from;
    const bool counts = world_.plan && !decision_.Decided() && !decision_.suspended;
    if (!counts || !AnyWorkerLives(world_)) {
      from.reset();
    } else if (!from || from->done > decision_.sums.done) {
      from = {turn_.now(), decision_.sums.done};
    }
  }

  // Rate, time left and duration are of the moment of the write that something else caused.
  void AddPassing() {
    if (const std::string duration = Duration(); !duration.empty()) out_["duration"] = duration;
    const std::optional<JobMemory::CountedFrom>& from = turn_.memory.counted_from;
    if (!from || decision_.sums.done == from->done) return;
    const Nanos time = turn_.now() - from->at;
    if (time < kRateFrom) return;
    const double rate = static_cast<double>(decision_.sums.done - from->done) /
                        std::chrono::duration<double>(time).count();
    out_["rate"] = fmt::format("{:.3g}/s", rate);
    const uint64_t left = decision_.sums.total - decision_.sums.done;
    if (left == 0) return;
    out_["eta"] = HumanTime(Seconds(static_cast<int64_t>(static_cast<double>(left) / rate)));
  }

  // As the result says it, from the first start, whatever was suspended meanwhile.
  std::string Duration() const {
    if (const double told = world_.result ? SecondsIn(*world_.result) : 0; told > 0) {
      return HumanTime(Millis(static_cast<int64_t>(1000 * told)));
    }
    const std::optional<WallTime> end = ParseRfc3339(out_.value("completionTime", ""));
    if (end && !world_.plan) return old_.value("duration", "");  // the TTL took what it is made of
    std::optional<WallTime> start = ParseRfc3339(out_.value("startTime", ""));
    if (world_.plan && world_.plan->started_wall_ns > 0) {
      start = WallTime(Nanos(world_.plan->started_wall_ns));
    }
    return start ? HumanTime(end.value_or(turn_.clock.Wall()) - *start) : "";
  }

  const Turn& turn_;
  const Decision& decision_;
  const JobWorld& world_;
  Json old_ = Json::object();
  Json out_ = Json::object();
  std::string now_;
};

// What keeps a job from its pods before there are any.
std::optional<Condition> Waits(const Turn& turn) {
  const std::optional<QueueWord>& queue = turn.memory.queue;
  if (queue && !queue->reason.empty()) {
    return Condition{"Reconciling", true, queue->reason, queue->message};
  }
  const std::optional<Claims>& claims = turn.memory.claims;
  if (claims && claims->missing) {
    return Condition{"Reconciling", true, claims->reason, claims->message};
  }
  if (!queue) return std::nullopt;
  return Condition{"Reconciling", true, "Queued", "waiting for Kueue to admit its Job"};
}

Condition Progress(const Turn& turn, const Decision& decision) {
  const JobWorld& world = turn.world;
  if (turn.refused) return {"Reconciling", true, "Refused", turn.refused->ToString()};
  if (const job::WorkerState* worker = Troubled(turn)) {
    return {"Reconciling", true, worker->trouble_reason, worker->trouble_message};
  }
  const PodTrouble trouble = TroubleOf(turn);
  // Living agents end a job by themselves; where there is none, a finaliser's pod must start.
  const bool stuck = !trouble.reason.empty() && !world.result && !AnyWorkerLives(world);
  if (decision.Decided() && !stuck) {
    return {"Reconciling", true, "Finishing",
            world.result ? "waiting for the last pods to end" : "sealing and publishing"};
  }
  if (decision.suspended) return {"Reconciling", true, "Suspended", "spec.suspend is true"};
  if (!trouble.reason.empty()) return {"Reconciling", true, trouble.reason, trouble.message};
  if (const std::optional<Condition> waits = Waits(turn)) return *waits;
  if (!AnyWorkerLives(world) && turn.spec().instance_count.value == 0) {
    return {"Reconciling", true, "ScaledToZero", "spec.instanceCount is 0"};
  }
  if (!world.plan) return {"Reconciling", true, "Starting", "waiting for the plan"};
  if (!AnyWorkerLives(world)) {
    return {"Reconciling", true, "WaitingForWorkers", "no worker runs at the moment"};
  }
  return {"Reconciling", true, "Running", "mini-batches are running"};
}

Condition Suspended(const Turn& turn, const Decision& decision) {
  if (!decision.suspended) return {"Suspended", false, "NotSuspended", ""};
  if (!Drained(turn)) {
    return {"Suspended", false, "NotSuspended", "waiting for running calls to end"};
  }
  return {"Suspended", true, "Suspended", turn.memory.queue ? turn.memory.queue->message : ""};
}

}  // namespace

std::vector<Condition> ConditionsOf(const Turn& turn, const Decision& decision) {
  const JobWorld& world = turn.world;
  const policy::Verdict& verdict = decision.verdict;
  const bool ended = decision.Decided() && world.result && PodsGone(world);
  std::vector<Condition> out;
  if (decision.Stalled()) {
    out.push_back({"Reconciling", false, decision.stalled_reason, "nothing can be done"});
    out.push_back({"Stalled", true, decision.stalled_reason, decision.stalled_message});
  } else {
    out.push_back(ended ? Condition{"Reconciling", false, verdict.reason, "the job has ended"}
                        : Progress(turn, decision));
    const bool failed = ended && decision.Failed();
    out.push_back(failed ? Condition{"Stalled", true, verdict.reason, verdict.message}
                         : Condition{"Stalled", false, "Fine", ""});
  }
  out.push_back(Suspended(turn, decision));
  if (const auto& claims = turn.memory.claims; claims && !claims->reason.empty() && !ended) {
    out.push_back({"VolumesFit", false, claims->reason, claims->message});
  }
  if (world.plan) {
    out.push_back(
        {"Planned", true, "Planned",
         fmt::format("{} mini-batches of {} items", world.plan->mini_batches, world.plan->items)});
  } else {
    out.push_back({"Planned", false, "NotPlanned", ""});
  }
  if (!decision.Decided()) return out;
  if (decision.Failed()) {
    out.push_back({"FailureTarget", true, verdict.reason, verdict.message});
    if (ended) out.push_back({"Failed", true, verdict.reason, verdict.message});
  } else {
    out.push_back({"SuccessCriteriaMet", true, verdict.reason, verdict.message});
    if (ended) out.push_back({"Complete", true, verdict.reason, verdict.message});
  }
  return out;
}

std::string StateOf(const Turn& turn, const Decision& decision) {
  if (decision.Stalled()) return "Stalled";
  const JobWorld& world = turn.world;
  if (decision.Decided()) {
    const bool ended = world.result && PodsGone(world);
    if (decision.Failed()) return ended ? "Failed" : "Failing";
    return ended ? "Complete" : "Completing";
  }
  if (decision.suspended) return Drained(turn) ? "Suspended" : "Suspending";
  return world.plan && AnyWorkerLives(world) ? "Running" : "Pending";
}

WantedStatus StatusOf(const Turn& turn, const Decision& decision) {
  return Builder(turn, decision).Build();
}

}  // namespace pj::op
