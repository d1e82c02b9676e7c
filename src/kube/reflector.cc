#include "kube/reflector.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/log.h"
#include "kube/json_text.h"
#include "kube/status.h"

namespace pj::kube {
namespace {

constexpr Millis kFirstBackoff{800};
constexpr Seconds kMaxBackoff{30};
constexpr Seconds kCalm{120};    // without failures: the back-off starts anew
constexpr Seconds kTooShort{1};  // a watch that ends earlier and empty has failed
constexpr Millis kStepWait{60'000};

}  // namespace

Reflector::Reflector(Api& api, ReflectorSink& sink, ReflectorOptions options)
    : api_(api),
      sink_(sink),
      options_(std::move(options)),
      clock_(options_.clock != nullptr ? *options_.clock : SystemClock()),
      rng_(options_.seed),
      backoff_(kFirstBackoff, kMaxBackoff, rng_.Next()) {}

void Reflector::Step(Millis wait) {
  if (stopped()) return;
  switch (state_) {
    case ReflectorState::kListing:
      return ListPage();
    case ReflectorState::kOpening:
      return OpenWatch();
    case ReflectorState::kWatching:
      return Watching(wait);
    case ReflectorState::kBackingOff:
      return WaitOut(wait);
  }
}

void Reflector::Stop() {
  std::shared_ptr<Watch> watch;
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    watch = watch_;
  }
  wake_.notify_all();
  if (watch != nullptr) watch->Stop();
}

bool Reflector::stopped() const {
  std::lock_guard lock(mutex_);
  return stopped_;
}

ReflectorStats Reflector::stats() const {
  std::lock_guard lock(mutex_);
  return stats_;
}

// --- The list ------------------------------------------------------------------------------------

void Reflector::ListPage() {
  if (continue_.empty()) sink_.BeginList();
  auto answer = api_.Do({.verb = Verb::kList,
                         .type = options_.type,
                         .ns = options_.ns,
                         .label_selector = options_.label_selector,
                         .field_selector = options_.field_selector,
                         .resource_version = continue_.empty() ? list_version_ : "",
                         .limit = options_.page_size,
                         .continue_token = continue_});
  if (!answer) return BackOff(ReflectorState::kListing, answer.error().ToString());
  if (answer->ok()) return TakePage(answer->body);
  if (IsExpired(answer->code, answer->reason)) return Expire();
  if (IsFromTheFuture(answer->code, answer->message)) return Expire();
  BackOff(ReflectorState::kListing,
          fmt::format("{} {}: {}", answer->code, answer->reason, answer->message),
          answer->retry_after.value_or(Seconds(0)));
}

void Reflector::TakePage(const std::string& body) {
  if (auto taken = TakeItems(body); !taken) {
    continue_.clear();
    return BackOff(ReflectorState::kListing, taken.error().ToString());
  }
  if (!continue_.empty()) return;
  version_ = VersionOf(body);
  sink_.EndList(version_);
  Note([this](ReflectorStats& stats) {
    ++stats.lists;
    stats.synced = true;
    stats.version = version_;
  });
  Enter(ReflectorState::kOpening);
}

Status Reflector::TakeItems(std::string_view page) {
  PJ_ASSIGN(const std::string_view meta, JsonMember(page, "metadata"));
  PJ_ASSIGN(const std::string_view items, JsonMember(page, "items"));
  if (VersionOf(page).empty()) return Fail(Code::kInvalid, "the list has no resourceVersion");
  if (!items.empty() && items != "null") {
    PJ_TRY(ForEachElement(items, [this](std::string_view item) -> Status {
      if (auto taken = sink_.ListItem(item); !taken) Undecodable(taken.error());
      return {};
    }));
  }
  PJ_ASSIGN(const std::string_view token, JsonMember(meta, "continue"));
  continue_ = JsonString(token);
  return {};
}

// --- The watch -----------------------------------------------------------------------------------

void Reflector::OpenWatch() {
  const auto spread = static_cast<uint64_t>((options_.max_watch - options_.min_watch).count());
  auto opened = api_.OpenWatch(
      {.type = options_.type,
       .ns = options_.ns,
       .label_selector = options_.label_selector,
       .field_selector = options_.field_selector,
       .resource_version = version_,
       .timeout = options_.min_watch + Seconds(static_cast<int64_t>(rng_.Below(spread + 1)))});
  if (!opened) return BackOff(ReflectorState::kOpening, opened.error().ToString());
  opened_at_ = heard_at_ = clock_.Monotonic();
  heard_ = false;
  {
    std::lock_guard lock(mutex_);
    watch_ = std::move(*opened);
    ++stats_.watches;
    if (stopped_) watch_->Stop();
  }
  Enter(ReflectorState::kWatching);
}

void Reflector::Watching(Millis wait) {
  const Nanos left = heard_at_ + options_.silence - clock_.Monotonic();
  const auto patience = std::chrono::ceil<Millis>(std::max(left, Nanos(0)));
  auto event = watch_->Next(std::min(wait, patience));
  if (event) return TakeEvent(*event);
  if (stopped()) return;
  const Nanos now = clock_.Monotonic();
  if (watch_->Ended()) {
    EndWatch();
    if (!heard_ && now - opened_at_ < kTooShort) {
      return BackOff(ReflectorState::kOpening, "a watch ended at once without any event");
    }
    return Enter(ReflectorState::kOpening);
  }
  if (now - heard_at_ < options_.silence) return;
  EndWatch();
  Note([](ReflectorStats& stats) { ++stats.silent; });
  PJ_WARN("{}: no event and no bookmark in {} s, taking the connection for dead", What(),
          options_.silence.count());
  // Twice: a server whose store was set back may wait for a version that is far away.
  if (++silences_ >= 2) return Expire();
  Enter(ReflectorState::kOpening);
}

void Reflector::TakeEvent(const WatchEvent& event) {
  if (event.type == WatchEvent::Type::kError) return Refused(event.object);
  heard_ = true;
  silences_ = 0;
  just_expired_ = false;
  heard_at_ = clock_.Monotonic();
  if (event.type != WatchEvent::Type::kBookmark) return TakeObject(event);
  const std::string version = VersionOf(event.object);
  if (version.empty()) return;
  sink_.Reach(version);
  version_ = version;
  Note([&](ReflectorStats& stats) { stats.version = version; });
}

void Reflector::TakeObject(const WatchEvent& event) {
  const std::string version = VersionOf(event.object);
  if (version.empty()) {
    EndWatch();
    return BackOff(ReflectorState::kOpening, "an event without a resourceVersion came");
  }
  if (auto taken = sink_.Apply(event.type, event.object, version); !taken) {
    Undecodable(taken.error());
    sink_.Reach(version);
  }
  // Only now: whoever sees the version sees the object as well.
  version_ = version;
  Note([&](ReflectorStats& stats) {
    ++stats.events;
    stats.version = version;
  });
}

void Reflector::Refused(const std::string& status) {
  EndWatch();
  const ServerStatus said = ReadStatus(status);
  if (IsExpired(said.code, said.reason)) return Expire();
  if (IsFromTheFuture(said.code, said.message)) return Expire();
  BackOff(ReflectorState::kOpening, fmt::format("{} {}: {}", said.code, said.reason, said.message),
          said.retry_after.value_or(Seconds(0)));
}

void Reflector::EndWatch() {
  std::shared_ptr<Watch> watch;
  {
    std::lock_guard lock(mutex_);
    watch.swap(watch_);
  }
  if (watch != nullptr) watch->Stop();
}

// --- What goes wrong -----------------------------------------------------------------------------

// Our version is older than what the server remembers, or newer than what it has: a list tells what
// we missed. It must be a current one: "any version" could be older than ours.
void Reflector::Expire() {
  continue_.clear();
  list_version_.clear();
  Note([](ReflectorStats& stats) { ++stats.expired; });
  if (just_expired_) return BackOff(ReflectorState::kListing, "expired again without any event");
  just_expired_ = true;
  Enter(ReflectorState::kListing);
}

void Reflector::BackOff(ReflectorState then, const std::string& why, Nanos at_least) {
  const Nanos now = clock_.Monotonic();
  if (now - last_failure_ > kCalm) backoff_.Reset();
  last_failure_ = now;
  const Nanos pause = std::max(backoff_.Next(), at_least);
  resume_at_ = now + pause;
  then_ = then;
  Note([&](ReflectorStats& stats) {
    ++stats.failures;
    stats.last_error = why;
  });
  PJ_WARN("{}: {}; trying again in {} ms", What(), why, std::chrono::ceil<Millis>(pause).count());
  Enter(ReflectorState::kBackingOff);
}

void Reflector::WaitOut(Millis wait) {
  const Nanos left = resume_at_ - clock_.Monotonic();
  if (left <= Nanos(0)) return Enter(then_);
  if (wait <= Millis(0)) return;
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, std::min<Nanos>(left, wait), [this] { return stopped_; });
}

void Reflector::Undecodable(const Error& error) {
  Note([](ReflectorStats& stats) { ++stats.undecodable; });
  PJ_ERROR("{}: an object is passed over: {}", What(), error.ToString());
}

void Reflector::Enter(ReflectorState state) {
  state_ = state;
  Note([state](ReflectorStats& stats) { stats.state = state; });
}

template <class Change>
void Reflector::Note(Change change) {
  std::lock_guard lock(mutex_);
  change(stats_);
}

std::string Reflector::What() const {
  return fmt::format("watching {}{}{}", options_.type.plural, options_.ns.empty() ? "" : " of ",
                     options_.ns);
}

ReflectorThread::ReflectorThread(Reflector& reflector)
    : reflector_(reflector), thread_([this] {
        while (!reflector_.stopped()) reflector_.Step(kStepWait);
      }) {}

ReflectorThread::~ReflectorThread() {
  reflector_.Stop();
  thread_.join();
}

}  // namespace pj::kube
