#include "cli/job_wait.h"

#include <unistd.h>

#include "cli/print.h"
#include "cli/signals.h"

namespace pj::cli {
namespace {

constexpr Millis kLook{1000};
constexpr Nanos kLines = Seconds(10);
constexpr Nanos kUnseenPatience = Seconds(15);  // an operator that works has looked by then

class Display {
 public:
  Display() : terminal_(::isatty(STDERR_FILENO) == 1) {}

  void Show(const JobView& job, bool last) {
    const Nanos now = SystemClock().Monotonic();
    const std::string text = line_.Text(job, now);
    if (text == shown_ && !(last && terminal_)) return;
    if (terminal_) {
      PrintErr("\r\033[K{}{}", text, last ? "\n" : "");
    } else if (last || job.state != state_ || now >= next_) {
      PrintErr("{}\n", text);
      next_ = now + kLines;
    } else {
      return;
    }
    state_ = job.state;
    shown_ = text;
  }

 private:
  const bool terminal_;
  WaitLine line_;
  std::string shown_;
  std::string state_;
  Nanos next_{0};
};

}  // namespace

std::string WaitLine::Text(const JobView& job, Nanos now) {
  if (job.seen) {
    unseen_since_.reset();
  } else if (!unseen_since_) {
    unseen_since_ = now;
  }
  const bool patient = unseen_since_ && now - *unseen_since_ < kUnseenPatience;
  return patient ? job.state : ProgressText(job);
}

Result<std::optional<JobView>> WaitForJob(kube::Api* api, const std::string& ns,
                                          const std::string& name, Seconds patience) {
  StopSignals signals;
  Display display;
  Nanos reached = SystemClock().Monotonic();
  while (true) {
    const Result<JobView> job = GetJob(api, ns, name);
    const Nanos now = SystemClock().Monotonic();
    if (!job && (!job.error().Retryable() || now - reached > patience)) {
      return std::unexpected(job.error());
    }
    if (job) {
      reached = now;
      const bool over = job->Ended() || job->stalled;
      display.Show(*job, over);
      if (over) return *job;
    }
    if (signals.Wait(kLook, -1)) return std::nullopt;
  }
}

}  // namespace pj::cli
