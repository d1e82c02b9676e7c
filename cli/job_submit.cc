#include "cli/job_submit.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <set>

#include "api/fields.h"
#include "api/load.h"
#include "base/json.h"
#include "cli/cluster_target.h"

namespace pj::cli {
namespace {

using kube::Request;
using kube::Response;
using kube::Verb;

// Names of the settings right below spec that may be changed later.
std::set<std::string> MutableFields() {
  constexpr std::string_view kSpec = "spec.";
  std::set<std::string> out;
  for (const api::Field& field : api::Fields()) {
    if (!field.is_mutable || !field.path.starts_with(kSpec)) continue;
    const std::string name(field.path.substr(kSpec.size()));
    if (name.find('.') == std::string::npos) out.insert(name);
  }
  return out;
}

// A stored spec as we would have written it: without defaults that the server added.
Result<nlohmann::json> SpecOf(const std::string& stored) {
  PJ_ASSIGN(const api::ParallelJob job, api::FromStoredJson(stored));
  PJ_ASSIGN(auto manifest, ParseTree(api::ToManifestJson(job), "ParallelJob " + job.name));
  return std::move(manifest["spec"]);
}

// The first setting that only deleting the job could change; empty: there is none.
std::string Difference(const nlohmann::json& ours, const nlohmann::json& theirs) {
  const std::set<std::string> changeable = MutableFields();
  for (const auto* spec : {&ours, &theirs}) {
    for (const auto& [name, value] : spec->items()) {
      if (changeable.contains(name)) continue;
      if (!ours.contains(name) || !theirs.contains(name) || ours[name] != theirs[name]) return name;
    }
  }
  return {};
}

constexpr int kAttempts = 5;

bool IsDeleting(const Json& object) {
  return PartAt(object, "metadata").contains("deletionTimestamp");
}

// True when it belongs to nobody but former jobs of that name: the garbage collector takes it away,
// and may have begun to.
bool OutlivesItsOwners(const Json& object, const kube::OwnerReference& owner) {
  const Json& owners = PartAt(PartAt(object, "metadata"), "ownerReferences");
  if (IsDeleting(object)) return true;
  return !owners.empty() && std::all_of(owners.begin(), owners.end(), [&owner](const Json& known) {
    return TextAt(known, "kind") == owner.kind && TextAt(known, "name") == owner.name &&
           TextAt(known, "uid") != owner.uid;
  });
}

// Adds it; false if it is there.
bool AddOwner(const kube::OwnerReference& owner, Json* object) {
  Json& owners = (*object)["metadata"]["ownerReferences"];
  if (!owners.is_array()) owners = Json::array();
  for (const Json& known : owners) {
    if (TextAt(known, "uid") == owner.uid) return false;
  }
  owners.push_back({{"apiVersion", owner.api_version},
                    {"kind", owner.kind},
                    {"name", owner.name},
                    {"uid", owner.uid}});
  return true;
}

class Submitter {
 public:
  Submitter(kube::Api* api, const ClusterForm& form) : api_(api), form_(form) {}

  Result<Submitted> Run() {
    const Request get{.verb = Verb::kGet,
                      .type = kube::ParallelJobs(),
                      .ns = form_.job.ns,
                      .name = form_.job.name};
    PJ_ASSIGN(const Response found, api_->Do(get));
    if (!found.ok() && found.code != 404) return std::unexpected(ErrorOf(get, found));
    if (found.ok()) PJ_TRY(CheckSame(found.body));
    for (const kube::ConfigMap& map : form_.maps) PJ_TRY(CreateMap(map, std::nullopt));
    if (!found.ok()) PJ_TRY(CreateJob());
    PJ_TRY(OwnMaps());
    if (found.ok()) PJ_TRY(ChangeMutable());
    return std::move(out_);
  }

 private:
  Status CheckSame(const std::string& stored) const {
    PJ_ASSIGN(const Json object, ParseJson(stored, "ParallelJob " + form_.job.name));
    if (IsDeleting(object)) {
      return Fail(Code::kUnavailable, "is being deleted",
                  fmt::format("job {} in namespace {}", form_.job.name, form_.job.ns),
                  fmt::format("submit again when it is gone: kubectl wait --for=delete "
                              "paralleljob/{} -n {}",
                              form_.job.name, form_.job.ns));
    }
    PJ_ASSIGN(const nlohmann::json theirs, SpecOf(stored));
    PJ_ASSIGN(const nlohmann::json ours, SpecOf(api::ToManifestJson(form_.job)));
    const std::string field = Difference(ours, theirs);
    if (field.empty()) return {};
    return Fail(Code::kAlreadyExists, fmt::format("exists with another spec.{}", field),
                fmt::format("job {} in namespace {}", form_.job.name, form_.job.ns),
                fmt::format("give this one another name (--set metadata.name=NAME), or delete the "
                            "other: kubectl delete paralleljob {} -n {}",
                            form_.job.name, form_.job.ns));
  }

