#include "kube/leader_election.h"

#include <algorithm>

#include "base/log.h"

namespace pj::kube {
namespace {

constexpr Millis kStepWait{60'000};

}  // namespace

LeaderElection::LeaderElection(Api& api, LeaderOptions options)
    : api_(api),
      options_(std::move(options)),
      clock_(options_.clock != nullptr ? *options_.clock : SystemClock()),
      rng_(options_.seed) {}

void LeaderElection::Step(Millis wait) {
  const Nanos left = next_ - clock_.Monotonic();
  if (left > Nanos(0)) {
    if (wait <= Millis(0)) return;
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, std::min<Nanos>(left, wait), [this] { return stopped_; });
    return;
  }
  if (stopped()) return;
  const Nanos begin = clock_.Monotonic();
  if (state() != LeaderState::kLost) Try();
  // Not all at the same moment.
  const auto jitter = static_cast<uint64_t>(Nanos(options_.retry).count() / 5);
  next_ = begin + options_.retry + Nanos(static_cast<int64_t>(IsLeader() ? 0 : rng_.Below(jitter)));
}

LeaderState LeaderElection::state() const {
  std::lock_guard lock(mutex_);
  if (!leads_) return LeaderState::kWaiting;
  return clock_.Monotonic() < leads_until_ ? LeaderState::kLeading : LeaderState::kLost;
}

std::string LeaderElection::holder() const {
  std::lock_guard lock(mutex_);
  return holder_;
}

void LeaderElection::SetNote(std::string note) {
  std::lock_guard lock(mutex_);
  note_ = std::move(note);
}

void LeaderElection::Stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  wake_.notify_all();
}

bool LeaderElection::stopped() const {
  std::lock_guard lock(mutex_);
  return stopped_;
}

void LeaderElection::Release() {
  if (!IsLeader() || seen_.holder != options_.identity) return;
  SetNote({});
  Lease free = seen_;
  free.holder.clear();
  free.duration_seconds = 1;
  free.renew_time = FormatRfc3339(clock_.Wall());
  if (!Write(free)) PJ_WARN("the lease {} is not released; it ends by itself", options_.name);
  std::lock_guard lock(mutex_);
  leads_ = false;
}

void LeaderElection::Try() {
  const Nanos asked_at = clock_.Monotonic();
  const bool leads = IsLeader();
  // Who leads and knows how its last write ended writes at once.
  if ((!leads || unclear_) && !Read()) return;
  unclear_ = false;
  if (seen_.meta.resource_version.empty()) {
    if (Create()) Lead(asked_at);
    return;
  }
  if (seen_.holder != options_.identity && !Free()) {
    if (leads) {
      PJ_ERROR("the lease {} was taken by {}", options_.name, seen_.holder);
      std::lock_guard lock(mutex_);
      leads_until_ = Nanos(0);
    }
    return;
  }
  Lease mine = seen_;
  if (mine.holder != options_.identity) ++mine.transitions;
  mine.holder = options_.identity;
  mine.duration_seconds = options_.lease.count();
  mine.renew_time = FormatRfc3339(clock_.Wall());
  if (Write(mine)) Lead(asked_at);
}

// False if nothing is known.
bool LeaderElection::Read() {
  auto answer =
      api_.Do({.verb = Verb::kGet, .type = Leases(), .ns = options_.ns, .name = options_.name});
  if (answer && answer->code == 404) {
    seen_ = {};
    return true;
  }
  if (!answer || !answer->ok()) {
    PJ_WARN("cannot read the lease {}: {}", options_.name,
            answer ? answer->message : answer.error().ToString());
    return false;
  }
  auto lease = DecodeLease(answer->body);
  if (!lease) PJ_ERROR("the lease {}: {}", options_.name, lease.error().ToString());
  if (lease) Observe(*lease);
  return lease.has_value();
}

bool LeaderElection::Create() {
  Lease lease{.holder = options_.identity,
              .duration_seconds = options_.lease.count(),
              .renew_time = FormatRfc3339(clock_.Wall())};
  lease.meta = options_.meta;
  lease.meta.name = options_.name;
  lease.meta.ns = options_.ns;
  PutNote(&lease);
  auto answer =
      api_.Do({.verb = Verb::kCreate, .type = Leases(), .ns = options_.ns, .body = Encode(lease)});
  if (!answer || !answer->ok()) return false;
  if (auto made = DecodeLease(answer->body)) Observe(*made);
  return true;
}

void LeaderElection::PutNote(Lease* lease) const {
  if (options_.note_key.empty()) return;
  std::lock_guard lock(mutex_);
  if (note_.empty()) {
    lease->meta.annotations.erase(options_.note_key);
  } else {
    lease->meta.annotations[options_.note_key] = note_;
  }
}

bool LeaderElection::Write(Lease lease) {
  PutNote(&lease);
  auto answer = api_.Do({.verb = Verb::kUpdate,
                         .type = Leases(),
                         .ns = options_.ns,
                         .name = options_.name,
                         .body = Encode(lease)});
  if (answer && answer->ok()) {
    if (auto written = DecodeLease(answer->body)) Observe(*written);
    return true;
  }
  // It may be written all the same, or by somebody else: the next try reads first.
  unclear_ = true;
  PJ_WARN("cannot write the lease {}: {}", options_.name,
          answer ? answer->message : answer.error().ToString());
  return false;
}

void LeaderElection::Observe(const Lease& lease) {
  if (lease.meta.resource_version != seen_.meta.resource_version) seen_at_ = clock_.Monotonic();
  seen_ = lease;
  std::lock_guard lock(mutex_);
  holder_ = lease.holder;
}

bool LeaderElection::Free() const {
  if (seen_.holder.empty()) return true;
  const Seconds lasts(seen_.duration_seconds > 0 ? seen_.duration_seconds : options_.lease.count());
  return clock_.Monotonic() - seen_at_ > lasts;
}

// From when we asked: the answer may have taken long.
void LeaderElection::Lead(Nanos asked_at) {
  std::lock_guard lock(mutex_);
  if (!leads_) PJ_INFO("{} leads by the lease {}", options_.identity, options_.name);
  if (leads_ && leads_until_ <= clock_.Monotonic()) return;  // lost while we wrote
  leads_ = true;
  leads_until_ = asked_at + options_.renew;
}

std::optional<Nanos> SilentFor(const Lease& lease, const Clock& clock) {
  const auto renewed = ParseRfc3339(lease.renew_time);
  if (!renewed || lease.holder.empty()) return std::nullopt;
  const Seconds lasts =
      lease.duration_seconds > 0 ? Seconds(lease.duration_seconds) : LeaderOptions().lease;
  const Nanos age = clock.Wall() - *renewed;
  return age > 2 * lasts ? std::optional<Nanos>(age) : std::nullopt;
}

LeaderThread::LeaderThread(LeaderElection& election)
    : election_(election), thread_([this] {
        while (!election_.stopped()) election_.Step(kStepWait);
      }) {}

LeaderThread::~LeaderThread() {
  election_.Stop();
  thread_.join();
  election_.Release();
}

}  // namespace pj::kube
