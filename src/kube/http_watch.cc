#include "kube/http_watch.h"

#include <fmt/core.h>

#include "kube/json_text.h"
#include "kube/status.h"

namespace pj::kube {
namespace {

constexpr size_t kQueuedBytes = 16 << 20;
constexpr size_t kLineBytes = 64 << 20;
constexpr size_t kShown = 200;

std::optional<WatchEvent::Type> TypeNamed(std::string_view json) {
  using Type = WatchEvent::Type;
  if (json == "\"ADDED\"") return Type::kAdded;
  if (json == "\"MODIFIED\"") return Type::kModified;
  if (json == "\"DELETED\"") return Type::kDeleted;
  if (json == "\"BOOKMARK\"") return Type::kBookmark;
  if (json == "\"ERROR\"") return Type::kError;
  return std::nullopt;
}

}  // namespace

std::string StatusOf(const HttpAnswer& answer) {
  ServerStatus out = ReadStatus(answer.body);
  if (out.code == 0) {
    out.code = answer.status;
    out.message = fmt::format("no answer of an API server: {}", out.message.substr(0, kShown));
  }
  if (answer.retry_after) out.retry_after = answer.retry_after;
  return WriteStatus(out);
}

std::string StatusOf(const Error& error) {
  return WriteStatus({.code = 503, .reason = "ServiceUnavailable", .message = error.ToString()});
}

HttpWatch::HttpWatch(std::shared_ptr<HttpBackend> backend, const WatchRequest& request)
    : backend_(std::move(backend)), path_(PathOf(request)), thread_([this] { Run(); }) {}

HttpWatch::~HttpWatch() {
  Stop();
  thread_.join();
}

std::optional<WatchEvent> HttpWatch::Next(Millis wait) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, wait, [this] { return !events_.empty() || over_ || stopped_; });
  if (stopped_ || events_.empty()) return std::nullopt;
  WatchEvent event = std::move(events_.front());
  events_.pop_front();
  bytes_ -= event.object.size();
  changed_.notify_all();
  return event;
}

bool HttpWatch::Ended() const {
  std::lock_guard lock(mutex_);
  return stopped_ || (over_ && events_.empty());
}

void HttpWatch::Stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  if (connection_ != nullptr) connection_->Abort();
  changed_.notify_all();
}

// --- The thread ----------------------------------------------------------------------------------

void HttpWatch::Run() {
  const Result<HttpAnswer> answer = Call();
  const bool opened = answer && answer->status >= 200 && answer->status < 300;
  std::unique_lock lock(mutex_);
  // One that broke off after its beginning has ended: the next goes on from the last event.
  if (!opened && !broken_ && unfinished_.empty()) {
    const std::string status = answer ? StatusOf(*answer) : StatusOf(answer.error());
    bytes_ += status.size();
    events_.push_back({WatchEvent::Type::kError, status});
  }
  over_ = true;
  changed_.notify_all();
}

// A token may have been replaced a moment ago, and so may an authority.
Result<HttpAnswer> HttpWatch::Call() {
  PJ_ASSIGN(Credentials::Now as, backend_->credentials.Get());
  auto answer = CallOnce(as);
  if (!backend_->credentials.Renewed(as, answer)) return answer;
  PJ_ASSIGN(as, backend_->credentials.Get());
  return CallOnce(as);
}

Result<HttpAnswer> HttpWatch::CallOnce(const Credentials::Now& as) {
  const HttpTimeouts timeouts{.connect = backend_->options.connect_timeout,
                              .silence = backend_->options.watch_silence,
                              .whole = Seconds(0),
                              .max_bytes = 1 << 20};
  PJ_ASSIGN(auto fresh, HttpConnection::Create(backend_->endpoint, *as.tls, timeouts));
  HttpConnection* connection = fresh.get();
  {
    std::lock_guard lock(mutex_);
    connection_ = std::move(fresh);
    if (stopped_) connection_->Abort();
  }
  bool begun = false;
  auto answer = connection->Send({.method = "GET", .path = path_, .token = as.token},
                                 [&](std::string_view piece) {
                                   begun = true;
                                   return Receive(piece);
                                 });
  if (!answer && begun) return HttpAnswer{.status = 200};
  return answer;
}

bool HttpWatch::Receive(std::string_view piece) {
  while (!piece.empty()) {
    const size_t end = piece.find('\n');
    if (end == std::string_view::npos) {
      unfinished_ += piece;
      return unfinished_.size() <= kLineBytes;
    }
    unfinished_ += piece.substr(0, end);
    piece.remove_prefix(end + 1);
    const std::string line = std::exchange(unfinished_, {});
    if (!line.empty() && !TakeLine(line)) return false;
  }
  return true;
}

bool HttpWatch::TakeLine(std::string_view line) {
  const auto type = JsonMember(line, "type");
  const auto object = JsonMember(line, "object");
  const auto known = type ? TypeNamed(*type) : std::nullopt;
  if (known && object && !object->empty()) return Push({*known, std::string(*object)});
  broken_ = true;
  Push({WatchEvent::Type::kError,
        StatusOf(HttpAnswer{.status = 502, .body = std::string(line.substr(0, kShown))})});
  return false;
}

bool HttpWatch::Push(WatchEvent event) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return bytes_ < kQueuedBytes || stopped_; });
  if (stopped_) return false;
  bytes_ += event.object.size();
  events_.push_back(std::move(event));
  changed_.notify_all();
  return true;
}

}  // namespace pj::kube
