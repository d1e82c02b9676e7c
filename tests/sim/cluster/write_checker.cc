#include "tests/sim/cluster/write_checker.h"

#include <fmt/core.h>

#include "base/json.h"
#include "operator/children.h"
#include "operator/kinds.h"

namespace pj::sim {
namespace {

constexpr size_t kStatusBytes = 100'000;

std::string OwnerUid(const Json& object) {
  const Json& meta = object["metadata"];
  const auto owners = meta.find("ownerReferences");
  return owners == meta.end() ? std::string() : (*owners)[0].value("uid", "");
}

int64_t Counter(const Json& status, const char* key) {
  const auto counts = status.find("miniBatches");
  return counts == status.end() ? 0 : counts->value(key, int64_t{0});
}

}  // namespace

void WriteChecker::OnWrite(const SeenWrite& write) {
  if (write.response.body.size() > limits::kConfigMapBytes) {
    env_->Violate("I8: an object over its byte budget");
  }
  const kube::ResourceType& type = write.request.type;
  const bool by_operator = write.actor.starts_with("operator-");
  const bool removed = write.request.verb == kube::Verb::kDelete;
  if (by_operator && type == kube::ParallelJobs() &&
      write.request.verb != kube::Verb::kUpdateStatus) {
    env_->Violate("I12: an operator wrote more than a status");
  }
  if (removed || write.request.ns == kOperatorNs) return;
  if (const auto meta = kube::DecodeMeta(write.response.body)) CheckSuperseded(write, meta->uid);
  if (type == kube::ConfigMaps() && write.request.verb == kube::Verb::kCreate) NoteResult(write);
  if (!by_operator) return;
  if (type == op::Jobs()) CheckWorkerJob(write);
  if (type == kube::ParallelJobs()) CheckStatus(write);
  if (type == kube::ConfigMaps()) CheckControl(write);
}

// I10: no operator writes over what another one wrote since it looked.
void WriteChecker::CheckSuperseded(const SeenWrite& write, const std::string& uid) {
  Writer& last = writers_[uid];
  const auto began = facts_.turn_began(write.actor);
  const bool other = last.actor != write.actor && last.actor.starts_with("operator-");
  if (began && other && last.number > *began) {
    env_->Violate(fmt::format("I10: {} wrote {} {} over what {} had written meanwhile", write.actor,
                              write.request.type.kind, write.request.name, last.actor));
  }
  last = {write.actor, write.number};
}

void WriteChecker::NoteResult(const SeenWrite& write) {
  const Json body = Json::parse(write.response.body);
  if (!body["metadata"].value("name", "").ends_with("-result")) return;
  result_at_.try_emplace(OwnerUid(body), write.number);
}

void WriteChecker::CheckWorkerJob(const SeenWrite& write) {
  const Json body = Json::parse(write.response.body);
  const std::string uid = OwnerUid(body);
  const std::string name = body["metadata"].value("name", "");
  SimJob* job = facts_.job(uid);
  if (job == nullptr) return env_->Violate("I7: the Job " + name + " has no owner");
  const int64_t parallelism = body["spec"].value("parallelism", int64_t{0});
  const int64_t most = name.ends_with("-fin") ? 1 : facts_.most_instances(uid);
  if (parallelism > most) {
    env_->Violate(fmt::format("I7: {} asks for {} pods, and {} were wanted at most", name,
                              parallelism, most));
  }
  const bool worker = !name.ends_with("-fin");
  // Between an operator's question and its write, anything may happen; and what is made for a job
  // that is deleted goes with it.
  const auto result = result_at_.find(uid);
  const auto began = facts_.turn_began(write.actor);
  const bool knew = result != result_at_.end() && began && *began > result->second;
  if (write.request.verb == kube::Verb::kCreate && worker && knew && !job->deleted()) {
    env_->Violate("I7: the Job " + name + " was made although `result` is there");
  }
}

void WriteChecker::CheckStatus(const SeenWrite& write) {
  const Json body = Json::parse(write.response.body);
  const std::string uid = body["metadata"].value("uid", "");
  const Json& status = body["status"];
  if (status.dump().size() > kStatusBytes) env_->Violate("I8: a status over its byte budget");
  SimJob* job = facts_.job(uid);
  Standing& standing = standing_[uid];
  std::string terminal;
  for (const Json& condition : status["conditions"]) {
    const std::string type = condition.value("type", "");
    if (type != "Complete" && type != "Failed") continue;
    if (condition.value("status", "") == "True") terminal = type;
  }
  if (!standing.terminal.empty() && terminal != standing.terminal) {
    env_->Violate("I4: the job was " + standing.terminal + " and is not any more");
  }
  standing.terminal = terminal;
  const int64_t failed = Counter(status, "failed");
  const int64_t done = Counter(status, "succeeded") + failed;
  if (done < standing.done || failed < standing.failed) {
    env_->Violate(fmt::format("I4: the status counts {} done, {} failed after {} and {}", done,
                              failed, standing.done, standing.failed));
  }
  standing.done = done;
  standing.failed = failed;
  if (job == nullptr) return;
  if (done > static_cast<int64_t>(job->checker().DoneMiniBatches()) ||
      failed > static_cast<int64_t>(job->checker().FailedMiniBatches())) {
    env_->Violate(fmt::format("I10: the status of {} counts {} done, {} failed of {} and {}",
                              job->objects().identity.ShortHash(), done, failed,
                              job->checker().DoneMiniBatches(),
                              job->checker().FailedMiniBatches()));
  }
  if (!terminal.empty() && !job->ended()) env_->Violate("I4: a job is over without a `result`");
}

void WriteChecker::CheckControl(const SeenWrite& write) {
  const Result<kube::ConfigMap> map = kube::DecodeConfigMap(write.response.body);
  if (!map || !map->meta.owner || !map->meta.name.ends_with("-ctl")) return;
  const Result<ledger::Control> control = job::DecodeControlMap(*map);
  if (!control) return env_->Violate("the control record cannot be read");
  env_->time.Trace(fmt::format("control: mode {}, {} hints, {} to retract",
                               static_cast<int>(control->mode), control->hints.size(),
                               control->retract.size()));
  SimJob* job = facts_.job(map->meta.owner->uid);
  if (job == nullptr || job->deleted()) return;  // made too late: it is collected
  const bool abort = control->mode == ledger::Control::Mode::kAbort;
  Standing& standing = standing_[map->meta.owner->uid];
  if (standing.aborted && !abort) env_->Violate("I4: an abort was taken back");
  const bool news = abort && !standing.aborted;
  standing.aborted = abort;
  if (!news) return;
  const bool by_threshold = control->reason.starts_with("MiniBatchErrorThreshold") ||
                            control->reason.starts_with("ErrorThreshold");
  if (by_threshold && !job->checker().ExceedsThresholds(job->work().thresholds)) {
    env_->Violate("I5: aborted for a threshold that is not exceeded: " + control->reason);
  }
}

}  // namespace pj::sim
