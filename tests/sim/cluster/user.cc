#include "tests/sim/cluster/user.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/json.h"
#include "operator/kinds.h"

namespace pj::sim {
namespace {

// A manifest that can run: code in a ConfigMap, data and rows on a claim.
constexpr char kManifest[] = R"({
  "apiVersion": "paralleljob.dev/v1alpha1", "kind": "ParallelJob",
  "metadata": {"namespace": "team"},
  "spec": {
    "inputs": [{"name": "data", "path": "in/files",
                "volume": {"persistentVolumeClaim": {"claimName": "shared"}}}],
    "outputs": [{"name": "rows", "type": "uri_file", "path": "out/rows.csv",
                 "volume": {"persistentVolumeClaim": {"claimName": "shared"}}}],
    "inputData": "${{inputs.data}}",
    "miniBatchSize": 5,
    "task": {"code": {"configMap": {"name": "score-code"}}, "entryScript": "score.py",
             "environment": {"image": "python:3.11"}, "appendRowTo": "${{outputs.rows}}"}}})";

}  // namespace

void User::Begin() {
  const Json claim{{"apiVersion", "v1"},
                   {"kind", "PersistentVolumeClaim"},
                   {"metadata", {{"name", "shared"}, {"namespace", kNs}}},
                   {"spec", {{"accessModes", Json::array({"ReadWriteMany"})}}}};
  static_cast<void>(api_.Do({.verb = kube::Verb::kCreate,
                             .type = op::VolumeClaims(),
                             .ns = kNs,
                             .body = DumpJson(claim)}));
  using Poison = ClusterScenario::Poison;
  const Poison poison = env_->scenario.poison;
  if (poison != Poison::kNone) Apply(kPoisonJob);
  if (poison == Poison::kDamagedLedger) Damage();
  Apply(kMainJob);
}

void User::Apply(const std::string& name) {
  const Workload& work = env_->scenario.work;
  Json body = Json::parse(kManifest);
  body["metadata"]["name"] = name;
  Json& spec = body["spec"];
  spec["instanceCount"] = work.instances;
  spec["miniBatchErrorThreshold"] = work.thresholds.mini_batch_error_threshold;
  spec["errorThreshold"] = work.thresholds.error_threshold;
  spec["retrySettings"] = {{"maxRetries", work.shape.max_retries}};
  if (name == kPoisonJob) {
    const bool invalid = env_->scenario.poison == ClusterScenario::Poison::kInvalidSpec;
    if (invalid) spec["inputData"] = "${{inputs.nothing}}";
    spec["suspend"] = !invalid;  // its workers would find the damage, too
  }
  const auto made = api_.Do({.verb = kube::Verb::kCreate,
                             .type = kube::ParallelJobs(),
                             .ns = kNs,
                             .body = DumpJson(body)});
  if (!made || !made->ok()) return env_->Violate("the user cannot apply the job: " + made->message);
  const std::string uid = kube::DecodeMeta(made->body)->uid;
  env_->time.Trace("user applies " + name);
  jobs_.push_back(
      std::make_unique<SimJob>(env_, work, job::JobObjects{kNs, name, {.uid = uid, .run = 1}}));
  most_instances_[uid] = work.instances;
  if (name == kMainJob) main_uid_ = uid;
  suspended_ = false;
}

// Somebody edits a record of the ledger by hand.
void User::Damage() {
  const job::JobObjects& objects = jobs_.back()->objects();
  kube::ConfigMap map{.meta = objects.Meta(ledger::ShardName(objects.job, objects.identity, 0))};
  map.binary_data[job::kRecordKey] = "no record";
  static_cast<void>(api_.Do({.verb = kube::Verb::kCreate,
                             .type = kube::ConfigMaps(),
                             .ns = kNs,
                             .body = kube::Encode(map)}));
}

void User::Change(const std::string& field, int64_t number, bool is_flag) {
  if (main_uid_.empty()) return;
  const auto stored = api_.Do(
      {.verb = kube::Verb::kGet, .type = kube::ParallelJobs(), .ns = kNs, .name = kMainJob});
  if (!stored || !stored->ok()) return;
  Json body = Json::parse(stored->body);
  if (is_flag) {
    body["spec"][field] = number != 0;
  } else {
    body["spec"][field] = number;
  }
  env_->time.Trace(fmt::format("user sets {} to {}", field, number));
  static_cast<void>(api_.Do({.verb = kube::Verb::kUpdate,
                             .type = kube::ParallelJobs(),
                             .ns = kNs,
                             .name = kMainJob,
                             .body = DumpJson(body)}));
}

void User::ToggleSuspend() {
  suspended_ = !suspended_;
  Change("suspend", suspended_ ? 1 : 0, true);
}

void User::Scale() {
  const auto count = static_cast<int64_t>(env_->time.Pick(5));
  Change("instanceCount", count, false);
  most_instances_[main_uid_] = std::max(most_instances_[main_uid_], count);
}

void User::Recreate() {
  if (main_uid_.empty()) return;
  env_->time.Trace("user deletes the job");
  static_cast<void>(api_.Do(
      {.verb = kube::Verb::kDelete, .type = kube::ParallelJobs(), .ns = kNs, .name = kMainJob}));
  Main()->Delete();
  main_uid_.clear();
  env_->time.After(env_->time.Below(Seconds(3)), [this] { Apply(kMainJob); });
}

void User::DeleteJob() {
  const auto list = api_.Do({.verb = kube::Verb::kList, .type = op::Jobs(), .ns = kNs});
  const Json items = Json::parse(list->body)["items"];
  if (items.empty()) return;
  const std::string name = items[env_->time.Pick(items.size())]["metadata"]["name"];
  env_->time.Trace("user deletes the Job " + name);
  static_cast<void>(
      api_.Do({.verb = kube::Verb::kDelete, .type = op::Jobs(), .ns = kNs, .name = name}));
}

void User::Settle() {
  Change("suspend", 0, true);
  Change("instanceCount", env_->scenario.work.instances, false);
}

void User::DeleteAll() {
  for (const char* name : {kMainJob, kPoisonJob}) {
    static_cast<void>(api_.Do(
        {.verb = kube::Verb::kDelete, .type = kube::ParallelJobs(), .ns = kNs, .name = name}));
  }
  for (const auto& job : jobs_) job->Delete();
  main_uid_.clear();
}

std::optional<op::ParallelJobView> User::View(const std::string& name) {
  const auto stored =
      api_.Do({.verb = kube::Verb::kGet, .type = kube::ParallelJobs(), .ns = kNs, .name = name});
  if (!stored || !stored->ok()) return std::nullopt;
  return op::DecodeParallelJob(stored->body).value();
}

bool User::Stalled(const std::string& name) {
  const auto view = View(name);
  if (!view) return false;
  const Json status = Json::parse(view->status_json);
  return status.value("state", "") == "Stalled";
}

SimJob* User::Find(const std::string& uid) {
  for (const auto& job : jobs_) {
    if (job->objects().identity.uid == uid) return job.get();
  }
  return nullptr;
}

SimJob* User::FindRun(const std::string& short_hash) {
  for (const auto& job : jobs_) {
    if (job->objects().identity.ShortHash() == short_hash) return job.get();
  }
  return nullptr;
}

int64_t User::MostInstances(const std::string& uid) const {
  const auto found = most_instances_.find(uid);
  return found == most_instances_.end() ? 0 : found->second;
}

}  // namespace pj::sim
