#include "operator/stuck.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/json.h"
#include "base/log.h"
#include "operator/kinds.h"
#include "operator/pace.h"

namespace pj::op {
namespace {

constexpr Nanos kPatience = Seconds(20);
constexpr Nanos kLongestPause = Seconds(300);
constexpr int kEvents = 100;
// Longer than the longest pause of the Job controller between two tries (10 minutes).
constexpr Nanos kRecent = Seconds(900);
constexpr size_t kAgainAndAgain = 2;

bool OwnedBy(const WorkerPodView& pod, const WorkerJobView& job) {
  return pod.meta.owner && pod.meta.owner->uid == job.meta.uid;
}

// It is to have pods that nobody has created: refused, or failed ones before their replacement.
bool LacksPods(const JobWorld& world, const WorkerJobView& job) {
  if (job.terminal || job.suspended || job.deleting) return false;
  const auto seen = std::count_if(
      world.pods.begin(), world.pods.end(),
      [&job](const WorkerPodView& pod) { return OwnedBy(pod, job) && pod.phase != "Failed"; });
  return seen < job.parallelism;
}

// It has a node, no container runs, and no container says why.
bool DoesNotStart(const WorkerPodView& pod) {
  return pod.phase == "Pending" && !pod.node.empty() && pod.trouble_reason.empty() && !pod.deletion;
}

// The UID of what is stuck; empty: nothing is.
std::string FindStuck(const JobWorld& world) {
  for (const WorkerJobView& job : world.jobs) {
    if (LacksPods(world, job)) return job.meta.uid;
  }
  for (const WorkerPodView& pod : world.pods) {
    if (DoesNotStart(pod)) return pod.meta.uid;
  }
  return {};
}

bool TellsACause(const std::string& reason) {
  static constexpr std::array<std::string_view, 4> kReasons = {
      "FailedCreate", "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"};
  return std::find(kReasons.begin(), kReasons.end(), reason) != kReasons.end();
}

std::string Text(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// The newest Event that tells a cause.
void TakeCause(const Turn& turn, const Json& events, Stuck* stuck) {
  stuck->reason.clear();
  stuck->message.clear();
  WallTime newest = turn.clock.Wall() - kRecent;
  for (const Json& event : events) {
    const std::string reason = Text(event, "reason");
    const auto at = ParseRfc3339(Text(event, "lastTimestamp"));
    if (!TellsACause(reason) || !at || *at < newest) continue;
    newest = *at;
    stuck->reason = reason;
    const auto about = event.find("involvedObject");
    const Json& object = about == event.end() ? Json::object() : *about;
    stuck->message = fmt::format("{} {}: {}", Text(object, "kind"), Text(object, "name"),
                                 Text(event, "message"));
  }
}

// Not to know the cause is no reason to fail a turn.
void Ask(Turn* turn, Stuck* stuck) {
  const Result<std::string> said = turn->writer.ListAbout(turn->job().meta.ns, stuck->uid, kEvents);
  if (!said) {
    PJ_DEBUG("why it is stuck is not known: {}", said.error().ToString());
    return;
  }
  const Result<Json> list = ParseJson(*said, "events");
  if (!list || !list->is_object()) return;
  const auto items = list->find("items");
  if (items != list->end() && items->is_array()) TakeCause(*turn, *items, stuck);
}

// The last failure of an index whose pods have failed at least twice, lately.
PodTrouble FailingAgain(const Turn& turn) {
  std::map<int64_t, size_t> failures;
  size_t all = 0;
  for (const WorkerPodView& pod : turn.world.pods) {
    if (pod.failure.empty()) continue;
    ++failures[pod.index];
    ++all;
  }
  const WorkerPodView* last = nullptr;
  for (const WorkerPodView& pod : turn.world.pods) {
    if (pod.failure.empty() || !pod.failed_at || failures[pod.index] < kAgainAndAgain) continue;
    if (turn.clock.Wall() - *pod.failed_at > kRecent) continue;
    if (last == nullptr || *pod.failed_at > *last->failed_at) last = &pod;
  }
  if (last == nullptr) return {};
  return {"WorkersFail", fmt::format("{} worker pods have failed, the last of them {}: {}", all,
                                     last->meta.name, last->failure)};
}

}  // namespace

void LookForCauses(Turn* turn) {
  std::optional<Stuck>& stuck = turn->memory.stuck;
  const std::string uid = turn->world.result ? "" : FindStuck(turn->world);
  if (uid.empty()) {
    stuck.reset();
    return;
  }
  const Nanos now = turn->now();
  if (!stuck || stuck->uid != uid) {
    stuck = Stuck{.uid = uid, .ask_at = now + kPatience, .pause = kPatience};
  }
  if (now >= stuck->ask_at && !stuck->granted) {
    stuck->ask_at = turn->event_lists.Reserve(now);
    stuck->granted = true;
  }
  if (now >= stuck->ask_at) {
    Ask(turn, &*stuck);
    stuck->pause = std::min(stuck->pause * 2, kLongestPause);
    stuck->ask_at = now + stuck->pause;
    stuck->granted = false;
  }
  turn->WakeIn(stuck->ask_at - now);
}

PodTrouble TroubleOf(const Turn& turn) {
  size_t troubled = 0;
  const WorkerPodView* first = nullptr;
  for (const WorkerPodView& pod : turn.world.pods) {
    if (pod.Ended() || pod.trouble_reason.empty()) continue;
    if (first == nullptr) first = &pod;
    ++troubled;
  }
  if (first != nullptr) {
    std::string message = fmt::format("pod {}: {}", first->meta.name, first->trouble);
    if (troubled > 1) message += fmt::format(" (and {} more pods)", troubled - 1);
    return {first->trouble_reason, std::move(message)};
  }
  if (PodTrouble failing = FailingAgain(turn); !failing.reason.empty()) return failing;
  if (turn.memory.stuck && !turn.memory.stuck->reason.empty()) {
    return {turn.memory.stuck->reason, turn.memory.stuck->message};
  }
  return {};
}

}  // namespace pj::op
