#include "operator/claims.h"

#include <fmt/core.h>

#include <set>

#include "base/json.h"
#include "operator/kinds.h"
#include "operator/pod_volumes.h"

namespace pj::op {
namespace {

constexpr Nanos kAgain = Seconds(5);
constexpr Nanos kFresh = Seconds(30);  // another claim may have taken the name since
constexpr size_t kMostKnown = 1000;

// True for a claim that one node at a time may mount.
Result<bool> OneNode(const std::string& stored, const std::string& name) {
  PJ_ASSIGN(const Json claim, ParseJson(stored, name));
  const Json::json_pointer modes("/spec/accessModes");
  if (!claim.contains(modes) || !claim.at(modes).is_array()) return false;
  std::set<std::string> allowed;
  for (const Json& mode : claim.at(modes)) {
    if (mode.is_string()) allowed.insert(mode.get<std::string>());
  }
  const bool once = allowed.contains("ReadWriteOnce") || allowed.contains("ReadWriteOncePod");
  return once && !allowed.contains("ReadWriteMany");
}

Status LookAt(Turn* turn, const std::string& name, Claims* claims) {
  const std::string& ns = turn->job().meta.ns;
  if (const std::optional<bool> one_node = turn->modes.Find(ns, name, turn->now())) {
    claims->one_node = claims->one_node || *one_node;
    return {};
  }
  const Result<std::string> stored = turn->writer.Get(VolumeClaims(), ns, name);
  if (stored) {
    PJ_ASSIGN(const bool one_node, OneNode(*stored, name));
    turn->modes.Keep(ns, name, one_node, turn->now());
    claims->one_node = claims->one_node || one_node;
    return {};
  }
  if (stored.error().code == Code::kNotFound) {
    claims->missing = true;
    claims->reason = "ClaimNotFound";
    claims->message =
        fmt::format("there is no PersistentVolumeClaim {}: the pods wait for it", name);
    return {};
  }
  if (stored.error().code != Code::kForbidden) return std::unexpected(stored.error());
  if (claims->missing) return {};
  claims->reason = "ClaimUnreadable";
  claims->message = fmt::format(
      "the operator may not read PersistentVolumeClaim {}: if it is ReadWriteOnce, give the pods "
      "one node by podTemplate.affinity, or the operator the right to get persistentvolumeclaims",
      name);
  return {};
}

}  // namespace

std::optional<bool> ClaimModes::Find(const std::string& ns, const std::string& name,
                                     Nanos now) const {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find({ns, name});
  if (found == known_.end() || now - found->second.asked > kFresh) return std::nullopt;
  return found->second.one_node;
}

void ClaimModes::Keep(const std::string& ns, const std::string& name, bool one_node, Nanos now) {
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kMostKnown) known_.clear();
  known_[{ns, name}] = {one_node, now};
}

std::vector<std::string> ClaimsOf(const ParallelJobView& job) {
  std::set<std::string> names;
  const Result<Json> volumes = ParseJson(VolumesOf(job).volumes);
  if (!volumes || !volumes->is_array()) return {};
  for (const Json& volume : *volumes) {
    const auto source = volume.find("persistentVolumeClaim");
    if (source != volume.end()) names.insert(source->value("claimName", ""));
  }
  return {names.begin(), names.end()};
}

Status LookAtClaims(Turn* turn) {
  std::optional<Claims>& known = turn->memory.claims;
  if (known && !known->missing) return {};
  if (known && turn->now() < known->asked + kAgain) {
    turn->WakeIn(known->asked + kAgain - turn->now());
    return {};
  }
  Claims claims{.asked = turn->now()};
  for (const std::string& name : ClaimsOf(turn->job())) PJ_TRY(LookAt(turn, name, &claims));
  if (claims.missing) turn->WakeIn(kAgain);
  known = std::move(claims);
  return {};
}

}  // namespace pj::op
