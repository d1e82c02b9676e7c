#include "cli/cluster_target.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/hash.h"
#include "base/json.h"
#include "base/process.h"
#include "cli/job_dir.h"
#include "kube/kubeconfig.h"
#include "kube/patient_api.h"

namespace pj::cli {
namespace {

using kube::Request;
using kube::Response;
using kube::Verb;

constexpr int kAttempts = 10;
constexpr int kPage = 500;

std::string WayOut(const Request& request, const Response& response, Code code) {
  if (response.code == 401) return "log in again, or choose another --context";
  if (code == Code::kForbidden) {
    return "ask for this permission; `paralleljob doctor` lists what the command line needs";
  }
  // A kind that the server does not know has no Status with details of an object.
  if (response.code == 404 && request.type == kube::ParallelJobs() &&
      (request.name.empty() || response.message.find("requested resource") != std::string::npos)) {
    return "is paralleljob installed in this cluster? `paralleljob doctor` looks";
  }
  if (code == Code::kNotFound && request.type == kube::ParallelJobs()) {
    return "`paralleljob status` lists the jobs of a namespace; -n names another one";
  }
  return {};
}

const char* Singular(const Request& request) { return request.type.kind.c_str(); }

}  // namespace

Status RefuseFolder(const std::string& command, const std::string& job) {
  const Result<JobDir> dir = JobDir::At(job);
  if (!dir || (job.find('/') == std::string::npos && !dir->HasState().value_or(false))) return {};
  return Fail(Code::kInvalid, command + " is for a job of a cluster, and this is a folder", job,
              fmt::format("of a local run: paralleljob status {0}; its logs are in {0}/logs", job));
}

Result<ClusterTarget> OpenCluster(const ClusterOptions& options, const std::string& preferred) {
  PJ_ASSIGN(const kube::ClientConfig config,
            kube::LoadClientConfig(options.kubeconfig, options.context));
  ClusterTarget out;
  PJ_ASSIGN(out.api, kube::HttpApi::Open(config));
  out.server = config.server;
  out.ns = !options.ns.empty() ? options.ns : !preferred.empty() ? preferred : config.ns;
  return out;
}

Result<ClusterTarget> OpenJobsCluster(const ClusterOptions& options, const std::string& folder) {
  Result<ClusterTarget> cluster = OpenCluster(options);
  if (cluster || cluster.error().code != Code::kNotFound || !cluster.error().where.empty()) {
    return cluster;
  }
  Error error = std::move(cluster).error();
  error.hint += "; for a local run: paralleljob status DIR";
  if (!folder.empty()) {
    error.message = fmt::format("no folder {} here, and no cluster: {}", folder, error.message);
  }
  return std::unexpected(std::move(error));
}

const kube::ResourceType& Pods() {
  static const kube::ResourceType type{
      .group = "", .version = "v1", .plural = "pods", .kind = "Pod"};
  return type;
}
const kube::ResourceType& Jobs() {
  static const kube::ResourceType type{
      .group = "batch", .version = "v1", .plural = "jobs", .kind = "Job"};
  return type;
}
const kube::ResourceType& Deployments() {
  static const kube::ResourceType type{
      .group = "apps", .version = "v1", .plural = "deployments", .kind = "Deployment"};
  return type;
}
const kube::ResourceType& Definitions() {
  static const kube::ResourceType type{.group = "apiextensions.k8s.io",
                                       .version = "v1",
                                       .plural = "customresourcedefinitions",
                                       .kind = "CustomResourceDefinition"};
  return type;
}
const kube::ResourceType& AccessReviews() {
  static const kube::ResourceType type{.group = "authorization.k8s.io",
                                       .version = "v1",
                                       .plural = "selfsubjectaccessreviews",
                                       .kind = "SelfSubjectAccessReview"};
  return type;
}

Error ErrorOf(const Request& request, const Response& response) {
  Code code = Code::kInvalid;
  if (response.code == 401 || response.code == 403) code = Code::kForbidden;
  if (response.code == 404) code = Code::kNotFound;
  if (response.code == 409) {
    code = response.reason == "AlreadyExists" ? Code::kAlreadyExists : Code::kConflict;
  }
  if (response.code == 413) code = Code::kTooLarge;
  if (response.code == 429 || response.code >= 500) code = Code::kUnavailable;
  std::string said = response.message.empty() ? response.reason : response.message;
  if (said.empty()) said = fmt::format("HTTP status {}", response.code);
  const std::string where =
      request.name.empty()
          ? fmt::format("{} in namespace {}", request.type.plural, request.ns)
          : fmt::format("{} {} in namespace {}", Singular(request), request.name, request.ns);
  return {code, std::move(said), request.ns.empty() ? request.type.plural : where,
          WayOut(request, response, code)};
}

Result<Response> Ask(kube::Api* api, const Request& request) {
  kube::PatientApi patient(api, {.seed = Crc32c(request.name + request.body)});
  PJ_ASSIGN(Response response, patient.Do(request));
  if (!response.ok()) return std::unexpected(ErrorOf(request, response));
  return response;
}

Result<Json> GetObject(kube::Api* api, const kube::ResourceType& type, const std::string& ns,
                       const std::string& name) {
  PJ_ASSIGN(const Response response,
            Ask(api, {.verb = Verb::kGet, .type = type, .ns = ns, .name = name}));
  return ParseJson(response.body, type.kind + " " + name);
}

Result<std::vector<Json>> ListObjects(kube::Api* api, const kube::ResourceType& type,
                                      const std::string& ns, const std::string& selector) {
  std::vector<Json> out;
  Request request{.verb = Verb::kList, .type = type, .ns = ns};
  request.label_selector = selector;
  request.limit = kPage;
  do {
    PJ_ASSIGN(const Response response, Ask(api, request));
    PJ_ASSIGN(Json list, ParseJson(response.body, type.plural));
    if (const auto items = list.find("items"); items != list.end() && items->is_array()) {
      for (Json& item : *items) out.push_back(std::move(item));
    }
    request.continue_token.clear();
    if (const auto meta = list.find("metadata"); meta != list.end() && meta->is_object()) {
      request.continue_token = meta->value("continue", "");
    }
  } while (!request.continue_token.empty());
  return out;
}

std::string TextAt(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

uint64_t NumberAt(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return 0;
  return static_cast<uint64_t>(std::max<int64_t>(0, CheckedInt(*found).value_or(0)));
}

const Json& PartAt(const Json& object, const char* key) {
  static const Json none = Json::object();
  const auto found = object.find(key);
  return found != object.end() && found->is_structured() ? *found : none;
}

Result<bool> ChangeObject(kube::Api* api, const kube::ResourceType& type, const std::string& ns,
                          const std::string& name, const ObjectChange& change) {
  Request write{.verb = Verb::kUpdate, .type = type, .ns = ns, .name = name};
  for (int attempt = 1;; ++attempt) {
    PJ_ASSIGN(Json object, GetObject(api, type, ns, name));
    PJ_ASSIGN(const bool changed, change(&object));
    if (!changed) return false;
    write.body = DumpJson(object);
    PJ_ASSIGN(const Response response, api->Do(write));
    if (response.ok()) return true;
    if (response.code != 409 || attempt == kAttempts) {
      return std::unexpected(ErrorOf(write, response));
    }
  }
}

}  // namespace pj::cli
