// Rule 10: after the seal no commit can succeed, and the shards partition the job.
#include <fmt/core.h>

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "ledger/agent_core.h"
#include "ledger/plants.h"

namespace pj::ledger {
namespace {

constexpr uint32_t kMaxUnknownInRow = 1000;

struct Range {
  uint64_t lo = 0;
  uint64_t hi = 0;  // if it has to be created
};

}  // namespace

struct Sealer::Impl {
  std::string job;
  JobIdentity identity;
  uint64_t mini_batches = 0;
  std::string incarnation;
  std::deque<Range> todo;
  std::set<uint64_t> seen;
  std::vector<ShardRecord> sealed;
  uint64_t next_call = 1;
  uint64_t write_counter = 0;
  uint64_t awaited = 0;  // id of the call under way
  Call::Op op = Call::Op::kGet;
  ShardRecord sent;
  uint32_t unknown_in_row = 0;

  std::string Name() const { return ShardName(job, identity, todo.front().lo); }

  Call Make(Call::Op what, std::string version) {
    Call call{
        .id = next_call++, .op = what, .name = Name(), .version = std::move(version), .record = {}};
    if (what != Call::Op::kGet) {
      sent.write_id = {incarnation + ".seal", ++write_counter};
      call.record = EncodeShard(sent);
    }
    op = what;
    awaited = call.id;
    return call;
  }

  Call Create() {
    sent = ShardRecord();
    sent.job = identity;
    sent.lo = todo.front().lo;
    sent.hi = todo.front().hi;
    sent.low_water = sent.horizon = sent.lo;
    sent.sealed = true;
    return Make(Call::Op::kCreate, {});
  }

  // Done with the shard in front; its tickets can't change any more.
  void Keep(ShardRecord record) {
    for (const SplitTicket& ticket : record.tickets) {
      if (seen.insert(ticket.mid).second) todo.push_back({ticket.mid, ticket.end});
    }
    sealed.push_back(std::move(record));
    todo.pop_front();
  }

  Result<std::optional<Call>> OnRead(const Reply& reply) {
    auto record = DecodeShard(reply.record);
    if (!record) {
      Error error = std::move(record).error();
      error.where = Name();
      return std::unexpected(std::move(error));
    }
    if (record->job != identity || record->lo != todo.front().lo) {
      return Fail(Code::kCorrupt, "LedgerCorrupt: a record of another job or shard", Name());
    }
    if (record->sealed) {
      Keep(std::move(*record));
      return Next();
    }
    sent = std::move(*record);
    sent.sealed = true;
    if (Planted(Plant::kSealReadsOnly)) {
      Keep(std::move(sent));
      return Next();
    }
    ++sent.epoch;
    return Make(Call::Op::kPut, reply.version);
  }

  Result<std::optional<Call>> Next() {
    if (!todo.empty()) return Make(Call::Op::kGet, {});
    std::sort(sealed.begin(), sealed.end(),
              [](const ShardRecord& a, const ShardRecord& b) { return a.lo < b.lo; });
    uint64_t at = 0;
    for (const ShardRecord& shard : sealed) {
      if (shard.lo != at) break;
      at = shard.hi;
    }
    if (at != mini_batches) {
      return Fail(Code::kCorrupt,
                  fmt::format("LedgerCorrupt: the shards do not partition the job: gap or overlap "
                              "at mini-batch {} of {}",
                              at, mini_batches),
                  job);
    }
    return std::optional<Call>();
  }

  Result<std::optional<Call>> OnReply(const Reply& reply) {
    using Outcome = Reply::Outcome;
    if (reply.outcome == Outcome::kRejected) {
      return Fail(Code::kForbidden, "the ledger refused the seal: " + reply.message, Name());
    }
    if (reply.outcome == Outcome::kUnknown) {
      if (++unknown_in_row >= kMaxUnknownInRow) {
        return Fail(Code::kUnavailable, "the ledger does not answer", Name());
      }
      return Make(Call::Op::kGet, {});
    }
    unknown_in_row = 0;
    if (reply.outcome == Outcome::kNotFound) {
      if (Planted(Plant::kSealSkipsMissing)) {
        todo.pop_front();
        return Next();
      }
      return Create();
    }
    if (reply.outcome != Outcome::kOk) return Make(Call::Op::kGet, {});
    if (op == Call::Op::kGet) return OnRead(reply);
    Keep(std::move(sent));
    return Next();
  }
};

Sealer::Sealer(std::string job, JobIdentity identity, uint64_t mini_batches, uint64_t roots,
               std::string incarnation)
    : impl_(std::make_unique<Impl>()) {
  impl_->job = std::move(job);
  impl_->identity = std::move(identity);
  impl_->mini_batches = mini_batches;
  impl_->incarnation = std::move(incarnation);
  for (uint64_t i = 0; i < roots; ++i) {
    const uint64_t lo = RootBegin(mini_batches, roots, i);
    impl_->seen.insert(lo);
    impl_->todo.push_back({lo, RootBegin(mini_batches, roots, i + 1)});
  }
}
Sealer::~Sealer() = default;
Sealer::Sealer(Sealer&&) noexcept = default;

Result<std::optional<Call>> Sealer::Step(const Reply* reply) {
  if (reply == nullptr) return impl_->Next();
  if (impl_->todo.empty() || reply->id != impl_->awaited) return std::optional<Call>();
  return impl_->OnReply(*reply);
}

std::vector<ShardRecord> Sealer::TakeShards() { return std::move(impl_->sealed); }

}  // namespace pj::ledger
