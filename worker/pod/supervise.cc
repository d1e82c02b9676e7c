#include "worker/pod/supervise.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/log.h"
#include "job/pod_contract.h"
#include "worker/process_tree.h"

namespace pj::worker {
namespace {

constexpr int kSignalled = 128;  // + its number, as shells have it
constexpr int kCannotStart = 127;

class Supervisor {
 public:
  explicit Supervisor(const SuperviseOptions& options) : options_(options) {
    for (const std::string& word : options.argv) argv_.push_back(const_cast<char*>(word.c_str()));
    argv_.push_back(nullptr);
    sigemptyset(&signals_);
    for (const int signal : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&signals_, signal);
    // PID 1 has no default actions: a signal that is blocked waits, others would be lost.
    ::sigprocmask(SIG_BLOCK, &signals_, &before_);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  }

  int Run() {
    Nanos pause{0};
    while (true) {
      const Nanos started = SystemClock().Monotonic();
      if (!Start()) return kCannotStart;
      const int status = WaitForAgent();
      std::string how = DescribeExit(status);
      if (WIFEXITED(status)) {
        const int code = WEXITSTATUS(status);
        how = fmt::format("ended with code {}", code);
        if (code == 0 || code == job::kExitGone || asked_) return code;
      } else if (asked_) {
        return kSignalled + WTERMSIG(status);
      }
      const bool young = SystemClock().Monotonic() - started < options_.young;
      if (!young) pause = Nanos(0);
      PJ_WARN("the agent {}: a new one is started in {} ms", how,
              std::chrono::duration_cast<Millis>(pause).count());
      if (!Pause(pause)) return kSignalled + asked_.value_or(SIGTERM);
      pause = std::min(options_.longest_pause, std::max(options_.first_pause, 2 * pause));
    }
  }

 private:
  bool Start() {
    agent_ = ::fork();
    if (agent_ < 0) {
      PJ_ERROR("cannot start the agent: {}", std::strerror(errno));
      return false;
    }
    if (agent_ > 0) return true;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
    ::execv(argv_[0], argv_.data());
    PJ_ERROR("cannot start {}: {}", argv_[0], std::strerror(errno));
    ::_exit(kCannotStart);
  }

  // Reaps all; the agent's status, if it has ended.
  std::optional<int> Reap() const {
    std::optional<int> ended;
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == agent_) ended = status;
    }
    return ended;
  }

  int WaitForAgent() {
    while (true) {
      if (const std::optional<int> status = Reap()) return *status;
      const int signal = ::sigwaitinfo(&signals_, nullptr);
      if (signal == SIGTERM || signal == SIGINT) {
        asked_ = signal;
        ::kill(agent_, signal);
      }
    }
  }

  // False: asked to end meanwhile.
  bool Pause(Nanos time) {
    const Nanos end = SystemClock().Monotonic() + time;
    while (true) {
      const Nanos left = std::max(Nanos(0), end - SystemClock().Monotonic());
      const timespec wait{.tv_sec = left / Seconds(1), .tv_nsec = (left % Seconds(1)).count()};
      const int signal = ::sigtimedwait(&signals_, nullptr, &wait);
      Reap();
      if (signal == SIGTERM || signal == SIGINT) {
        asked_ = signal;
        return false;
      }
      if (signal < 0 && left == Nanos(0)) return true;
    }
  }

  const SuperviseOptions& options_;
  std::vector<char*> argv_;
  sigset_t signals_;
  sigset_t before_;
  pid_t agent_ = -1;
  std::optional<int> asked_;  // the signal
};

}  // namespace

int Supervise(const SuperviseOptions& options) { return Supervisor(options).Run(); }

}  // namespace pj::worker
