#include "pod_world.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <poll.h>

#include "base/fs.h"
#include "kube/objects.h"
#include "ledger/record.h"
#include "operator/children.h"
#include "operator/kinds.h"

namespace pj::worker {
namespace {

void WriteText(const std::string& path, const std::string& text) {
  EXPECT_TRUE(WriteFileAtomic(path, text)) << path;
}

Json Claim(const std::string& path) {
  return {{"path", path}, {"volume", {{"persistentVolumeClaim", {{"claimName", "shared"}}}}}};
}

Json Manifest(const Json& more) {
  Json input = Claim("in");
  input["name"] = "data";
  Json output = Claim("out/rows.txt");
  output["name"] = "rows";
  output["type"] = "uri_file";
  const Json task{{"code", {{"configMap", {{"name", "code"}}}}},
                  {"entryScript", "entry.py"},
                  {"environment", {{"image", "python:3.11"}}},
                  {"appendRowTo", "${{outputs.rows}}"}};
  Json spec{{"inputs", Json::array({input})},
            {"outputs", Json::array({output})},
            {"inputData", "${{inputs.data}}"},
            {"miniBatchSize", 1},
            {"instanceCount", 2},
            {"maxConcurrencyPerInstance", 1},
            {"task", task}};
  spec.update(more);
  return {{"apiVersion", "paralleljob.dev/v1alpha1"},
          {"kind", "ParallelJob"},
          {"metadata", {{"name", kName}, {"namespace", kNs}}},
          {"spec", spec}};
}

std::string PodName(int ordinal) { return fmt::format("pod-{}", ordinal); }

void Pause() { ::poll(nullptr, 0, 5); }

}  // namespace

PodWorld::PodWorld(int files, const std::string& script, const Json& more) {
  guardian_ = Guardian::Start().value();
  api_ = kube::MemoryApi::Open({}).value();
  reader_ = std::make_unique<op::ApiReader>(api_.get());
  for (const char* folder : {"inputs/data", "code", "outputs", "work"}) {
    EXPECT_TRUE(MakeDirs(dir_ + "/" + folder));
  }
  for (int i = 0; i < files; ++i) {
    WriteText(fmt::format("{}/inputs/data/{:03}.txt", dir_, i), fmt::format("{}", i));
  }
  WriteText(dir_ + "/code/entry.py", script);
  Apply(more);
}

PodWorld::~PodWorld() {
  for (auto& [ordinal, running] : agents_) {
    if (running.code == -2) running.agent->Stop();
  }
  agents_.clear();  // joins them
  operator_ = {};
  guardian_.reset();
}

kube::Response PodWorld::Do(const kube::Request& request) {
  Result<kube::Response> response = api_->Do(request);
  EXPECT_TRUE(response && response->ok()) << (response ? response->body : "lost");
  return response.value_or(kube::Response{});
}

Json PodWorld::Get(const kube::ResourceType& type, const std::string& name) {
  const kube::Response response =
      Do({.verb = kube::Verb::kGet, .type = type, .ns = kNs, .name = name});
  return Json::parse(response.body, nullptr, false);
}

void PodWorld::Apply(const Json& more) {
  const kube::Response made = Do({.verb = kube::Verb::kCreate,
                                  .type = kube::ParallelJobs(),
                                  .ns = kNs,
                                  .body = Manifest(more).dump()});
  objects_ = {kNs, kName, {.uid = kube::DecodeMeta(made.body).value().uid, .run = 1}};
}

void PodWorld::PatchSpec(const Json& changes) {
  // As `kubectl patch`: it conflicts with nobody, though the operator writes the status meanwhile.
  Result<kube::Response> done;
  do {
    Json job = Get(kube::ParallelJobs(), kName);
    job["spec"].update(changes);
    done = api_->Do({.verb = kube::Verb::kUpdate,
                     .type = kube::ParallelJobs(),
                     .ns = kNs,
                     .name = kName,
                     .body = job.dump()});
  } while (done && done->code == 409);
  EXPECT_TRUE(done && done->ok());
}

void PodWorld::DeleteJob() {
  Do({.verb = kube::Verb::kDelete, .type = kube::ParallelJobs(), .ns = kNs, .name = kName});
}

void PodWorld::StartOperator() {
  op::ReconcilerOptions options{.api = api_.get(), .reader = reader_.get()};
  options.job.status_interval = Millis(20);
  options.job.tick = Seconds(1);
  options.job.status_writes_per_second = 1e6;
  reconciler_ = std::make_unique<op::Reconciler>(options);
  operator_ = std::jthread([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      static_cast<void>(reconciler_->Reconcile({kNs, kName}));
      Pause();
    }
  });
  WaitUntil("the job's children", [this] {
    const Result<std::optional<ledger::Control>> control = store().LoadControl();
    return control && *control && !State().empty();
  });
}

