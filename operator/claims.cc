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

constexpr char kOnePodReason[] = "ClaimForOnePod";

Result<Sharing> SharingOf(const std::string& stored, const std::string& name) {
  PJ_ASSIGN(const Json claim, ParseJson(stored, name));
  const Json::json_pointer modes("/spec/accessModes");
  if (!claim.contains(modes) || !claim.at(modes).is_array()) return Sharing::kAnyNode;
  std::set<std::string> allowed;
  for (const Json& mode : claim.at(modes)) {
    if (mode.is_string()) allowed.insert(mode.get<std::string>());
  }
  if (allowed.contains("ReadWriteMany")) return Sharing::kAnyNode;
  if (allowed.contains("ReadWriteOnce")) return Sharing::kOneNode;
  return allowed.contains("ReadWriteOncePod") ? Sharing::kOnePod : Sharing::kAnyNode;
}

void Note(Sharing sharing, const std::string& name, Claims* claims) {
  claims->one_node = claims->one_node || sharing != Sharing::kAnyNode;
  if (sharing == Sharing::kOnePod && claims->one_pod.empty()) claims->one_pod = name;
}

// The work is done by the one pod that gets the claim, but nobody else would say why the others
// stay Pending.
void JudgeInstances(const Turn& turn, Claims* claims) {
  if (!claims->reason.empty() && claims->reason != kOnePodReason) return;
  claims->reason.clear();
  claims->message.clear();
  const int64_t wanted = turn.spec().instance_count.value;
  if (claims->one_pod.empty() || wanted <= 1) return;
  claims->reason = kOnePodReason;
  claims->message = fmt::format(
      "PersistentVolumeClaim {} is ReadWriteOncePod: of {} instances one gets it, the others stay "
      "Pending; set instanceCount to 1, or use a claim that is ReadWriteMany (several nodes) or "
      "ReadWriteOnce (one node)",
      claims->one_pod, wanted);
}

Status LookAt(Turn* turn, const std::string& name, Claims* claims) {
  const std::string& ns = turn->job().meta.ns;
  if (const std::optional<Sharing> sharing = turn->modes.Find(ns, name, turn->now())) {
    Note(*sharing, name, claims);
    return {};
  }
  const Result<std::string> stored = turn->writer.Get(VolumeClaims(), ns, name);
  if (stored) {
    PJ_ASSIGN(const Sharing sharing, SharingOf(*stored, name));
    turn->modes.Keep(ns, name, sharing, turn->now());
    Note(sharing, name, claims);
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

std::optional<Sharing> ClaimModes::Find(const std::string& ns, const std::string& name,
                                        Nanos now) const {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find({ns, name});
  if (found == known_.end() || now - found->second.asked > kFresh) return std::nullopt;
  return found->second.sharing;
}

void ClaimModes::Keep(const std::string& ns, const std::string& name, Sharing sharing, Nanos now) {
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kMostKnown) known_.clear();
  known_[{ns, name}] = {sharing, now};
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
  if (known && !known->missing) {
    JudgeInstances(*turn, &*known);
    return {};
  }
  if (known && turn->now() < known->asked + kAgain) {
    turn->WakeIn(known->asked + kAgain - turn->now());
    return {};
  }
  Claims claims{.asked = turn->now()};
  for (const std::string& name : ClaimsOf(turn->job())) PJ_TRY(LookAt(turn, name, &claims));
  if (claims.missing) turn->WakeIn(kAgain);
  JudgeInstances(*turn, &claims);
  known = std::move(claims);
  return {};
}

}  // namespace pj::op
