// ClusterTarget: which cluster and namespace a command speaks to, and how its answers become
// errors.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "cli/commands.h"
#include "kube/http_api.h"

namespace pj::cli {

// kInvalid when what was named as a job of a cluster is a folder: a path, or that of a local run.
Status RefuseFolder(const std::string& command, const std::string& job);

struct ClusterTarget {
  std::unique_ptr<kube::HttpApi> api;
  std::string server;
  std::string ns;
};
// As kubectl: --kubeconfig, KUBECONFIG, ~/.kube/config or the pod's own account. `ns`: --namespace,
// else `preferred` (a manifest's), else the context's.
Result<ClusterTarget> OpenCluster(const ClusterOptions& options, const std::string& preferred = {});
// The same for a command about jobs that are there. Where no cluster is known, a local run may be
// meant: of `folder`, if the command takes one and the word is none.
Result<ClusterTarget> OpenJobsCluster(const ClusterOptions& options,
                                      const std::string& folder = {});

// Kinds beside those of kube/api.h.
const kube::ResourceType& Pods();
const kube::ResourceType& Jobs();
const kube::ResourceType& Deployments();
const kube::ResourceType& Definitions();    // CustomResourceDefinitions
const kube::ResourceType& AccessReviews();  // SelfSubjectAccessReviews

// What a refused request means, and what to do about it.
Error ErrorOf(const kube::Request& request, const kube::Response& response);
// The answer of a request that succeeded; else an error.
Result<kube::Response> Ask(kube::Api* api, const kube::Request& request);
// One object as JSON. kNotFound says so by its kind and name.
Result<nlohmann::ordered_json> GetObject(kube::Api* api, const kube::ResourceType& type,
                                         const std::string& ns, const std::string& name);
// All objects of a selector.
Result<std::vector<nlohmann::ordered_json>> ListObjects(kube::Api* api,
                                                        const kube::ResourceType& type,
                                                        const std::string& ns,
                                                        const std::string& selector = {});

// A member that is a text, else none; that is an object or a list, else an empty object.
std::string TextAt(const nlohmann::ordered_json& object, const char* key);
// A count; 0 where there is none, or a negative one.
uint64_t NumberAt(const nlohmann::ordered_json& object, const char* key);
const nlohmann::ordered_json& PartAt(const nlohmann::ordered_json& object, const char* key);

// Reads, changes and writes an object, again when somebody else was faster. `change` returns false
// if there is nothing to write, or an error to give up.
using ObjectChange = std::function<Result<bool>(nlohmann::ordered_json* object)>;
// True if the object was written.
Result<bool> ChangeObject(kube::Api* api, const kube::ResourceType& type, const std::string& ns,
                          const std::string& name, const ObjectChange& change);

}  // namespace pj::cli
