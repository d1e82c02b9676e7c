#include "kube/memory_watch.h"

#include <fmt/core.h>

#include <charconv>
#include <deque>

#include "kube/answers.h"
#include "kube/selector.h"

namespace pj::kube {
namespace {

constexpr Seconds kBookmarkPeriod{60};

// Thread-safe as Watch says: Next by one thread, Stop and Ended by any. It has no queue of its own:
// it reads the table's history from where it stands, and one that falls behind it is expired.
class MemoryWatch : public Watch {
 public:
  MemoryWatch(std::shared_ptr<ObjectTable> table, const Clock& clock, const WatchRequest& request);

  std::optional<WatchEvent> Next(Millis wait) override;
  bool Ended() const override {
    std::lock_guard lock(table_->mutex());
    return ended_;
  }
  void Stop() override {
    std::lock_guard lock(table_->mutex());
    ended_ = true;
    table_->changed().notify_all();
  }

 private:
  void Start();
  std::optional<WatchEvent> Ready();
  std::optional<WatchEvent> ByTime();
  std::optional<WatchEvent> See(const Change& change);
  bool Matches(const StoredPtr& object) const;
  WatchEvent Refuse(const Response& answer);
  WatchEvent Bookmark();

  const std::shared_ptr<ObjectTable> table_;
  const Clock& clock_;
  const WatchRequest request_;
  const std::string resource_;
  Selector labels_;
  Selector fields_;
  std::deque<StoredPtr> initial_;  // shown as kAdded first
  std::optional<Response> refusal_;
  uint64_t seen_ = 0;  // every change up to it was looked at
  Nanos deadline_;
  Nanos next_bookmark_;
  bool ended_ = false;
};

MemoryWatch::MemoryWatch(std::shared_ptr<ObjectTable> table, const Clock& clock,
                         const WatchRequest& request)
    : table_(std::move(table)),
      clock_(clock),
      request_(request),
      resource_(KeyOf(request.type, "", "").resource),
      deadline_(clock.Monotonic() + request.timeout),
      next_bookmark_(clock.Monotonic() + kBookmarkPeriod) {
  std::lock_guard lock(table_->mutex());
  Start();
}

void MemoryWatch::Start() {
  auto labels = Selector::ParseLabels(request_.label_selector);
  auto fields = Selector::ParseFields(request_.field_selector);
  if (!labels || !fields) {
    refusal_ = BadRequest((labels ? fields : labels).error().message);
    return;
  }
  labels_ = std::move(*labels);
  fields_ = std::move(*fields);
  const std::string& from = request_.resource_version;
  if (from.empty() || from == "0") {
    seen_ = table_->version();
    for (StoredPtr& object : table_->All(resource_, request_.ns)) {
      if (Matches(object)) initial_.push_back(std::move(object));
    }
    return;
  }
  auto [end, err] = std::from_chars(from.data(), from.data() + from.size(), seen_);
  if (err != std::errc() || end != from.data() + from.size()) {
    refusal_ = BadRequest(fmt::format("resourceVersion: Invalid value: \"{}\"", from));
  }
}

std::optional<WatchEvent> MemoryWatch::Next(Millis wait) {
  const auto until = std::chrono::steady_clock::now() + wait;
  std::unique_lock lock(table_->mutex());
  for (;;) {
    if (ended_) return std::nullopt;
    if (auto event = Ready()) return event;
    if (auto event = ByTime(); event || ended_) return event;
    // Bookmarks and the end come by the server's clock, which a test may move by hand.
    const Nanos left =
        std::min(deadline_, request_.bookmarks ? next_bookmark_ : deadline_) - clock_.Monotonic();
    const auto wake = std::min(until, std::chrono::steady_clock::now() + left);
    if (std::chrono::steady_clock::now() >= until) return std::nullopt;
    table_->changed().wait_until(lock, wake);
  }
}

std::optional<WatchEvent> MemoryWatch::Ready() {
  if (refusal_) return Refuse(*refusal_);
  if (!initial_.empty()) {
    StoredPtr object = std::move(initial_.front());
    initial_.pop_front();
    return WatchEvent{WatchEvent::Type::kAdded, FullText(request_.type, *object)};
  }
  if (!table_->Knows(seen_)) {
    return Refuse(
        Expired(fmt::format("too old resource version: {} ({})", seen_, table_->compacted())));
  }
  while (seen_ < table_->version()) {
    if (auto event = See(table_->At(++seen_))) return event;
  }
  return std::nullopt;
}

std::optional<WatchEvent> MemoryWatch::ByTime() {
  const Nanos now = clock_.Monotonic();
  if (now >= deadline_) {
    ended_ = true;
    if (request_.bookmarks) return Bookmark();
    return std::nullopt;
  }
  if (!request_.bookmarks || now < next_bookmark_) return std::nullopt;
  next_bookmark_ = now + kBookmarkPeriod;
  return Bookmark();
}

bool MemoryWatch::Matches(const StoredPtr& object) const {
  return object != nullptr && (request_.ns.empty() || object->key.ns == request_.ns) &&
         labels_.Matches(object->labels) && fields_.MatchesFields(object->key.ns, object->key.name);
}

// An object that enters the selector is added, one that leaves it is deleted.
std::optional<WatchEvent> MemoryWatch::See(const Change& change) {
  using Type = WatchEvent::Type;
  if (change.after->key.resource != resource_) return std::nullopt;
  const bool before = Matches(change.before);
  const bool after = change.type != Type::kDeleted && Matches(change.after);
  if (!before && !after) return std::nullopt;
  if (after) {
    return WatchEvent{before ? Type::kModified : Type::kAdded,
                      FullText(request_.type, *change.after)};
  }
  if (change.type == Type::kDeleted) {
    return WatchEvent{Type::kDeleted, FullText(request_.type, *change.after)};
  }
  // Shown as it was when it still matched, with the version of the change that took it away.
  StoredPtr last = MakeStored(change.before->key, TreeOf(*change.before), change.after->version);
  return WatchEvent{Type::kDeleted, FullText(request_.type, *last)};
}

WatchEvent MemoryWatch::Refuse(const Response& answer) {
  ended_ = true;
  return {WatchEvent::Type::kError, answer.body};
}

WatchEvent MemoryWatch::Bookmark() {
  return {WatchEvent::Type::kBookmark,
          fmt::format("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",\"metadata\":{{\"resourceVersion\":"
                      "\"{}\",\"creationTimestamp\":null}}}}",
                      request_.type.kind, request_.type.ApiVersion(), seen_)};
}

}  // namespace

std::unique_ptr<Watch> OpenMemoryWatch(std::shared_ptr<ObjectTable> table, const Clock& clock,
                                       const WatchRequest& request) {
  return std::make_unique<MemoryWatch>(std::move(table), clock, request);
}

}  // namespace pj::kube
