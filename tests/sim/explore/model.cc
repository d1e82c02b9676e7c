#include "tests/sim/explore/model.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/byte_io.h"

namespace pj::sim {
namespace {

using ledger::Assignment;
using ledger::Call;
using ledger::Reply;

JobShape ShapeOf(const ModelOptions& options) {
  JobShape shape;
  shape.mini_batches = options.mini_batches;
  shape.roots = options.roots;
  shape.max_retries = 1;
  return shape;
}

// A record without what differs between equal states: numbers of writes and of runs.
std::string WithoutNumbers(const std::string& bytes) {
  ledger::ShardRecord record = ledger::DecodeShard(bytes).value();
  record.write_id.counter = 0;
  record.counters.busy_ns = 0;
  for (ledger::OutputMark& mark : record.outputs) mark.crc = 0;
  return ledger::EncodeShard(record);
}

bool Names(const Message& message, int agent) { return message.agent == agent; }

}  // namespace

Model::Model(const ModelOptions& options) : options_(options), checker_(ShapeOf(options)) {
  Bind();
  for (int i = 0; i < options.agents; ++i) {
    StartAgent(i, options.strangers ? fmt::format("program-{}", i) : "program");
  }
}

Model::Model(const Model& other)
    : options_(other.options_),
      checker_(other.checker_),
      store_(other.store_),
      agents_(other.agents_),
      messages_(other.messages_),
      next_version_(other.next_version_),
      next_run_(other.next_run_),
      crashes_(other.crashes_),
      losses_(other.losses_),
      failures_(other.failures_) {
  Bind();
}

void Model::Bind() {
  checker_.started_beyond = [this](const ledger::ShardRecord& shard, uint64_t from) {
    return std::any_of(agents_.begin(), agents_.end(), [&](const ModelAgent& agent) {
      if (!agent.alive || agent.sender.incarnation != shard.incarnation ||
          agent.sender.holder != shard.holder) {
        return false;
      }
      const auto end = agent.started_to.find({shard.lo, shard.epoch});
      return end != agent.started_to.end() && end->second > from;
    });
  };
  checker_.running_calls = [this](const ledger::ShardRecord& shard) {
    size_t running = 0;
    for (const ModelAgent& agent : agents_) {
      if (!agent.alive || agent.sender.incarnation != shard.incarnation ||
          agent.sender.holder != shard.holder) {
        continue;
      }
      for (const Assignment& each : agent.running) {
        running += each.lo == shard.lo && each.epoch == shard.epoch ? 1 : 0;
      }
    }
    return running;
  };
}

void Model::StartAgent(int ordinal, const std::string& program) {
  ledger::AgentConfig config;
  const JobShape shape = ShapeOf(options_);
  config.job = shape.job;
  config.identity = shape.identity;
  config.ordinal = static_cast<uint32_t>(ordinal);
  config.holder = fmt::format("instance-{}", ordinal);
  config.incarnation = program;
  config.mini_batches = shape.mini_batches;
  config.roots = shape.roots;
  config.max_retries = shape.max_retries;
  ModelAgent agent(config);
  agent.sender = {config.holder, config.incarnation, false};
  agents_.push_back(std::move(agent));
  Step(static_cast<int>(agents_.size()) - 1, ledger::Started{});
}

// --- What can happen -----------------------------------------------------------------------------

std::vector<Model::Move> Model::Moves() const {
  using Kind = Move::Kind;
  std::vector<Move> out;
  for (int i = 0; i < static_cast<int>(messages_.size()); ++i) {
    const Message& message = messages_[static_cast<size_t>(i)];
    if (message.answered) {
      out.push_back({Kind::kAnswer, i});
      if (losses_ < options_.losses) out.push_back({Kind::kLoseAnswer, i});
    } else {
      out.push_back({Kind::kArrive, i});
      if (losses_ < options_.losses) out.push_back({Kind::kLoseRequest, i});
    }
  }
  for (int i = 0; i < static_cast<int>(agents_.size()); ++i) AddAgentMoves(i, &out);
  return out;
}

void Model::AddAgentMoves(int index, std::vector<Move>* out) const {
  using Kind = Move::Kind;
  const ModelAgent& agent = agents_[static_cast<size_t>(index)];
  if (!agent.alive || agent.ended) return;
  if (agent.running.empty()) {
    ledger::AgentCore asked = agent.core;
    std::vector<Assignment> given;
    asked.Take(1, agent.now, &given);
    if (!given.empty()) out->push_back({Kind::kRun, index});
  } else {
    out->push_back({Kind::kFinish, index});
    if (failures_ < options_.failures) out->push_back({Kind::kFail, index});
  }
  if (!agent.synced.empty()) out->push_back({Kind::kSynced, index});
  const bool waits = std::any_of(messages_.begin(), messages_.end(),
                                 [index](const Message& each) { return Names(each, index); });
  // When nothing else can wake it, it must be woken, or nothing would be found of it any more.
  if (agent.timer && (agent.timers < options_.timers || (!waits && agent.running.empty()))) {
    out->push_back({Kind::kTimer, index});
  }
  if (crashes_ < options_.crashes) out->push_back({Kind::kCrash, index});
}

std::string Model::Describe(size_t choice) const {
  static constexpr const char* kNames[] = {"arrives",  "is answered", "request lost", "answer lost",
                                           "runs",     "finishes",    "fails",        "has synced",
                                           "timer of", "crash of"};
  const Move move = Moves()[choice];
  const char* name = kNames[static_cast<size_t>(move.kind)];
  if (move.kind > Move::Kind::kLoseAnswer) return fmt::format("{} agent {}", name, move.index);
  const Message& message = messages_[static_cast<size_t>(move.index)];
  return fmt::format("{}: agent {}, op {} {}", name, message.agent,
                     static_cast<int>(message.call.op), message.call.name);
}

void Model::Do(size_t choice) {
  using Kind = Move::Kind;
  const Move move = Moves()[choice];
  const auto at = static_cast<size_t>(move.index);
  switch (move.kind) {
    case Kind::kArrive:
      messages_[at].reply = Execute(messages_[at]);
      messages_[at].answered = true;
      return;
    case Kind::kAnswer:
    case Kind::kLoseAnswer:
    case Kind::kLoseRequest: {
      Message message = std::move(messages_[at]);
      messages_.erase(messages_.begin() + move.index);
      if (move.kind != Kind::kAnswer) {
        ++losses_;
        message.reply = Reply{.id = message.call.id, .outcome = Reply::Outcome::kUnknown};
      }
      return Step(message.agent, message.reply);
    }
    case Kind::kRun:
      return Run(move.index);
    case Kind::kFinish:
      return Finish(move.index, ledger::AttemptStatus::kRunDone);
    case Kind::kFail:
      ++failures_;
      return Finish(move.index, ledger::AttemptStatus::kRunException);
    case Kind::kSynced: {
      ModelAgent& agent = agents_[at];
      const ledger::OutputMark mark = agent.synced.front();
      const uint64_t lo = agent.synced_lo.front();
      agent.synced.erase(agent.synced.begin());
      agent.synced_lo.erase(agent.synced_lo.begin());
      if (!agent.stems.contains(lo) || agent.stems[lo] != mark.segment) return;
      return Step(move.index, ledger::OutputSynced{lo, mark});
    }
    case Kind::kTimer: {
      ModelAgent& agent = agents_[at];
      ++agent.timers;
      agent.now = std::max(agent.now, *std::exchange(agent.timer, std::nullopt));
      return Step(move.index, ledger::TimerFired{});
    }
    case Kind::kCrash:
      return Crash(move.index);
  }
}

// Its requests may still arrive. The successor takes everybody else for dead, who may live on.
void Model::Crash(int agent) {
  ++crashes_;
  ModelAgent& dead = agents_[static_cast<size_t>(agent)];
  dead.alive = false;
  StartAgent(agent % options_.agents, fmt::format("successor-{}", crashes_));
}

// --- Agents --------------------------------------------------------------------------------------

void Model::Step(int agent, const ledger::Event& event) {
  ModelAgent& self = agents_[static_cast<size_t>(agent)];
  if (!self.alive || self.ended) return;
  std::vector<ledger::Effect> effects;
  self.core.Step(event, self.now, &effects);
  Carry(agent, effects);
}

void Model::Carry(int agent, const std::vector<ledger::Effect>& effects) {
  for (const ledger::Effect& effect : effects) CarryOne(agent, effect);
}

void Model::CarryOne(int agent, const ledger::Effect& effect) {
  ModelAgent& self = agents_[static_cast<size_t>(agent)];
  if (const auto* call = std::get_if<Call>(&effect)) {
    messages_.push_back({.agent = agent, .call = *call});
  } else if (const auto* open = std::get_if<ledger::OpenSegment>(&effect)) {
    self.stems[open->lo] = fmt::format("{}-{}-{}-{}", open->lo, open->epoch, self.sender.holder,
                                       self.sender.incarnation);
    checker_.segments[self.stems[open->lo]] = {};
  } else if (const auto* sync = std::get_if<ledger::SyncOutput>(&effect)) {
    const std::string& stem = self.stems[sync->lo];
    self.synced.push_back(MarkOf(stem, checker_.segments[stem]));
    self.synced_lo.push_back(sync->lo);
  } else if (const auto* drop = std::get_if<ledger::DropRange>(&effect)) {
    std::erase_if(self.running, [drop](const Assignment& each) {
      return each.lo == drop->lo && each.mini_batch >= drop->from;
    });
    if (drop->from == drop->lo) self.stems.erase(drop->lo);
  } else if (const auto* timer = std::get_if<ledger::SetTimer>(&effect)) {
    self.timer = timer->at;
  } else if (const auto* finished = std::get_if<ledger::Finished>(&effect)) {
    self.ended = true;
    if (finished->why == ledger::Finished::Why::kComplete && !checker_.AllDone()) {
      checker_.Violate("an agent said complete before all was done");
    }
  } else if (const auto* stalled = std::get_if<ledger::Stalled>(&effect)) {
    self.ended = true;
    checker_.Violate("stalled: " + stalled->error.ToString());
  }
}

void Model::Run(int agent) {
  ModelAgent& self = agents_[static_cast<size_t>(agent)];
  std::vector<Assignment> given;
  self.core.Take(1, self.now, &given);
  for (const Assignment& each : given) {
    checker_.OnTake(self.sender, each.lo, each.epoch, each.mini_batch, each.attempt);
    uint64_t& end = self.started_to[{each.lo, each.epoch}];
    end = std::max(end, each.mini_batch + 1);
    self.running.push_back(each);
  }
  std::vector<ledger::Effect> effects;
  self.core.Poll(self.now, &effects);
  Carry(agent, effects);
}

void Model::Finish(int agent, ledger::AttemptStatus status) {
  ModelAgent& self = agents_[static_cast<size_t>(agent)];
  const Assignment done = self.running.back();
  self.running.pop_back();
  ledger::AttemptResult result;
  result.mini_batch = done.mini_batch;
  result.attempt = done.attempt;
  result.lo = done.lo;
  result.epoch = done.epoch;
  result.status = status;
  result.items_total = 1;
  result.items_ok = status == ledger::AttemptStatus::kRunDone ? 1 : 0;
  const ledger::Verdict verdict = self.core.Finish(result, self.now);
  if (verdict != ledger::Verdict::kStale) {
    Segment& segment = checker_.segments[self.stems[done.lo]];
    ++segment.attempts;
    if (status != ledger::AttemptStatus::kRunDone) checker_.OnCharged(done.mini_batch);
    const bool failed = verdict == ledger::Verdict::kFailed;
    if (verdict != ledger::Verdict::kRetry) {
      segment.entries.push_back(
          {done.mini_batch, done.attempt, failed, ++next_run_, failed ? 0 : 7U});
    }
  }
  // As the worker does: whoever is free asks for more, and so the core learns that it is hungry.
  std::vector<Assignment> none;
  std::vector<ledger::Effect> effects;
  self.core.Poll(self.now, &effects);
  Carry(agent, effects);
}

// --- The records ---------------------------------------------------------------------------------

Reply Model::Execute(const Message& message) {
  const Call& call = message.call;
  const auto found = store_.find(call.name);
  Reply reply{.id = call.id};
  const auto write = [&] {
    Stored& stored = store_[call.name];
    stored = {next_version_++, call.record};
    reply.version = fmt::format("{}", stored.version);
    checker_.OnWrite(agents_[static_cast<size_t>(message.agent)].sender, call.record);
  };
  switch (call.op) {
    case Call::Op::kGet:
      if (found == store_.end()) {
        reply.outcome = Reply::Outcome::kNotFound;
      } else {
        reply.version = fmt::format("{}", found->second.version);
        reply.record = found->second.bytes;
      }
      return reply;
    case Call::Op::kCreate:
      if (found != store_.end()) {
        reply.outcome = Reply::Outcome::kExists;
      } else {
        write();
      }
      return reply;
    case Call::Op::kPut:
      if (found == store_.end()) {
        reply.outcome = Reply::Outcome::kNotFound;
      } else if (!call.version.empty() &&
                 call.version != fmt::format("{}", found->second.version)) {
        reply.outcome = Reply::Outcome::kConflict;
      } else {
        write();
      }
      return reply;
    default:
      checker_.Violate("a Lease in a local run");
      return reply;
  }
}

bool Model::BeyondEpochs() const {
  const std::vector<ledger::ShardRecord> shards = checker_.Shards();
  return std::any_of(shards.begin(), shards.end(), [this](const ledger::ShardRecord& shard) {
    return shard.epoch > options_.epochs;
  });
}

void Model::CheckEnd() {
  const bool all_ended = std::all_of(agents_.begin(), agents_.end(), [](const ModelAgent& agent) {
    return !agent.alive || agent.ended;
  });
  if (all_ended && !checker_.AllDone()) checker_.Violate("all agents ended, and work is left");
  if (!all_ended) checker_.Violate("I9: nothing can happen any more, and agents wait");
}

// --- Equal states --------------------------------------------------------------------------------

std::string Model::FingerprintOf(const Message& message) const {
  ByteWriter out;
  const ModelAgent& from = agents_[static_cast<size_t>(message.agent)];
  out.U64(static_cast<uint64_t>(message.agent));
  out.U8(static_cast<uint8_t>((message.answered ? 1 : 0) + (from.alive ? 2 : 0)));
  out.U8(static_cast<uint8_t>(message.call.op));
  out.Bytes(message.call.name);
  const auto stored = store_.find(message.call.name);
  const std::string now = stored == store_.end() ? "" : fmt::format("{}", stored->second.version);
  out.U8(message.call.version == now ? 1 : 0);
  const std::string& body = message.answered ? message.reply.record : message.call.record;
  if (!body.empty()) out.Bytes(WithoutNumbers(body));
  if (message.answered) {
    out.U8(static_cast<uint8_t>(message.reply.outcome));
    out.U8(message.reply.version == now ? 1 : 0);
  }
  return std::move(out.str());
}

std::string Model::Fingerprint() const {
  ByteWriter out;
  std::map<std::string, ledger::WriteId> ids;
  for (const auto& [name, stored] : store_) {
    ids[name] = ledger::DecodeShard(stored.bytes)->write_id;
    out.Bytes(name);
    out.Bytes(WithoutNumbers(stored.bytes));
  }
  for (const ModelAgent& agent : agents_) {
    out.U8(static_cast<uint8_t>((agent.alive ? 1 : 0) + (agent.ended ? 2 : 0) +
                                (agent.timer ? 4 : 0)));
    if (!agent.alive || agent.ended) continue;
    out.Bytes(agent.core.Fingerprint(agent.now));
    out.U64(static_cast<uint64_t>(std::min(agent.timers, options_.timers)));
    for (const Assignment& each : agent.running) {
      out.U64(each.mini_batch);
      out.U64(each.attempt);
      out.U64(each.epoch);
    }
    out.U64(agent.synced.size());
    for (const auto& mark : agent.synced) out.U64(mark.index);
    for (const auto& [name, id] : ids) {
      bool holds = false;
      for (const ledger::ShardRecord* held : agent.core.HeldShards()) {
        holds = holds || held->write_id == id;
      }
      out.U8(static_cast<uint8_t>((agent.core.AwaitsWrite(id) ? 1 : 0) + (holds ? 2 : 0)));
    }
    for (const auto& [work, end] : agent.started_to) out.U64(end);
    for (const auto& [lo, stem] : agent.stems) {
      out.Bytes(stem);
      const auto segment = checker_.segments.find(stem);
      out.U64(segment->second.entries.size());
      out.U64(segment->second.attempts);
    }
  }
  // In which order they were sent does not matter.
  std::vector<std::string> messages;
  for (const Message& message : messages_) messages.push_back(FingerprintOf(message));
  std::sort(messages.begin(), messages.end());
  for (const std::string& message : messages) out.Bytes(message);
  out.U64(static_cast<uint64_t>(crashes_ * 100 + losses_ * 10 + failures_));
  return std::move(out.str());
}

}  // namespace pj::sim
