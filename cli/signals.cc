#include "cli/signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <string_view>
#include <vector>

#include "base/process.h"
#include "cli/exit_codes.h"

namespace pj::cli {
namespace {

constexpr std::array<int, 3> kStops = {SIGINT, SIGTERM, SIGHUP};

sigset_t StopSet() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kStops) sigaddset(&set, signal);
  return set;
}

struct Words {
  std::string err;
  std::string out;
};

std::atomic<const Words*> words{nullptr};
static_assert(std::atomic<const Words*>::is_always_lock_free);

void WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n <= 0) return;
    text.remove_prefix(static_cast<size_t>(n));
  }
}

// Calls only what a signal handler may.
void SayAndEnd(int /*signal*/) {
  KillRunningProcess();
  if (const Words* now = words.load()) {
    WriteAll(STDERR_FILENO, now->err);
    WriteAll(STDOUT_FILENO, now->out);
  }
  ::_exit(kExitInterrupted);
}

void Handle(void (*handler)(int)) {
  for (const int signal : kStops) {
    struct sigaction old{};
    if (::sigaction(signal, nullptr, &old) != 0 || old.sa_handler == SIG_IGN) continue;
    struct sigaction now{};
    now.sa_handler = handler;
    now.sa_mask = StopSet();
    ::sigaction(signal, &now, nullptr);
  }
}

}  // namespace

LastWords::LastWords() { Handle(SayAndEnd); }

LastWords::~LastWords() { Handle(SIG_DFL); }

void LastWords::Say(std::string err, std::string out) {
  // Kept for ever: a handler may be reading the ones before.
  static std::vector<std::unique_ptr<const Words>> all;
  all.push_back(std::make_unique<const Words>(Words{std::move(err), std::move(out)}));
  words = all.back().get();
}

StopSignals::StopSignals() {
  const sigset_t set = StopSet();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  fd_.Reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

StopSignals::~StopSignals() {
  const sigset_t set = StopSet();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

int StopSignals::Wait(Millis wait, int wake_fd) {
  std::array<pollfd, 2> fds{pollfd{fd_.get(), POLLIN, 0}, pollfd{wake_fd, POLLIN, 0}};
  ::poll(fds.data(), fds.size(), static_cast<int>(wait.count()));
  signalfd_siginfo info;
  if (::read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return 0;
  const auto signal = static_cast<int>(info.ssi_signo);
  if (signal == SIGHUP) ::signal(SIGHUP, SIG_IGN);
  return signal;
}

}  // namespace pj::cli