  Status CreateMap(const kube::ConfigMap& map, const std::optional<kube::OwnerReference>& owner) {
    kube::ConfigMap placed = map;
    placed.meta.ns = form_.job.ns;
    placed.meta.owner = owner;
    const Request create{.verb = Verb::kCreate,
                         .type = kube::ConfigMaps(),
                         .ns = form_.job.ns,
                         .body = kube::Encode(placed)};
    PJ_ASSIGN(const Response response, api_->Do(create));
    // Its name is a hash of what it holds.
    if (response.ok() || response.reason == "AlreadyExists") return {};
    return std::unexpected(ErrorOf(create, response));
  }

  Status CreateJob() {
    const Request create{.verb = Verb::kCreate,
                         .type = kube::ParallelJobs(),
                         .ns = form_.job.ns,
                         .body = api::ToManifestJson(form_.job)};
    PJ_ASSIGN(const Response response, api_->Do(create));
    // A create whose answer was lost may have been repeated below us.
    if (response.ok() || response.reason == "AlreadyExists") return {};
    return std::unexpected(ErrorOf(create, response));
  }

  Status OwnMaps() {
    if (form_.maps.empty()) return {};
    PJ_ASSIGN(const Json job, GetObject(api_, kube::ParallelJobs(), form_.job.ns, form_.job.name));
    const kube::OwnerReference owner{.api_version = api::kApiVersion,
                                     .kind = api::kKind,
                                     .name = form_.job.name,
                                     .uid = TextAt(PartAt(job, "metadata"), "uid"),
                                     .controller = false};
    for (const kube::ConfigMap& map : form_.maps) PJ_TRY(OwnMap(map, owner));
    return {};
  }

  // A job of this name that was deleted just now takes its maps along, ours among them, whenever
  // the garbage collector comes to it: what is doomed is made anew, as the new job's.
  Status OwnMap(const kube::ConfigMap& map, const kube::OwnerReference& owner) {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      std::string doomed;  // its UID
      const Result<bool> owned = ChangeObject(api_, kube::ConfigMaps(), form_.job.ns, map.meta.name,
                                              [&](Json* object) -> Result<bool> {
                                                doomed.clear();
                                                if (!OutlivesItsOwners(*object, owner))
                                                  return AddOwner(owner, object);
                                                doomed = TextAt(PartAt(*object, "metadata"), "uid");
                                                return false;
                                              });
      if (owned && doomed.empty()) return {};
      if (!owned && owned.error().code != Code::kNotFound) return std::unexpected(owned.error());
      if (!doomed.empty()) PJ_TRY(DeleteMap(map.meta.name, doomed));
      PJ_TRY(CreateMap(map, owner));
    }
    return Fail(Code::kUnavailable, "goes again and again",
                fmt::format("ConfigMap {} in namespace {}", map.meta.name, form_.job.ns),
                "look who deletes it, then submit again");
  }

  Status DeleteMap(const std::string& name, const std::string& uid) {
    Request remove{
        .verb = Verb::kDelete, .type = kube::ConfigMaps(), .ns = form_.job.ns, .name = name};
    remove.precondition_uid = uid;
    PJ_ASSIGN(const Response response, api_->Do(remove));
    if (response.ok() || response.code == 404 || response.code == 409) return {};
    return std::unexpected(ErrorOf(remove, response));
  }

  Status ChangeMutable() {
    PJ_ASSIGN(const Json ours, ParseJson(api::ToManifestJson(form_.job)));
    out_.outcome = Submitted::Outcome::kUnchanged;
    PJ_ASSIGN(const bool changed, ChangeObject(api_, kube::ParallelJobs(), form_.job.ns,
                                               form_.job.name, [&](Json* object) -> Result<bool> {
                                                 out_.changed.clear();
                                                 for (const std::string& field : MutableFields()) {
                                                   if (!ours["spec"].contains(field)) continue;
                                                   Json& theirs = (*object)["spec"][field];
                                                   if (theirs == ours["spec"][field]) continue;
                                                   theirs = ours["spec"][field];
                                                   out_.changed.push_back(field);
                                                 }
                                                 return !out_.changed.empty();
                                               }));
    if (changed) out_.outcome = Submitted::Outcome::kUpdated;
    return {};
  }

  kube::Api* const api_;
  const ClusterForm& form_;
  Submitted out_;
};

}  // namespace

Result<Submitted> Submit(kube::Api* api, const ClusterForm& form) {
  return Submitter(api, form).Run();
}

}  // namespace pj::cli
