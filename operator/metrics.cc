#include "operator/metrics.h"

#include <fmt/core.h>

#include <algorithm>

namespace pj::op {
namespace {

const char* VerbName(kube::Verb verb) {
  switch (verb) {
    case kube::Verb::kGet:
      return "get";
    case kube::Verb::kList:
      return "list";
    case kube::Verb::kCreate:
      return "create";
    case kube::Verb::kUpdate:
      return "update";
    case kube::Verb::kUpdateStatus:
      return "update_status";
    case kube::Verb::kDelete:
      return "delete";
  }
  return "other";
}

// "2xx", or "none" when no answer came.
std::string ClassOf(int code) {
  return code < 100 || code > 599 ? "none" : fmt::format("{}xx", code / 100);
}

class Page {
 public:
  void Family(const std::string& name, const char* type, const char* help) {
    name_ = "paralleljob_" + name;
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name_, help, name_, type);
  }
  template <class Number>
  void Value(const std::string& labels, Number value) {
    text_ += labels.empty() ? fmt::format("{} {}\n", name_, value)
                            : fmt::format("{}{{{}}} {}\n", name_, labels, value);
  }
  std::string* text() { return &text_; }

 private:
  std::string name_;
  std::string text_;
};

void RenderJobs(const std::map<JobKey, JobStanding>& jobs, Page* page) {
  std::map<std::string, uint64_t> states;
  uint64_t done = 0;
  uint64_t failed = 0;
  for (const auto& [key, standing] : jobs) {
    ++states[standing.state.empty() ? "Finished" : standing.state];
    done += standing.mini_batches_done;
    failed += standing.mini_batches_failed;
  }
  page->Family("jobs", "gauge", "ParallelJobs by state.");
  for (const auto& [state, count] : states) page->Value("state=\"" + state + "\"", count);
  page->Family("mini_batches", "gauge", "Decided mini-batches of the known jobs.");
  page->Value("outcome=\"succeeded\"", done - std::min(done, failed));
  page->Value("outcome=\"failed\"", failed);
}

void RenderWatches(const std::map<std::string, kube::ReflectorStats>& watches, Page* page) {
  page->Family("watches_opened_total", "counter", "Watches opened, by resource.");
  for (const auto& [resource, stats] : watches) {
    page->Value("resource=\"" + resource + "\"", stats.watches);
  }
  page->Family("watch_restarts_total", "counter", "Watches and lists that failed or fell silent.");
  for (const auto& [resource, stats] : watches) {
    page->Value("resource=\"" + resource + "\"", stats.failures + stats.expired + stats.silent);
  }
  page->Family("watch_events_total", "counter", "Events received.");
  for (const auto& [resource, stats] : watches) {
    page->Value("resource=\"" + resource + "\"", stats.events);
  }
}

}  // namespace

void Histogram::Add(Nanos time) {
  const double seconds = std::chrono::duration<double>(time).count();
  const auto bucket = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  if (bucket != kBounds.end()) ++counts_[static_cast<size_t>(bucket - kBounds.begin())];
  ++count_;
  sum_ += seconds;
}

void Histogram::Render(const std::string& name, const std::string& help, std::string* out) const {
  const std::string full = "paralleljob_" + name;
  *out += fmt::format("# HELP {} {}\n# TYPE {} histogram\n", full, help, full);
  uint64_t below = 0;
  for (size_t i = 0; i < kBounds.size(); ++i) {
    below += counts_[i];
    *out += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", full, kBounds[i], below);
  }
  *out += fmt::format("{}_bucket{{le=\"+Inf\"}} {}\n{}_sum {}\n{}_count {}\n", full, count_, full,
                      sum_, full, count_);
}

void Metrics::Turned(Nanos waited, Nanos took, bool ok) {
  const std::lock_guard lock(mutex_);
  waited_.Add(waited);
  took_.Add(took);
  failed_ += ok ? 0 : 1;
}

void Metrics::Called(kube::Verb verb, const std::string& resource, int code) {
  const std::string labels = fmt::format("verb=\"{}\",resource=\"{}\",code=\"{}\"", VerbName(verb),
                                         resource, ClassOf(code));
  const std::lock_guard lock(mutex_);
  ++calls_[labels];
}

std::string Metrics::Render(const Gauges& gauges) const {
  Page page;
  page.Family("leader", "gauge", "1 while this process leads.");
  page.Value("", gauges.leading ? 1 : 0);
  page.Family("workqueue_depth", "gauge", "Jobs that wait for a turn.");
  page.Value("", gauges.queued);
  page.Family("workqueue_delayed", "gauge", "Jobs that will be looked at later.");
  page.Value("", gauges.delayed);
  RenderJobs(gauges.jobs, &page);
  RenderWatches(gauges.watches, &page);
  const std::lock_guard lock(mutex_);
  waited_.Render("reconcile_lag_seconds", "From a change to the turn.", page.text());
  took_.Render("reconcile_duration_seconds", "One turn.", page.text());
  page.Family("reconcile_errors_total", "counter", "Turns that failed and are tried again.");
  page.Value("", failed_);
  page.Family("api_requests_total", "counter", "Requests to the API server.");
  for (const auto& [labels, count] : calls_) page.Value(labels, count);
  return std::move(*page.text());
}

Result<kube::Response> CountingApi::Do(const kube::Request& request) {
  Result<kube::Response> response = api_->Do(request);
  metrics_->Called(request.verb, request.type.plural, response ? response->code : 0);
  return response;
}

Result<std::unique_ptr<kube::Watch>> CountingApi::OpenWatch(const kube::WatchRequest& request) {
  return api_->OpenWatch(request);
}

}  // namespace pj::op
