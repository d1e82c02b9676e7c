// HttpWatch: a watch on a real API server. Internal to src/kube.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "kube/http_backend.h"

namespace pj::kube {

// A thread reads events from a connection of its own into a bounded queue; a slow reader slows the
// server down.
class HttpWatch : public Watch {
 public:
  HttpWatch(std::shared_ptr<HttpBackend> backend, const WatchRequest& request);
  ~HttpWatch() override;
  HttpWatch(const HttpWatch&) = delete;
  HttpWatch& operator=(const HttpWatch&) = delete;

  std::optional<WatchEvent> Next(Millis wait) override;
  bool Ended() const override;
  void Stop() override;

 private:
  void Run();
  Result<HttpAnswer> Call();
  Result<HttpAnswer> CallOnce(const Credentials::Now& as);
  bool Receive(std::string_view piece);
  bool TakeLine(std::string_view line);
  bool Push(WatchEvent event);

  const std::shared_ptr<HttpBackend> backend_;
  const std::string path_;
  std::string unfinished_;  // of the thread: a line whose end has not come
  bool broken_ = false;     // of the thread: what came was no event

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<HttpConnection> connection_;
  std::deque<WatchEvent> events_;
  size_t bytes_ = 0;   // of events_
  bool over_ = false;  // the thread has put its last event
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace pj::kube
