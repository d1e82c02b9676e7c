#include "operator/self_check.h"

#include <fmt/core.h>

#include "base/json.h"
#include "kube/leader_election.h"
#include "kube/objects.h"
#include "operator/manager.h"
#include "operator/permissions.h"

namespace pj::op {
namespace {

const kube::ResourceType& AccessReviews() {
  static const kube::ResourceType type{"authorization.k8s.io", "v1", "selfsubjectaccessreviews",
                                       "SelfSubjectAccessReview"};
  return type;
}

std::string FullName(const Permission& permission) {
  std::string name = permission.resource;
  if (!permission.group.empty()) name += "." + permission.group;
  return permission.subresource.empty() ? name : name + "/" + permission.subresource;
}

Result<Finding> CheckVerb(kube::Api* api, const SelfCheckOptions& options,
                          const Permission& permission, const std::string& verb) {
  const Json body{{"apiVersion", AccessReviews().ApiVersion()},
                  {"kind", AccessReviews().kind},
                  {"spec",
                   {{"resourceAttributes",
                     {{"namespace", options.watch_namespace},
                      {"verb", verb},
                      {"group", permission.group},
                      {"resource", permission.resource},
                      {"subresource", permission.subresource}}}}}};
  PJ_ASSIGN(
      const kube::Response response,
      api->Do({.verb = kube::Verb::kCreate, .type = AccessReviews(), .body = DumpJson(body)}));
  Finding finding{.what = fmt::format("may {} {}", verb, FullName(permission))};
  if (!response.ok()) {
    finding.why = fmt::format("the API server refuses to say: {}", response.message);
    return finding;
  }
  PJ_ASSIGN(const Json review, ParseJson(response.body, "SelfSubjectAccessReview"));
  const auto status = review.find("status");
  finding.good = status != review.end() && status->value("allowed", false);
  if (!finding.good) finding.why = "no role grants it: install the chart's role for this account";
  return finding;
}

Result<Finding> CheckResource(kube::Api* api, const SelfCheckOptions& options) {
  Finding finding{.what = "ParallelJobs can be listed"};
  PJ_ASSIGN(const kube::Response response, api->Do({.verb = kube::Verb::kList,
                                                    .type = kube::ParallelJobs(),
                                                    .ns = options.watch_namespace,
                                                    .limit = 1}));
  finding.good = response.ok();
  if (response.code == 404) {
    finding.why = "the CustomResourceDefinition paralleljobs.paralleljob.dev is not installed";
  } else if (!finding.good) {
    finding.why = response.message;
  }
  return finding;
}

Result<Finding> CheckLeader(kube::Api* api, const SelfCheckOptions& options) {
  Finding finding{
      .what = fmt::format("a process leads (Lease {}/{})", options.lease_namespace, kLeaderLease)};
  PJ_ASSIGN(const kube::Response response, api->Do({.verb = kube::Verb::kGet,
                                                    .type = kube::Leases(),
                                                    .ns = options.lease_namespace,
                                                    .name = kLeaderLease}));
  if (!response.ok()) {
    finding.why = response.message;
    return finding;
  }
  PJ_ASSIGN(const kube::Lease lease, kube::DecodeLease(response.body));
  const std::optional<Nanos> silent = kube::SilentFor(lease, SystemClock());
  finding.good = !lease.holder.empty() && !silent;
  if (lease.holder.empty()) {
    finding.why = "nobody holds it: is a pod of the operator running?";
  } else if (silent) {
    finding.why = fmt::format("{} holds it, and has not renewed it for {} s: it is gone or hangs",
                              lease.holder, std::chrono::ceil<Seconds>(*silent).count());
  }
  return finding;
}

}  // namespace

Result<std::vector<Finding>> SelfCheck(kube::Api* api, const SelfCheckOptions& options) {
  std::vector<Finding> findings;
  PJ_ASSIGN(Finding resource, CheckResource(api, options));
  findings.push_back(std::move(resource));
  for (const Permission& permission : NeededPermissions(options.kueue)) {
    for (const std::string& verb : permission.verbs) {
      PJ_ASSIGN(Finding finding, CheckVerb(api, options, permission, verb));
      findings.push_back(std::move(finding));
    }
  }
  if (options.leader_elect) {
    PJ_ASSIGN(Finding leader, CheckLeader(api, options));
    findings.push_back(std::move(leader));
  }
  return findings;
}

}  // namespace pj::op
