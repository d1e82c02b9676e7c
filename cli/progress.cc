#include "cli/progress.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <string_view>

#include "base/words.h"
#include "cli/console.h"
#include "cli/print.h"

namespace pj::cli {

namespace {

// As much as fits into one row: a line that wraps cannot be drawn over.
std::string_view FirstRow(std::string_view text) {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) return text;
  size_t columns = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const bool begins = (static_cast<uint8_t>(text[at]) & 0xC0) != 0x80;  // a character of UTF-8
    if (begins && ++columns == size.ws_col) return text.substr(0, at);
  }
  return text;
}

}  // namespace

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
  std::string text = fmt::format("{}/{}", now.done, Count(now.total, "mini-batch"));
  if (here > 0) {
    text += fmt::format(" · {:.{}f}/s", rate, rate < 100 ? 1 : 0);
    if (now.done < now.total) {
      text += " · ETA " + HumanSeconds(static_cast<double>(now.total - now.done) / rate);
    }
  }
  text += fmt::format(" · {} failed · {}", now.failed, Count(now.retries, "retry"));
  // Before the first slot is ready, and after the last has ended, there is nothing to say of them.
  if (now.slots == 0) return text;
  return text + fmt::format(" · {}/{} busy", now.slots_busy, Count(now.slots, "slot"));
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
    PrintErr("{}\n", text);
    return;
  }
  PrintErr("\r\033[K{}{}", FirstRow(text), last ? "\n" : "");
}

}  // namespace pj::cli
