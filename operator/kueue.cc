#include "operator/kueue.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/json.h"
#include "base/log.h"
#include "operator/children.h"
#include "operator/events.h"
#include "operator/kinds.h"
#include "operator/workers.h"

namespace pj::op {
namespace {

constexpr char kJobUidLabel[] = "kueue.x-k8s.io/job-uid";
// On a Workload that we have stopped: nobody else's stop is undone.
constexpr char kStoppedNote[] = "paralleljob.dev/suspended";
constexpr Nanos kFirstPause = Seconds(5);
constexpr Nanos kLongestPause = Seconds(300);
constexpr char kNotTold[] = "QueueNotTold";
constexpr char kInactive[] = "QueueInactive";

// The Job whose pods the queue should take away, or give back; null: nothing is to be said.
const WorkerJobView* JobToTellOf(const Turn& turn, const Decision& decision) {
  if (!QueueOwnsJob(turn.job()) || turn.world.result || decision.Decided()) return nullptr;
  int generation = 0;
  const WorkerJobView* job = CurrentJob(turn.world, &generation);
  if (job == nullptr || job->terminal || job->deleting) return nullptr;
  // Kueue ends what runs without a grace of ours: running calls are finished before.
  if (decision.suspended) return Drained(turn) ? job : nullptr;
  return job->suspended ? job : nullptr;
}

struct Found {
  kube::ResourceType type;
  Json items = Json::array();
};

// The Workloads of a Job; several, when Kueue replaces one.
Result<Found> FindWorkloads(Turn* turn, const std::string& uid) {
  const std::string selector = fmt::format("{}={}", kJobUidLabel, uid);
  for (const kube::ResourceType& type : Workloads()) {
    const Result<std::string> said = turn->writer.ListLabelled(type, turn->job().meta.ns, selector);
    if (!said && said.error().code == Code::kNotFound) continue;  // not served in this version
    if (!said) return std::unexpected(said.error());
    PJ_ASSIGN(Json list, ParseJson(*said, type.plural));
    Found found{.type = type};
    if (list.is_object() && list["items"].is_array()) found.items = std::move(list["items"]);
    return found;
  }
  return Fail(Code::kNotFound, "this cluster has no Workloads of Kueue", "",
              "install Kueue, or remove the label kueue.x-k8s.io/queue-name");
}

Json& Member(Json& object, const char* key) {
  Json& member = object[key];
  if (!member.is_object()) member = Json::object();
  return member;
}

bool IsActive(const Json& spec) {
  const auto active = spec.find("active");
  return active == spec.end() || !active->is_boolean() || active->get<bool>();
}

// Whether the Workload is as wanted then: one that somebody else has stopped stays so.
Result<bool> Adjust(Turn* turn, const kube::ResourceType& type, Json workload, bool stop) {
  Json& meta = Member(workload, "metadata");
  Json& spec = Member(workload, "spec");
  Json& notes = Member(meta, "annotations");
  const bool active = IsActive(spec);
  const bool ours = notes.contains(kStoppedNote);
  if (stop ? !active : !ours) return stop || active;
  spec["active"] = !stop;
  notes.erase(kStoppedNote);
  if (stop) notes[kStoppedNote] = "true";
  workload["kind"] = type.kind;  // items of a list come without
  workload["apiVersion"] = type.ApiVersion();
  const std::string name = meta.value("name", "");
  PJ_TRY(turn->writer.Update(type, turn->job().meta.ns, name, DumpJson(workload)));
  PJ_INFO("made Kueue's Workload {} {}", name, stop ? "inactive" : "active");
  return true;
}

void Complain(Turn* turn, const char* reason, std::string message) {
  QueueWord& word = *turn->memory.queue;
  word.reason = reason;
  word.message = std::move(message);
  Tell(turn, {.warning = true,
              .reason = word.reason,
              .message = word.message,
              .key = fmt::format("{}", turn->job().generation)});
}

void NotTold(Turn* turn, const std::string& why) {
  Complain(turn, kNotTold,
           fmt::format("Kueue was not told that the job {}: {}",
                       turn->memory.queue->stop ? "is suspended" : "goes on", why));
}

void NotTold(Turn* turn, const Error& error) {
  if (error.code == Code::kNotFound) return NotTold(turn, error.ToString());
  const QueueWord& word = *turn->memory.queue;
  const bool forbidden = error.code == Code::kForbidden;
  NotTold(turn,
          fmt::format("{}{}; by hand: set spec.active of the Workload with the label {}={} to {}",
                      error.message, forbidden ? ": set kueue.enabled of the chart" : "",
                      kJobUidLabel, word.uid, !word.stop));
}

// One look at the Workload of that Job.
void Look(Turn* turn, const WorkerJobView& job) {
  QueueWord& word = *turn->memory.queue;
  const Result<Found> found = FindWorkloads(turn, word.uid);
  if (!found) return NotTold(turn, found.error());
  word.reason.clear();
  word.message.clear();
  // Without one there is nothing to stop yet, and what Kueue makes later is active.
  word.known = !word.stop || !found->items.empty();
  if (!word.known && !job.suspended) {
    return NotTold(turn, fmt::format("it has no Workload of Job {}: start Kueue, or remove the "
                                     "label kueue.x-k8s.io/queue-name",
                                     job.meta.name));
  }
  for (const Json& workload : found->items) {
    const Result<bool> as_wanted = Adjust(turn, found->type, workload, word.stop);
    if (!as_wanted) {
      word.known = false;
      const Code code = as_wanted.error().code;
      if (code == Code::kConflict || code == Code::kNotFound) continue;  // Kueue was quicker
      return NotTold(turn, as_wanted.error());
    }
    if (*as_wanted) continue;
    const std::string name = workload["metadata"].value("name", "");
    Complain(turn, kInactive,
             fmt::format("Kueue's Workload {0} is not active, and not because of spec.suspend: "
                         "kubectl patch workload {0} --type=merge -p "
                         "'{{\"spec\":{{\"active\":true}}}}'",
                         name));
  }
}

}  // namespace

bool HeldByQueue(const Turn& turn) {
  if (!QueueOwnsJob(turn.job()) || turn.world.result) return false;
  int generation = 0;
  const WorkerJobView* job = CurrentJob(turn.world, &generation);
  return job == nullptr || (job->suspended && !job->terminal);
}

void TellQueue(Turn* turn, const Decision& decision) {
  std::optional<QueueWord>& word = turn->memory.queue;
  const WorkerJobView* job = JobToTellOf(*turn, decision);
  if (job == nullptr) return word.reset();
  if (!word || word->uid != job->meta.uid || word->stop != decision.suspended) {
    word = QueueWord{.uid = job->meta.uid, .stop = decision.suspended, .pause = kFirstPause};
  }
  if (!turn->options.kueue) {
    if (!word->stop || !word->reason.empty() || job->suspended) return;
    return NotTold(turn, {Code::kForbidden, "the operator runs without --kueue", "", ""});
  }
  // An inactive Workload's Job is suspended by Kueue a moment later, and stays so.
  if (word->known && job->suspended) {
    word->pause = kFirstPause;
    return;
  }
  if (turn->now() >= word->ask_at) {
    Look(turn, *job);
    word->ask_at = turn->now() + word->pause;
    word->pause = std::min(word->pause * 2, kLongestPause);
  }
  if (!word->known || word->stop) turn->WakeIn(word->ask_at - turn->now());
}

}  // namespace pj::op
