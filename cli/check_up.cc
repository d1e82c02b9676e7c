#include "cli/check_up.h"

#include <fmt/core.h>

#include <charconv>
#include <optional>

#include "api/fields.h"
#include "api/parallel_job.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/operator_deployment.h"
#include "kube/objects.h"

namespace pj::cli {
namespace {

using kube::Request;
using kube::Response;
using kube::Verb;
using Outcome = Check::Outcome;

constexpr int kOldestMinor = 29;  // native sidecars
constexpr Seconds kLeaseAge{60};  // renewed every two seconds or so
constexpr char kLease[] = "paralleljob-operator";
constexpr char kDefinition[] = "paralleljobs.paralleljob.dev";

// With what docs/kubernetes.md says of the images. An operator works in its own namespace.
std::string Install(const ClusterTarget& cluster) {
  return fmt::format(
      "in a clone of paralleljob: helm install pj charts/paralleljob --namespace {} "
      "--create-namespace --set image.repository=REGISTRY/paralleljob-operator "
      "--set workerImage.repository=REGISTRY/paralleljob-worker (docs/kubernetes.md); or ask who "
      "runs the cluster",
      cluster.ns);
}

Check CheckCluster(const ClusterTarget& cluster) {
  Check check{.what = "cluster"};
  const Result<Response> answer = cluster.api->GetRaw({.path = "/version"});
  if (!answer || !answer->ok()) {
    check.outcome = Outcome::kBad;
    check.message =
        answer ? fmt::format("{} answers with {} {}", cluster.server, answer->code, answer->message)
               : fmt::format("{}: {}", cluster.server, answer.error().message);
    check.way_out = "is it the right one? --context and --kubeconfig choose another";
    return check;
  }
  const Result<Json> version = ParseJson(answer->body);
  const std::string minor = version ? TextAt(*version, "minor") : "";
  int number = 0;
  std::from_chars(minor.data(), minor.data() + minor.size(), number);
  check.message = fmt::format("Kubernetes {} at {}", version ? TextAt(*version, "gitVersion") : "?",
                              cluster.server);
  if (number < kOldestMinor) {
    check.outcome = Outcome::kBad;
    check.message += fmt::format(": worker pods need 1.{} or later", kOldestMinor);
    check.way_out = "upgrade the cluster";
  }
  return check;
}

// Fields of the spec that the cluster's definition does not know.
std::string MissingFields(const Json& version) {
  const Json& schema = PartAt(PartAt(version, "schema"), "openAPIV3Schema");
  const Json& known = PartAt(PartAt(PartAt(schema, "properties"), "spec"), "properties");
  std::string out;
  for (const std::string_view name : api::ChildKeys("spec")) {
    const api::Field* field = api::FindField(fmt::format("spec.{}", name));
    if (field == nullptr || field->later || name.ends_with("[]")) continue;
    if (!known.contains(name)) out += fmt::format("{}spec.{}", out.empty() ? "" : ", ", name);
  }
  return out;
}

Check CheckDefinition(const ClusterTarget& cluster) {
  Check check{.what = "definition"};
  const auto bad = [&](std::string message, std::string way_out) {
    check.outcome = Outcome::kBad;
    check.message = std::move(message);
    check.way_out = std::move(way_out);
    return check;
  };
  const Result<Json> found = GetObject(cluster.api.get(), Definitions(), "", kDefinition);
  if (!found && found.error().code == Code::kForbidden) {
    const auto jobs = ListObjects(cluster.api.get(), kube::ParallelJobs(), cluster.ns);
    if (!jobs) return bad(jobs.error().ToString(), Install(cluster));
    check.outcome = Outcome::kUnsure;
    check.message = "ParallelJobs can be listed, but their definition may not be read";
    return check;
  }
  if (!found && found.error().code == Code::kNotFound) {
    return bad("this cluster does not know ParallelJobs", Install(cluster));
  }
  if (!found) return bad(found.error().ToString(), "");
  const std::string wanted = std::string(api::kApiVersion).substr(sizeof("paralleljob.dev/") - 1);
  for (const Json& version : PartAt(PartAt(*found, "spec"), "versions")) {
    if (TextAt(version, "name") != wanted || !version.value("served", false)) continue;
    check.message = fmt::format("{} is served", api::kApiVersion);
    if (const std::string missing = MissingFields(version); !missing.empty()) {
      check.outcome = Outcome::kUnsure;
      check.message += ", but is older than this program: it lacks " + missing;
      check.way_out = "upgrade the chart";
    }
    return check;
  }
  return bad(fmt::format("the cluster does not serve {}", api::kApiVersion), "upgrade the chart");
}

// Leader Leases tell of an operator wherever it runs.
std::optional<Check> CheckLease(const ClusterTarget& cluster, const std::string& ns,
                                bool* forbidden) {
  Request request{.verb = Verb::kList, .type = kube::Leases(), .ns = ns};
  request.field_selector = fmt::format("metadata.name={}", kLease);
  const Result<Response> answer = cluster.api->Do(request);
  if (answer && answer->code == 403) *forbidden = true;
  if (!answer || !answer->ok()) return std::nullopt;
  const Result<Json> list = ParseJson(answer->body);
  if (!list) return std::nullopt;
  for (const Json& object : PartAt(*list, "items")) {
    const Result<kube::Lease> lease = kube::DecodeLease(DumpJson(object));
    const auto renewed = lease ? ParseRfc3339(lease->renew_time) : std::nullopt;
    if (!renewed || lease->holder.empty()) continue;
    const auto age = SystemClock().Wall() - *renewed;
    if (age > kLeaseAge) continue;
    return Check{
        .what = "operator",
        .message = fmt::format("{} leads (Lease in namespace {})", lease->holder, lease->meta.ns)};
  }
  return std::nullopt;
}

std::optional<Check> CheckDeployment(const ClusterTarget& cluster, const std::string& ns,
                                     bool* forbidden) {
  const auto found = ListObjects(cluster.api.get(), Deployments(), ns, kOperatorSelector);
  if (!found && found.error().code == Code::kForbidden) *forbidden = true;
  if (!found || found->empty()) return std::nullopt;
  Check check{.what = "operator", .outcome = Outcome::kBad};
  for (const Json& deployment : *found) {
    const Json& meta = PartAt(deployment, "metadata");
    const std::string name = fmt::format("Deployment {} in namespace {}", TextAt(meta, "name"),
                                         TextAt(meta, "namespace"));
    const Json& status = PartAt(deployment, "status");
    const auto ready = status.find("readyReplicas");
    if (ready == status.end() || CheckedInt(*ready).value_or(0) < 1) {
      check.message = name + " has no ready pod";
      check.way_out = fmt::format("kubectl describe pods -n {} -l {}", TextAt(meta, "namespace"),
                                  kOperatorSelector);
      continue;
    }
    if (const std::string watched = FlagOf(deployment, "--namespace=");
        !watched.empty() && watched != cluster.ns) {
      check.message = fmt::format("{} watches namespace {}, not {}", name, watched, cluster.ns);
      check.way_out = fmt::format("use -n {}, or install one for this namespace", watched);
      continue;
    }
    return Check{.what = "operator", .message = name + " is ready"};
  }
  return check;
}

Check CheckOperator(const ClusterTarget& cluster, const std::string& ns) {
  bool forbidden = false;
  const std::optional<Check> deployment = CheckDeployment(cluster, ns, &forbidden);
  if (deployment && deployment->outcome == Outcome::kGood) return *deployment;
  if (const std::optional<Check> lease = CheckLease(cluster, ns, &forbidden)) return *lease;
  if (deployment) return *deployment;
  if (forbidden) {
    return {.what = "operator",
            .outcome = Outcome::kUnsure,
            .message = fmt::format("may not look for it in {}",
                                   ns.empty() ? "all namespaces" : "namespace " + ns),
            .way_out = "name its namespace: --operator-namespace NAME"};
  }
  return {.what = "operator",
          .outcome = Outcome::kBad,
          .message = "no operator runs: jobs would stay Pending",
          .way_out = Install(cluster)};
}

struct Permission {
  const kube::ResourceType* type;
  const char* subresource;
  const char* verb;
  const char* needed_by;
};

Check CheckPermissions(const ClusterTarget& cluster) {
  const kube::ResourceType& jobs = kube::ParallelJobs();
  const Permission needed[] = {
      {&jobs, "", "get", "status"},
      {&jobs, "", "list", "status"},
      {&jobs, "", "create", "submit"},
      {&jobs, "", "update", "suspend, resume, scale, cancel"},
      {&kube::ConfigMaps(), "", "get", "submit"},
      {&kube::ConfigMaps(), "", "create", "submit"},
      {&kube::ConfigMaps(), "", "update", "submit"},
      {&Pods(), "", "list", "logs, top"},
      {&Pods(), "log", "get", "logs"},
      {&kube::Leases(), "", "list", "top"},
      {&Jobs(), "", "list", "fetch"},
      {&Pods(), "", "get", "fetch"},
      {&Pods(), "", "create", "fetch"},
      {&Pods(), "", "delete", "fetch"},
      {&Pods(), "proxy", "get", "fetch"},
  };
  Check check{.what = "permissions"};
  for (const Permission& one : needed) {
    Json attributes{{"namespace", cluster.ns},
                    {"verb", one.verb},
                    {"group", one.type->group},
                    {"resource", one.type->plural}};
    if (*one.subresource != '\0') attributes["subresource"] = one.subresource;
    const Json review{{"apiVersion", AccessReviews().ApiVersion()},
                      {"kind", AccessReviews().kind},
                      {"spec", {{"resourceAttributes", attributes}}}};
    const Result<Response> answer =
        Ask(cluster.api.get(),
            {.verb = Verb::kCreate, .type = AccessReviews(), .ns = "", .body = DumpJson(review)});
    const Result<Json> told = answer ? ParseJson(answer->body) : std::unexpected(answer.error());
    if (!told) {
      return {.what = "permissions",
              .outcome = Outcome::kUnsure,
              .message = told.error().ToString(),
              .way_out = ""};
    }
    const Json& status = PartAt(*told, "status");
    if (const auto allowed = status.find("allowed"); allowed != status.end() && *allowed == true) {
      continue;
    }
    check.outcome = Outcome::kBad;
    check.message += fmt::format("{}{} {}{}{} (for {})", check.message.empty() ? "missing: " : "; ",
                                 one.verb, one.type->plural, *one.subresource == '\0' ? "" : "/",
                                 one.subresource, one.needed_by);
  }
  if (check.outcome == Outcome::kGood) {
    check.message = fmt::format("all that the commands need in namespace {}", cluster.ns);
  } else {
    check.way_out = fmt::format("ask for a Role with them in namespace {}", cluster.ns);
  }
  return check;
}

}  // namespace

std::vector<Check> CheckUp(const ClusterTarget& cluster, const std::string& operator_namespace) {
  std::vector<Check> out = {CheckCluster(cluster)};
  if (out[0].outcome == Outcome::kBad) return out;
  out.push_back(CheckDefinition(cluster));
  out.push_back(CheckOperator(cluster, operator_namespace));
  out.push_back(CheckPermissions(cluster));
  return out;
}

}  // namespace pj::cli
