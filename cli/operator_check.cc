#include "cli/operator_check.h"

#include <fmt/core.h>

#include <optional>
#include <set>

#include "base/json.h"
#include "cli/operator_deployment.h"
#include "kube/leader_election.h"
#include "kube/objects.h"

namespace pj::cli {
namespace {

using Outcome = Check::Outcome;

constexpr char kLease[] = "paralleljob-operator";

struct Seen {
  std::optional<Check> good;
  std::optional<Check> bad;
  bool forbidden = false;
  std::set<std::string> elsewhere;  // namespaces of operators that work only somewhere else
};

Check Bad(std::string message, std::string way_out) {
  return {.what = "operator",
          .outcome = Outcome::kBad,
          .message = std::move(message),
          .way_out = std::move(way_out)};
}

// Nothing when an operator with this flag looks at the namespace.
std::optional<Check> OutOfScope(const ClusterTarget& cluster, const std::string& who,
                                const std::string& watched) {
  if (watched.empty() || watched == cluster.ns) return std::nullopt;
  return Bad(fmt::format("{} works only in namespace {}: jobs in {} would stay Pending", who,
                         watched, cluster.ns),
             fmt::format("use -n {}, or let it work in all namespaces: helm upgrade RELEASE "
                         "charts/paralleljob -n {} --reuse-values --set clusterScope=true",
                         watched, watched));
}

void LookAtDeployment(const ClusterTarget& cluster, const Json& deployment, Seen* seen) {
  const Json& meta = PartAt(deployment, "metadata");
  const std::string ns = TextAt(meta, "namespace");
  const std::string name = fmt::format("Deployment {} in namespace {}", TextAt(meta, "name"), ns);
  if (auto bad = OutOfScope(cluster, name, FlagOf(deployment, "--namespace="))) {
    seen->elsewhere.insert(ns);
    seen->bad = std::move(*bad);
    return;
  }
  const Json& status = PartAt(deployment, "status");
  const auto ready = status.find("readyReplicas");
  if (ready == status.end() || CheckedInt(*ready).value_or(0) < 1) {
    seen->bad = Bad(name + " has no ready pod",
                    fmt::format("kubectl describe pods -n {} -l {}", ns, kOperatorSelector));
    return;
  }
  seen->good = Check{.what = "operator", .message = name + " is ready"};
}

// "pj-operator-5d9f-x2_1_17…": the host of whoever leads is the name of its pod, if it is one.
std::string HostOf(const std::string& holder) { return holder.substr(0, holder.find('_')); }

std::string AgeOf(Nanos age) {
  const int64_t seconds = std::chrono::duration_cast<Seconds>(age).count();
  return seconds < 120 ? fmt::format("{} s", seconds) : fmt::format("{} min", seconds / 60);
}

void LookAtLease(const ClusterTarget& cluster, const kube::Lease& lease, const Clock& clock,
                 Seen* seen) {
  const auto renewed = ParseRfc3339(lease.renew_time);
  const std::string& ns = lease.meta.ns;
  if (!renewed || lease.holder.empty() || seen->elsewhere.contains(ns)) return;
  const auto gone = [&](const std::string& why) {
    if (seen->bad) return;
    seen->bad = Bad(fmt::format("no operator runs: jobs would stay Pending; the Lease {} in "
                                "namespace {} is that of {}, {}",
                                kLease, ns, lease.holder, why),
                    HowToInstall(cluster));
  };
  if (const auto silent = kube::SilentFor(lease, clock)) {
    return gone("not renewed for " + AgeOf(*silent));
  }
  const std::string host = HostOf(lease.holder);
  const auto pod = GetObject(cluster.api.get(), Pods(), ns, host);
  const bool missing = !pod && pod.error().code == Code::kNotFound;
  // One that is started by hand has the name of a machine.
  if (missing && host.find("-operator-") != std::string::npos) return gone("whose pod is gone");
  if (pod) {
    const std::string watched = FlagOfPod(*pod, "--namespace=");
    if (auto bad = OutOfScope(cluster, fmt::format("pod {}", host), watched)) {
      seen->bad = std::move(*bad);
      return;
    }
  }
  seen->good = Check{.what = "operator",
                     .message = fmt::format("{} leads (Lease in namespace {})", lease.holder, ns)};
}

// Leader Leases tell of an operator wherever it runs.
void LookAtLeases(const ClusterTarget& cluster, const std::string& ns, const Clock& clock,
                  Seen* seen) {
  kube::Request request{.verb = kube::Verb::kList, .type = kube::Leases(), .ns = ns};
  request.field_selector = fmt::format("metadata.name={}", kLease);
  const Result<kube::Response> answer = cluster.api->Do(request);
  if (answer && answer->code == 403) seen->forbidden = true;
  if (!answer || !answer->ok()) return;
  const Result<Json> list = ParseJson(answer->body);
  if (!list) return;
  for (const Json& object : PartAt(*list, "items")) {
    const Result<kube::Lease> lease = kube::DecodeLease(DumpJson(object));
    if (lease) LookAtLease(cluster, *lease, clock, seen);
  }
}

}  // namespace

std::string HowToInstall(const ClusterTarget& cluster) {
  return fmt::format(
      "in a clone of paralleljob: helm install pj charts/paralleljob --namespace {} "
      "--create-namespace --set image.repository=REGISTRY/paralleljob-operator "
      "--set workerImage.repository=REGISTRY/paralleljob-worker (docs/kubernetes.md); or ask who "
      "runs the cluster",
      cluster.ns);
}

Check CheckOperator(const ClusterTarget& cluster, const std::string& ns, const Clock& clock) {
  Seen seen;
  const auto deployments = ListObjects(cluster.api.get(), Deployments(), ns, kOperatorSelector);
  if (!deployments) {
    seen.forbidden = deployments.error().code == Code::kForbidden;
  } else {
    for (const Json& deployment : *deployments) LookAtDeployment(cluster, deployment, &seen);
  }
  if (!seen.good) LookAtLeases(cluster, ns, clock, &seen);
  if (seen.good) return *seen.good;
  if (seen.bad) return *seen.bad;
  if (seen.forbidden) {
    return {.what = "operator",
            .outcome = Outcome::kUnsure,
            .message = fmt::format("may not look for it in {}",
                                   ns.empty() ? "all namespaces" : "namespace " + ns),
            .way_out = "name its namespace: --operator-namespace NAME"};
  }
  return Bad("no operator runs: jobs would stay Pending", HowToInstall(cluster));
}

}  // namespace pj::cli
