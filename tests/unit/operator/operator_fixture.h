// A reconciler over the embedded API and a clock moved by hand; the test plays user, Job controller
// and workers.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "job/job_objects.h"
#include "kube/memory_api.h"
#include "operator/children.h"
#include "operator/kinds.h"
#include "operator/reconcile.h"

namespace pj::op {

inline constexpr char kNs[] = "team";
inline constexpr char kName[] = "score";

// A manifest that can run: code in a ConfigMap, data and rows on a claim, two workers.
inline Json SmallJob() {
  return Json::parse(R"({
    "apiVersion": "paralleljob.dev/v1alpha1", "kind": "ParallelJob",
    "metadata": {"name": "score", "namespace": "team"},
    "spec": {
      "inputs": [{"name": "data", "path": "in/files",
                  "volume": {"persistentVolumeClaim": {"claimName": "shared"}}}],
      "outputs": [{"name": "rows", "type": "uri_file", "path": "out/rows.csv",
                   "volume": {"persistentVolumeClaim": {"claimName": "shared"}}}],
      "inputData": "${{inputs.data}}",
      "miniBatchSize": 5,
      "instanceCount": 2,
      "miniBatchErrorThreshold": 1,
      "task": {"code": {"configMap": {"name": "score-code"}}, "entryScript": "score.py",
               "environment": {"image": "python:3.11"}, "appendRowTo": "${{outputs.rows}}"}}})");
}

// Counts what is asked about some types and, once it is closed, shows none of their objects.
class ClosingApi : public kube::Api {
 public:
  ClosingApi(kube::Api* api, std::vector<const kube::ResourceType*> types)
      : api_(api), types_(std::move(types)) {}
  Result<kube::Response> Do(const kube::Request& request) override {
    const bool watched = std::any_of(types_.begin(), types_.end(),
                                     [&](const auto* type) { return *type == request.type; });
    asked += watched ? 1 : 0;
    if (watched && closed && request.verb == kube::Verb::kGet) {
      return kube::Response{.code = 403, .reason = "Forbidden", .message = "no"};
    }
    return api_->Do(request);
  }
  Result<std::unique_ptr<kube::Watch>> OpenWatch(const kube::WatchRequest& request) override {
    return api_->OpenWatch(request);
  }

  int asked = 0;
  bool closed = false;

 private:
  kube::Api* api_;
  const std::vector<const kube::ResourceType*> types_;
};

class OperatorTest : public testing::Test {
 protected:
  OperatorTest() {
    clock_.Advance(Seconds(1000));
    api_ = kube::MemoryApi::Open({.uid_seed = 7, .clock = &clock_}).value();
    PutClaim("shared", {"ReadWriteMany"});
    Restart();
  }

  // The operator's process starts again: all that it remembers is gone.
  void Restart() {
    reader_ = std::make_unique<ApiReader>(api_.get());
    reconciler_ = std::make_unique<Reconciler>(
        ReconcilerOptions{.api = api_.get(), .reader = reader_.get(), .clock = &clock_});
  }

  Json Do(const kube::Request& request, int expected) {
    const kube::Response response = api_->Do(request).value();
    EXPECT_EQ(response.code, expected) << response.body;
    return Json::parse(response.body, nullptr, false);
  }

  Json Apply(const Json& job = SmallJob()) {
    Json made = Do(
        {.verb = kube::Verb::kCreate, .type = kube::ParallelJobs(), .ns = kNs, .body = job.dump()},
        201);
    objects_ = {kNs, kName, {.uid = made["metadata"]["uid"], .run = 1}};
    return made;
  }
  void Change(const std::function<void(Json&)>& change) {
    Json job = Get(kube::ParallelJobs(), kName);
    change(job);
    Put(kube::ParallelJobs(), job);
  }

  Json Get(const kube::ResourceType& type, const std::string& name) {
    return Do({.verb = kube::Verb::kGet, .type = type, .ns = kNs, .name = name}, 200);
  }
  Json List(const kube::ResourceType& type) {
    return Do({.verb = kube::Verb::kList, .type = type, .ns = kNs}, 200)["items"];
  }
  void Make(const kube::ResourceType& type, const Json& object) {
    Do({.verb = kube::Verb::kCreate, .type = type, .ns = kNs, .body = object.dump()}, 201);
  }
  void Put(const kube::ResourceType& type, const Json& object, bool status = false) {
    const kube::Verb verb = status ? kube::Verb::kUpdateStatus : kube::Verb::kUpdate;
    Do({.verb = verb,
        .type = type,
        .ns = kNs,
        .name = object["metadata"]["name"],
        .body = object.dump()},
       200);
  }
  void Delete(const kube::ResourceType& type, const std::string& name) {
    Do({.verb = kube::Verb::kDelete, .type = type, .ns = kNs, .name = name}, 200);
  }

  // One turn, which must succeed; `after`: time that passes before it.
  Nanos Turn(Nanos after = Nanos(0)) {
    clock_.Advance(after);
    const Result<Nanos> next = reconciler_->Reconcile({kNs, kName});
    EXPECT_TRUE(next) << next.error().ToString();
    return next.value_or(kNever);
  }
  // Turns until nothing is written any more.
  void Settle() {
    for (int i = 0; i < 10; ++i) {
      const uint64_t before = api_->Writes();
      Turn(Seconds(6));
      if (api_->Writes() == before) return;
    }
    ADD_FAILURE() << "the operator writes for ever";
  }

