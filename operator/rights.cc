#include "operator/rights.h"

#include "base/json.h"
#include "base/log.h"
#include "operator/children.h"

namespace pj::op {
namespace {

// What a Role or a RoleBinding grants, and whom. The server may order the keys anew.
Result<nlohmann::json> Granted(const std::string& body, const std::string& name) {
  PJ_ASSIGN(const Json object, ParseJson(body, name));
  nlohmann::json granted;
  for (const char* part : {"rules", "roleRef", "subjects"}) {
    if (const auto found = object.find(part); found != object.end()) granted[part] = *found;
  }
  return granted;
}

// A roleRef cannot be changed, so neither is: what differs goes, and the agents' requests that are
// refused meanwhile are repeated.
Status Repair(Turn* turn, const Child& child) {
  const std::string& ns = turn->job().meta.ns;
  const Result<std::string> stored = turn->writer.Get(child.type, ns, child.name);
  // An operator whose own role is of an older chart does as that one did.
  if (!stored && stored.error().code == Code::kForbidden) return {};
  if (!stored) return std::unexpected(stored.error());
  PJ_ASSIGN(const nlohmann::json is, Granted(*stored, child.name));
  PJ_ASSIGN(const nlohmann::json wanted, Granted(child.body, child.name));
  if (is == wanted) return {};
  PJ_WARN("{} {} is not what workers need: making it anew", child.type.kind, child.name);
  PJ_ASSIGN(const kube::Meta meta, kube::DecodeMeta(*stored));
  PJ_TRY(turn->writer.Delete(child.type, ns, child.name, meta.uid));
  PJ_ASSIGN([[maybe_unused]] const bool made, turn->writer.Create(child.type, ns, child.body));
  return {};
}

}  // namespace

Status EnsureRights(Turn* turn) {
  for (const Child& child : Rights(turn->job())) {
    PJ_ASSIGN(const bool made, turn->writer.Create(child.type, turn->job().meta.ns, child.body));
    if (made) {
      PJ_INFO("created {} {}", child.type.kind, child.name);
    } else {
      PJ_TRY(Repair(turn, child));
    }
  }
  return {};
}

}  // namespace pj::op
