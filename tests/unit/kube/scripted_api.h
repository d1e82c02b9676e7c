// ScriptedApi: an Api over MemoryApi whose answers and watches a test may replace.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "helpers.h"

namespace pj::kube {

// A watch that brings given events, and then either ends or stays silent. One thread.
class ScriptedWatch : public Watch {
 public:
  explicit ScriptedWatch(std::vector<WatchEvent> events, bool ends = true)
      : events_(events.begin(), events.end()), ends_(ends) {}
  std::optional<WatchEvent> Next(Millis) override {
    if (events_.empty()) {
      ended_ = ended_ || ends_;
      return std::nullopt;
    }
    WatchEvent event = std::move(events_.front());
    events_.pop_front();
    return event;
  }
  bool Ended() const override { return ended_; }
  void Stop() override { ended_ = true; }

 private:
  std::deque<WatchEvent> events_;
  bool ends_;
  bool ended_ = false;
};

// One thread.
class ScriptedApi : public Api {
 public:
  explicit ScriptedApi(Api& real) : real_(real) {}

  Result<Response> Do(const Request& request) override {
    requests.push_back(request);
    if (answers.empty()) return real_.Do(request);
    Result<Response> answer = std::move(answers.front());
    answers.pop_front();
    return answer;
  }
  Result<std::unique_ptr<Watch>> OpenWatch(const WatchRequest& request) override {
    watch_requests.push_back(request);
    if (watches.empty()) return real_.OpenWatch(request);
    std::unique_ptr<Watch> watch = std::move(watches.front());
    watches.pop_front();
    return watch;
  }

  std::deque<Result<Response>> answers;  // taken first
  std::deque<std::unique_ptr<Watch>> watches;
  std::vector<Request> requests;
  std::vector<WatchRequest> watch_requests;

 private:
  Api& real_;
};

}  // namespace pj::kube
