// paralleljob-operator: turns ParallelJobs into worker pods and their outcome into status.
#include <fmt/core.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/fs.h"
#include "base/log.h"
#include "kube/http_api.h"
#include "kube/kubeconfig.h"
#include "operator/flags.h"
#include "operator/manager.h"
#include "operator/permissions.h"
#include "operator/self_check.h"

namespace {

constexpr int kExitCouldNotRun = 3;

pj::log::Level LevelOf(const std::string& name) {
  if (name == "debug") return pj::log::Level::kDebug;
  if (name == "warning") return pj::log::Level::kWarning;
  return name == "error" ? pj::log::Level::kError : pj::log::Level::kInfo;
}

// A name of this process that no other one has, after a restart neither.
std::string Identity() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return fmt::format("{}_{}_{}", host, ::getpid(),
                     pj::SystemClock().Wall().time_since_epoch().count());
}

// SIGINT and SIGTERM as something to poll; blocked before any thread exists.
pj::UniqueFd StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return pj::UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC));
}

// Never throws, unlike fmt::print: a full disk or a reader that went away ends nothing early.
int Print(const std::string& line) {
  const bool written = std::puts(line.c_str()) != EOF && std::fflush(stdout) == 0;
  return written ? EXIT_SUCCESS : kExitCouldNotRun;
}

// The process's exit code.
pj::Result<int> Check(pj::kube::Api* api, const pj::op::ManagerOptions& manager) {
  PJ_ASSIGN(const std::vector<pj::op::Finding> findings,
            pj::op::SelfCheck(api, {.watch_namespace = manager.watch_namespace,
                                    .leader_elect = manager.leader_elect,
                                    .lease_namespace = manager.lease_namespace,
                                    .kueue = manager.job.kueue}));
  int code = EXIT_SUCCESS;
  for (const pj::op::Finding& finding : findings) {
    const int said = Print(fmt::format("{}  {}{}{}", finding.good ? "ok  " : "FAIL", finding.what,
                                       finding.good ? "" : ": ", finding.why));
    code = std::max(code, finding.good ? said : EXIT_FAILURE);
  }
  return code;
}

pj::Result<int> Run(const pj::op::Flags& flags, int stop_fd) {
  PJ_ASSIGN(const pj::kube::ClientConfig config,
            pj::kube::LoadClientConfig(flags.kubeconfig, flags.context));
  PJ_ASSIGN(const auto api, pj::kube::HttpApi::Open(config));
  if (flags.check) return Check(api.get(), flags.manager);
  PJ_INFO("paralleljob-operator {} on {}", PJ_VERSION, config.server);
  PJ_TRY(pj::op::RunManager(api.get(), flags.manager, stop_fd));
  PJ_INFO("stopped");
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a watch that is stopped writes to a closed connection
  const pj::UniqueFd stop = StopSignals();
  pj::op::Flags flags;
  int exit_code = 0;
  if (!pj::op::ParseFlags(argc, argv, &flags, &exit_code)) return exit_code;
  if (flags.permissions) {
    return Print(pj::op::PermissionRules(flags.manager.job.kueue));
  }
  pj::log::Init(LevelOf(flags.log_level), flags.manager.job.log_format == "json"
                                              ? pj::log::Format::kJson
                                              : pj::log::Format::kText);
  flags.manager.identity = Identity();
  const pj::Result<int> done = Run(flags, stop.get());
  if (!done) std::fputs(fmt::format("error: {}\n", done.error().ToString()).c_str(), stderr);
  return done.value_or(kExitCouldNotRun);
}
