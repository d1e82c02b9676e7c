#include "cli/check_up.h"

#include <fmt/core.h>

#include <charconv>

#include "api/fields.h"
#include "api/parallel_job.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/operator_check.h"

namespace pj::cli {
namespace {

using kube::Request;
using kube::Response;
using kube::Verb;
using Outcome = Check::Outcome;

constexpr int kOldestMinor = 29;  // native sidecars
constexpr char kDefinition[] = "paralleljobs.paralleljob.dev";

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
    if (!jobs) return bad(jobs.error().ToString(), HowToInstall(cluster));
    check.outcome = Outcome::kUnsure;
    check.message = "ParallelJobs can be listed, but their definition may not be read";
    return check;
  }
  if (!found && found.error().code == Code::kNotFound) {
    return bad("this cluster does not know ParallelJobs", HowToInstall(cluster));
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
  out.push_back(CheckOperator(cluster, operator_namespace, SystemClock()));
  out.push_back(CheckPermissions(cluster));
  return out;
}

}  // namespace pj::cli