  ParallelJobView View() {
    return DecodeParallelJob(Get(kube::ParallelJobs(), kName).dump()).value();
  }
  Json Job(int generation = 0) { return Get(Jobs(), WorkerJobName(View(), generation)); }
  Json Status() { return Get(kube::ParallelJobs(), kName)["status"]; }
  // "True", "False", or "" when the condition is not there.
  std::string ConditionIs(const std::string& type) { return Condition(type).value("status", ""); }
  Json Condition(const std::string& type) {
    const Json status = Status();
    for (const Json& condition : status["conditions"]) {
      if (condition["type"] == type) return condition;
    }
    return Json::object();
  }
  ledger::Control Control() {
    const Json map = Get(kube::ConfigMaps(), objects_.Name("ctl"));
    return job::DecodeControlMap(kube::DecodeConfigMap(map.dump()).value()).value();
  }
  std::vector<std::string> EventReasons() {
    std::vector<std::string> out;
    for (const Json& event : List(Events())) out.push_back(event["reason"]);
    return out;
  }

  // --- what workers do --------------------------------------------------------------------------
  void Publish(const kube::ConfigMap& map) {
    Make(kube::ConfigMaps(), Json::parse(kube::Encode(map)));
  }
  void Plan(uint64_t mini_batches) {
    Publish(job::EncodePlan(
        objects_, {.hash = "h", .mini_batches = mini_batches, .roots = 1, .items = mini_batches}));
  }
  ledger::ShardRecord Shard(uint64_t mini_batches, uint64_t done) {
    ledger::ShardRecord shard{.job = objects_.identity, .lo = 0, .hi = mini_batches};
    shard.holder = "w-0";
    shard.horizon = shard.low_water = done;
    shard.progress = shard.counters.items_ok = done;
    return shard;
  }
  void PutShard(const ledger::ShardRecord& shard) {
    kube::ConfigMap map{.meta =
                            objects_.Meta(ledger::ShardName(kName, objects_.identity, shard.lo))};
    map.binary_data[job::kRecordKey] = ledger::EncodeShard(shard);
    const kube::Request get{
        .verb = kube::Verb::kGet, .type = kube::ConfigMaps(), .ns = kNs, .name = map.meta.name};
    if (api_->Do(get)->code == 404) return Publish(map);
    Put(kube::ConfigMaps(), Json::parse(kube::Encode(map)));
  }
  void PutLease(int ordinal, const std::string& pod_uid, const job::WorkerState& state) {
    kube::Lease lease{.meta = objects_.Meta(objects_.Name("w-" + std::to_string(ordinal)))};
    lease.meta.annotations[job::kWorkerStateNote] = job::EncodeWorkerState(state);
    lease.holder = pod_uid.empty() ? "" : pod_uid + "/1";
    lease.duration_seconds = 15;
    lease.renew_time = FormatRfc3339(clock_.Wall());
    const Json body = Json::parse(kube::Encode(lease));
    if (leases_.insert(lease.meta.name).second) return Make(kube::Leases(), body);
    Json stored = Get(kube::Leases(), lease.meta.name);
    stored["spec"] = body["spec"];
    stored["metadata"]["annotations"] = body["metadata"]["annotations"];
    Put(kube::Leases(), stored);
  }
  void PutResult(int exit_code, const std::string& reason, const std::string& message) {
    job::StoredResult result{.exit_code = exit_code};
    result.summary_json = Json{{"reason", reason},
                               {"message", message},
                               {"outputs", {{"rows", "/paralleljob/outputs/rows/rows.csv"}}}}
                              .dump();
    Publish(job::EncodeResult(objects_, result));
  }

  // --- what an admin does -----------------------------------------------------------------------
  void PutClaim(const std::string& name, const std::vector<std::string>& modes) {
    Make(VolumeClaims(), {{"apiVersion", "v1"},
                          {"kind", "PersistentVolumeClaim"},
                          {"metadata", {{"name", name}, {"namespace", kNs}}},
                          {"spec", {{"accessModes", modes}}}});
  }

  // --- what Kubernetes does ---------------------------------------------------------------------
  void PutPod(const std::string& name, const Json& status, const Json& meta = Json::object()) {
    Json pod{{"apiVersion", "v1"},
             {"kind", "Pod"},
             {"metadata", {{"name", name}, {"namespace", kNs}}},
             {"spec", {{"nodeName", "node-1"}}}};
    pod["metadata"]["labels"] = Job()["spec"]["template"]["metadata"]["labels"];
    pod["metadata"].update(meta);
    Make(Pods(), pod);
    SetPodStatus(name, status);
  }
  void SetPodStatus(const std::string& name, const Json& status) {
    Json pod = Get(Pods(), name);
    pod["status"] = status;
    Put(Pods(), pod, true);
  }
  static Json Running() {
    return Json::parse(
        R"({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})");
  }

  ManualClock clock_;
  std::unique_ptr<kube::MemoryApi> api_;
  std::unique_ptr<ApiReader> reader_;
  std::unique_ptr<Reconciler> reconciler_;
  job::JobObjects objects_;
  std::set<std::string> leases_;
};

}  // namespace pj::op
