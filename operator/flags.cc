#include "operator/flags.h"

#include <CLI/CLI.hpp>

namespace pj::op {
namespace {

constexpr int kExitBadUsage = 2;

void AddClusterFlags(CLI::App& app, Flags* flags) {
  ManagerOptions& m = flags->manager;
  app.add_option("--kubeconfig", flags->kubeconfig,
                 "files as in KUBECONFIG; without it the environment's, else the pod's account");
  app.add_option("--context", flags->context, "context of the kubeconfig; else the current one");
  app.add_option("--namespace", m.watch_namespace, "watch only this namespace; else all");
  app.add_flag("--leader-elect", m.leader_elect, "work only while holding the Lease");
  app.add_option("--lease-namespace", m.lease_namespace, "where the Lease of the leader lies")
      ->capture_default_str();
  app.add_option("--health-address", m.health_address,
                 "HOST:PORT of /healthz, /readyz and /metrics; :PORT: all addresses")
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

void AddOtherModes(CLI::App& app, Flags* flags) {
  app.add_flag("--check", flags->check,
               "say whether this account may do all that is needed, and whether a process leads; "
               "then end: 0 yes, 1 no");
  app.add_flag("--permissions", flags->permissions,
               "print what is needed as the rules of a Role, then end");
}

void AddPodFlags(CLI::App& app, Flags* flags) {
  OperatorOptions& job = flags->manager.job;
  app.add_option("--worker-image", job.worker_image, "image of agent, installer and finaliser")
      ->capture_default_str();
  app.add_option("--image-pull-policy", job.image_pull_policy,
                 "of worker pods: Always, IfNotPresent or Never; else Kubernetes' default")
      ->check(CLI::IsMember({"Always", "IfNotPresent", "Never"}));
  app.add_option(
         "--image-pull-secret", job.image_pull_secrets,
         "name of a Secret in the job's namespace with which worker pods pull images; may be "
         "given several times")
      ->expected(1);
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
  app.add_flag("--kueue", job.kueue,
               "while a job with the label kueue.x-k8s.io/queue-name is suspended, make its "
               "Workload inactive, so that Kueue gives its quota to others");
}

}  // namespace

bool ParseFlags(int argc, char** argv, Flags* flags, int* exit_code) {
  CLI::App app{"Runs ParallelJobs on a Kubernetes cluster."};
  app.set_version_flag("--version", PJ_VERSION);
  AddClusterFlags(app, flags);
  AddPodFlags(app, flags);
  AddOtherModes(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    *exit_code = app.exit(error) == 0 ? 0 : kExitBadUsage;
    return false;
  }
  flags->manager.job.drain_grace = Seconds(flags->drain_seconds);
  return true;
}

}  // namespace pj::op