PodFolders PodWorld::FoldersOf(int ordinal) const {
  const std::string pod = fmt::format("{}/{}", dir_, PodName(ordinal));
  PodFolders folders;
  folders.run = pod + "/run";
  folders.tmp = pod + "/tmp";
  folders.manifest = pod + "/job.json";
  folders.code = dir_ + "/code";
  folders.inputs = dir_ + "/inputs";
  folders.outputs = dir_ + "/outputs";
  folders.segments = dir_ + "/work/segments";
  folders.logs = dir_ + "/work/logs";
  folders.plans = dir_ + "/work/plans";
  return folders;
}

void PodWorld::LayOutManifest(const std::string& file) {
  const Json map = Get(kube::ConfigMaps(), objects_.Name("job"));
  WriteText(file, map["data"]["job.json"].get<std::string>());
}

void PodWorld::TellPod(int ordinal, const std::string& phase) {
  const std::string name = PodName(ordinal);
  const kube::Request get{.verb = kube::Verb::kGet, .type = op::Pods(), .ns = kNs, .name = name};
  if (api_->Do(get)->code == 404) {
    const Json labels = {{job::kJobLabel, kName}, {job::kRunLabel, objects_.identity.ShortHash()}};
    const Json pod{{"apiVersion", "v1"},
                   {"kind", "Pod"},
                   {"metadata", {{"name", name}, {"namespace", kNs}, {"labels", labels}}},
                   {"spec", {{"nodeName", "node-1"}}}};
    Do({.verb = kube::Verb::kCreate, .type = op::Pods(), .ns = kNs, .body = pod.dump()});
  }
  Json pod = Get(op::Pods(), name);
  pod["status"] = {{"phase", phase}};
  Do({.verb = kube::Verb::kUpdateStatus,
      .type = op::Pods(),
      .ns = kNs,
      .name = name,
      .body = pod.dump()});
}

void PodWorld::StartAgent(int ordinal) {
  TellPod(ordinal, "Running");
  PodAgentOptions options;
  options.folders = FoldersOf(ordinal);
  EXPECT_TRUE(MakeDirs(options.folders.run + "/slots") && MakeDirs(options.folders.tmp));
  LayOutManifest(options.folders.manifest);
  options.config = {.objects = objects_,
                    .ordinal = static_cast<uint32_t>(ordinal),
                    .pod_name = PodName(ordinal),
                    .pod_uid = fmt::format("uid-{}", ordinal)};
  options.api = api_.get();
  options.grace = grace_;
  options.overview_interval = Millis(100);
  options.slots = {.guardian = guardian_.get(),
                   .python = "/usr/bin/python3",
                   .runtime_dir = PJ_RUNTIME_DIR,
                   .scratch_dir = options.folders.run + "/slots",
                   .env = {{"PATH", "/usr/local/bin:/usr/bin:/bin"}, {"LANG", "C.UTF-8"}}};
  Running& running = agents_[ordinal];
  running.thread = {};
  running.code = -2;
  running.agent = PodAgent::Create(std::move(options));
  running.thread = std::jthread([&running] {
    const Result<int> code = running.agent->Run();
    if (!code) ADD_FAILURE() << code.error().ToString();
    running.code = code.value_or(-1);
  });
}

int PodWorld::Join(int ordinal) {
  Running& running = agents_.at(ordinal);
  running.thread = {};
  TellPod(ordinal, running.code == 0 ? "Succeeded" : "Failed");
  return running.code;
}

void PodWorld::WaitUntil(const char* what, const std::function<bool()>& done) {
  const Nanos deadline = SystemClock().Monotonic() + Seconds(60);
  while (!done()) {
    if (SystemClock().Monotonic() > deadline) {
      ADD_FAILURE() << what << " did not come: " << Get(kube::ParallelJobs(), kName).dump(1);
      return;
    }
    Pause();
  }
}

std::string PodWorld::State() {
  return Get(kube::ParallelJobs(), kName).value("status", Json::object()).value("state", "");
}

std::string PodWorld::Condition(const std::string& type, const std::string& field) {
  const Json job = Get(kube::ParallelJobs(), kName);
  for (const Json& condition : job["status"]["conditions"]) {
    if (condition["type"] == type && condition["status"] == "True") return condition[field];
  }
  return {};
}

std::string PodWorld::Rows() const {
  return ReadFile(dir_ + "/outputs/rows/rows.txt").value_or("");
}

std::optional<job::WorkerState> PodWorld::WorkerState(int ordinal) {
  const std::string name = objects_.Name(ledger::WorkerName(static_cast<uint32_t>(ordinal)));
  const Result<kube::Response> found =
      api_->Do({.verb = kube::Verb::kGet, .type = kube::Leases(), .ns = kNs, .name = name});
  if (!found || !found->ok()) return std::nullopt;
  const auto notes = kube::DecodeLease(found->body).value().meta.annotations;
  const auto note = notes.find(job::kWorkerStateNote);
  if (note == notes.end()) return std::nullopt;
  return job::DecodeWorkerState(note->second).value();
}

std::string PodWorld::Holder(int ordinal) {
  const std::string name = objects_.Name(ledger::WorkerName(static_cast<uint32_t>(ordinal)));
  return kube::DecodeLease(Get(kube::Leases(), name).dump()).value().holder;
}

}  // namespace pj::worker
