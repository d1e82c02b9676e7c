#include "tests/sim/cluster/sim_job.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "policy/verdict.h"

namespace pj::sim {

using ledger::Call;

SimJob::SimJob(Env* env, const Workload& work, job::JobObjects objects)
    : env_(env),
      work_(work),
      checker_([&] {
        JobShape shape = work.shape;
        shape.job = objects.job;
        shape.identity = objects.identity;
        return shape;
      }()),
      api_(env, "agents", true),
      store_(&api_, objects),
      link_({.time = &env->time,
             .api = &api_,
             .objects = objects,
             .checker = &checker_,
             .fault = env->scenario.fault,
             .chaos = [env] { return env->Chaos(); },
             // What is written without its owner counts for nothing, and is collected.
             .counts = [this] { return !deleted_; }}) {
  checker_.living_are_safe = env->scenario.fault == 0 && env->scenario.node_losses == Nanos(0);
  checker_.living = 2 * kTick;
  LookInto(agents_, &checker_);
}

// --- Agents --------------------------------------------------------------------------------------

void SimJob::Send(SimAgent* agent, const Call& call) {
  PodProgram* program = program_of_.at(agent);
  const bool crash = Chaos() && time().Chance(env_->scenario.agent_crash);
  const bool before = crash && time().Chance(0.5);
  if (before) program->Crash();
  if (!agent->alive()) return;
  // Whoever takes over may be slow, and the holder alive after all.
  if (Chaos() && env_->scenario.freezes > Nanos(0) && TakesOver(*agent, call)) {
    link_.Hold(agent->config().incarnation, time().Now() + time().Below(Seconds(12)));
  }
  Call noted = call;
  if (call.op == Call::Op::kCreateLease || call.op == Call::Op::kPutLease) {
    noted.note =
        job::EncodeWorkerState({.environment_ready = true, .started = 1, .slots = work_.slots});
  }
  link_.Deliver(agent->sender(), noted,
                [agent](const ledger::Reply& reply) { agent->Handle(reply); });
  if (crash && !before) program->Crash();
}

bool SimJob::TakesOver(const SimAgent& agent, const Call& call) {
  if (call.op != Call::Op::kPut) return false;
  const auto record = ledger::DecodeShard(call.record);
  const ledger::ShardRecord* held = record ? checker_.Find(record->lo) : nullptr;
  return held != nullptr && held->incarnation != record->incarnation &&
         record->incarnation == agent.config().incarnation;
}

void SimJob::OnAgentEnded(SimAgent* agent) {
  time().Trace(fmt::format("end of {} {}", agent->config().holder, static_cast<int>(agent->why())));
  if (agent->why() == ledger::Finished::Why::kComplete && !checker_.AllDone()) {
    checker_.Violate("an agent said complete before all was done");
  }
  program_of_.at(agent)->AgentEnded(false);
}

void SimJob::OnAgentStalled(SimAgent* agent, const Error& error) {
  if (!deleted_) checker_.Violate("stalled: " + error.ToString());
  program_of_.at(agent)->AgentEnded(true);
}

SimAgent* SimJob::NewAgent(PodProgram* program, const ledger::AgentConfig& config) {
  agents_.push_back(std::make_unique<SimAgent>(this, config));
  program_of_[agents_.back().get()] = program;
  return agents_.back().get();
}

PodProgram* SimJob::NewProgram(const PodStart& start) {
  programs_.push_back(std::make_unique<PodProgram>(this, start));
  return programs_.back().get();
}

// --- Objects -------------------------------------------------------------------------------------

void SimJob::OnWrite(const SeenWrite& write) {
  if (write.request.type != kube::ConfigMaps() || write.actor == "kubernetes") return;
  const Result<kube::Meta> meta = kube::DecodeMeta(write.response.body);
  if (!meta) return;
  if (meta->name == objects().Name("result")) ended_ = true;
  if (meta->name != objects().Name("ctl")) return;
  for (const auto& program : programs_) program->ControlChanged();
}

void SimJob::FreezeAgent() {
  std::vector<const SimAgent*> serving;
  for (const auto& agent : agents_) {
    if (agent->Serves()) serving.push_back(agent.get());
  }
  if (serving.empty()) return;
  const std::string& incarnation = serving[time().Pick(serving.size())]->config().incarnation;
  time().Trace("freeze of " + incarnation);
  link_.Hold(incarnation, time().Now() + Seconds(5) + time().Below(Seconds(25)));
}

void SimJob::Delete() {
  deleted_ = true;
  ended_ = false;  // `result` went as well
  for (const auto& program : programs_) program->ControlChanged();
}

std::optional<std::string> SimJob::ReadLease(const std::string& worker) {
  const worker::StoreClient client(&api_, objects());
  const auto seen = client.Do({.op = Call::Op::kGetLease, .name = objects().Name(worker)});
  if (!seen || (seen->outcome != ledger::Reply::Outcome::kOk &&
                seen->outcome != ledger::Reply::Outcome::kNotFound)) {
    return std::nullopt;
  }
  return seen->version;
}

void SimJob::WriteLease(uint32_t ordinal, const std::string& holder, bool ready) {
  if (deleted_) return;
  const worker::StoreClient client(&api_, objects());
  const std::string name = objects().Name(ledger::WorkerName(ordinal));
  const auto seen = client.Do({.op = Call::Op::kGetLease, .name = name});
  if (!seen) return;
  const bool fresh = seen->outcome == ledger::Reply::Outcome::kNotFound;
  if (!fresh && seen->outcome != ledger::Reply::Outcome::kOk) return;
  static_cast<void>(client.Do(
      {.op = fresh ? Call::Op::kCreateLease : Call::Op::kPutLease,
       .name = name,
       .version = seen->version,
       .record = holder,
       .note = job::EncodeWorkerState({.environment_ready = ready, .slots = work_.slots})}));
}

// --- The end -------------------------------------------------------------------------------------

job::StoredResult SimJob::ResultOf(std::vector<ledger::ShardRecord> shards, bool planned,
                                   const std::optional<ledger::Control>& control) {
  policy::Verdict verdict;
  if (planned) {
    const policy::Sums sums = policy::Sum(shards, work_.shape.mini_batches);
    checker_.OnSealed(shards, checker_.AllDone());
    verdict = policy::FinalVerdict(sums, work_.thresholds);
    if (sums.counters.mini_batches_failed != checker_.FailedMiniBatches()) {
      checker_.Violate("I5: the final sums differ from the ledger");
    }
    const bool must_fail = checker_.ExceedsThresholds(work_.thresholds);
    if (must_fail != (verdict.state == policy::JobState::kFailed)) {
      checker_.Violate("I5: the final verdict is " + verdict.reason);
    }
    if (!must_fail && checker_.AllDone() != (verdict.state == policy::JobState::kComplete)) {
      checker_.Violate("I5: complete too early or too late");
    }
  }
  if (verdict.state == policy::JobState::kRunning) {
    const bool aborted = control && control->mode == ledger::Control::Mode::kAbort;
    verdict = aborted ? policy::FromAbortReason(control->reason)
                      : policy::Verdict{policy::JobState::kFailed, "Aborted", "ended early"};
  }
  time().Trace("verdict: " + verdict.reason);
  job::StoredResult result;
  result.exit_code = verdict.state == policy::JobState::kComplete ? 0 : 1;
  result.summary_json = DumpJson(
      {{"reason", verdict.reason}, {"message", verdict.message}, {"outputs", Json::object()}});
  return result;
}

std::string SimJob::Describe() const {
  std::string text = fmt::format("job {}:", objects().identity.ShortHash());
  for (const ledger::ShardRecord& shard : checker_.Shards()) {
    text +=
        fmt::format(" [{},{}) H {} left {} of {}/{}{};", shard.lo, shard.hi, shard.horizon,
                    shard.Left(), shard.holder, shard.incarnation, shard.sealed ? " sealed" : "");
  }
  return text;
}

}  // namespace pj::sim
