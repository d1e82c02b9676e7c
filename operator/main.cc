// paralleljob-operator: turns ParallelJobs into worker pods and their outcome into status.
#include <fmt/core.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/fs.h"
#include "base/log.h"
#include "kube/http_api.h"
#include "kube/kubeconfig.h"
#include "operator/manager.h"

namespace {

constexpr int kExitBadUsage = 2;
constexpr int kExitCouldNotRun = 3;

struct Flags {
  pj::op::ManagerOptions manager;
  std::string kubeconfig;
  std::string context;
  std::string log_level = "info";
  int64_t drain_seconds = 40;
};

void AddClusterFlags(CLI::App& app, Flags* flags) {
  pj::op::ManagerOptions& m = flags->manager;
  app.add_option("--kubeconfig", flags->kubeconfig,
                 "files as in KUBECONFIG; without it the environment's, else the pod's account");
  app.add_option("--context", flags->context, "context of the kubeconfig; else the current one");
  app.add_option("--namespace", m.watch_namespace, "watch only this namespace; else all");
  app.add_flag("--leader-elect", m.leader_elect, "work only while holding the Lease");
  app.add_option("--lease-namespace", m.lease_namespace, "where the Lease of the leader lies")
      ->capture_default_str();
  app.add_option("--health-address", m.health_address,
                 "HOST:PORT of /healthz, /readyz and /metrics")
      ->capture_default_str();
  app.add_option("--workers", m.workers, "jobs that are reconciled at a time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--log-level", flags->log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.add_option("--log-format", m.job.log_format, "text, or json: one object a line; also of pods")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

void AddPodFlags(CLI::App& app, Flags* flags) {
  pj::op::OperatorOptions& job = flags->manager.job;
  app.add_option("--worker-image", job.worker_image, "image of agent, installer and finaliser")
      ->capture_default_str();
  app.add_option("--image-pull-policy", job.image_pull_policy,
                 "of worker pods: Always, IfNotPresent or Never; else Kubernetes' default")
      ->check(CLI::IsMember({"Always", "IfNotPresent", "Never"}));
  app.add_option("--run-as-user", job.run_as_user, "user and group of worker pods")
      ->capture_default_str();
  app.add_option("--fs-group", job.fs_group, "group of their volumes")->capture_default_str();
  app.add_option("--toleration-seconds", job.toleration_seconds,
                 "how long a node may be unreachable before its workers are replaced")
      ->capture_default_str();
  app.add_option("--agent-cpu", job.agent_cpu, "CPU that an agent asks for")->capture_default_str();
  app.add_option("--agent-memory", job.agent_memory, "memory that an agent asks for")
      ->capture_default_str();
  app.add_option("--agent-memory-limit", job.agent_memory_limit, "memory that an agent may use")
      ->capture_default_str();
  app.add_option("--cluster-writes", job.cluster_writes_per_second,
                 "writes a second of all agents together: more pods write less often")
      ->check(CLI::Range(1.0, 1e6))
      ->capture_default_str();
  app.add_option("--status-writes", job.status_writes_per_second,
                 "status writes a second of all jobs together")
      ->check(CLI::Range(1.0, 1e6))
      ->capture_default_str();
  app.add_option("--drain-seconds", flags->drain_seconds,
                 "how long a suspended job's workers may finish running calls")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
}

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

pj::Status Run(const Flags& flags, int stop_fd) {
  PJ_ASSIGN(const pj::kube::ClientConfig config,
            pj::kube::LoadClientConfig(flags.kubeconfig, flags.context));
  PJ_ASSIGN(const auto api, pj::kube::HttpApi::Open(config));
  PJ_INFO("paralleljob-operator {} on {}", PJ_VERSION, config.server);
  PJ_TRY(pj::op::RunManager(api.get(), flags.manager, stop_fd));
  PJ_INFO("stopped");
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a watch that is stopped writes to a closed connection
  const pj::UniqueFd stop = StopSignals();
  CLI::App app{"Runs ParallelJobs on a Kubernetes cluster."};
  app.set_version_flag("--version", PJ_VERSION);
  Flags flags;
  AddClusterFlags(app, &flags);
  AddPodFlags(app, &flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitBadUsage;
  }
  pj::log::Init(LevelOf(flags.log_level), flags.manager.job.log_format == "json"
                                              ? pj::log::Format::kJson
                                              : pj::log::Format::kText);
  flags.manager.job.drain_grace = pj::Seconds(flags.drain_seconds);
  flags.manager.identity = Identity();
  if (const pj::Status done = Run(flags, stop.get()); !done) {
    fmt::print(stderr, "error: {}\n", done.error().ToString());
    return kExitCouldNotRun;
  }
  return EXIT_SUCCESS;
}
