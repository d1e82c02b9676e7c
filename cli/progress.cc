#include "cli/progress.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>

#include "cli/console.h"

namespace pj::cli {

ProgressLine::ProgressLine(bool enabled, uint64_t done_at_start, Nanos start)
    : enabled_(enabled),
      terminal_(::isatty(STDERR_FILENO) == 1),
      done_at_start_(done_at_start),
      start_(start),
      next_(start + (terminal_ ? Nanos(Millis(100)) : Nanos(Seconds(2)))) {}

std::string ProgressLine::Text(const ProgressNow& now, Nanos time) const {
  const double elapsed = std::chrono::duration<double>(time - start_).count();
  const uint64_t here = now.done > done_at_start_ ? now.done - done_at_start_ : 0;
  const double rate = elapsed > 0 ? static_cast<double>(here) / elapsed : 0;
  std::string text = fmt::format("{}/{} mini-batches", now.done, now.total);
  if (here > 0) {
    text += fmt::format(" · {:.{}f}/s", rate, rate < 100 ? 1 : 0);
    if (now.done < now.total) {
      text += " · ETA " + HumanSeconds(static_cast<double>(now.total - now.done) / rate);
    }
  }
  return text + fmt::format(" · {} failed · {} retries · {}/{} slots busy", now.failed, now.retries,
                            now.slots_busy, now.slots);
}

void ProgressLine::Show(const ProgressNow& now, Nanos time) {
  if (!enabled_ || time < next_) return;
  next_ = time + (terminal_ ? Nanos(Millis(100)) : Nanos(Seconds(10)));
  Draw(Text(now, time), false);
}

void ProgressLine::End(const ProgressNow& now, Nanos time) {
  if (enabled_) Draw(Text(now, time), true);
}

void ProgressLine::Draw(const std::string& text, bool last) {
  if (!terminal_) {
    fmt::print(stderr, "{}\n", text);
    return;
  }
  fmt::print(stderr, "\r\033[K{}{}", text, last ? "\n" : "");
  std::fflush(stderr);
}

}  // namespace pj::cli
