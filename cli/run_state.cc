#include "cli/run_state.h"

#include <fmt/core.h>

#include <charconv>

#include "api/load.h"
#include "base/clock.h"
#include "base/json.h"
#include "kube/objects.h"

namespace pj::cli {
namespace {

constexpr char kCodeNote[] = "paralleljob.dev/code-hash";
constexpr char kInputsNote[] = "paralleljob.dev/inputs-hash";
constexpr char kEnvironmentNote[] = "paralleljob.dev/environment";
constexpr char kStartNote[] = "paralleljob.dev/started-wall-ns";

Error FromResponse(const kube::Response& response, const std::string& name) {
  const Code code = response.code == 409 ? Code::kConflict : Code::kIo;
  return Error{code, response.message.empty() ? response.reason : response.message, name, ""};
}

uint64_t Number(const std::map<std::string, std::string>& data, const std::string& key) {
  const auto it = data.find(key);
  uint64_t value = 0;
  if (it != data.end()) {
    std::from_chars(it->second.data(), it->second.data() + it->second.size(), value);
  }
  return value;
}

std::string Text(const std::map<std::string, std::string>& data, const std::string& key) {
  const auto it = data.find(key);
  return it == data.end() ? std::string() : it->second;
}

}  // namespace

Result<std::optional<std::string>> RunState::GetJob() {
  kube::Request request{.verb = kube::Verb::kGet, .type = kube::ParallelJobs(), .ns = kNamespace};
  request.name = job_;
  PJ_ASSIGN(kube::Response response, api_->Do(request));
  if (response.code == 404) return std::optional<std::string>();
  if (!response.ok()) return std::unexpected(FromResponse(response, job_));
  return std::optional<std::string>(std::move(response.body));
}

Result<std::optional<RunIdentity>> RunState::LoadJob() {
  PJ_ASSIGN(const std::optional<std::string> body, GetJob());
  if (!body) return std::optional<RunIdentity>();
  PJ_ASSIGN(kube::Meta meta, kube::DecodeMeta(*body));
  PJ_ASSIGN(const api::ParallelJob job, api::FromStoredJson(*body));
  identity_ = ledger::JobIdentity{.uid = meta.uid, .run = 1};
  created_wall_ns_ = static_cast<int64_t>(Number(meta.annotations, kStartNote));
  return RunIdentity{.manifest = ImmutableManifest(job),
                     .code_hash = Text(meta.annotations, kCodeNote),
                     .inputs_hash = Text(meta.annotations, kInputsNote),
                     .deadline = DeadlineText(job),
                     .environment = Text(meta.annotations, kEnvironmentNote)};
}

Status RunState::CreateJob(const api::ParallelJob& job, const RunIdentity& identity) {
  const int64_t now = SystemClock().Wall().time_since_epoch().count();
  api::ParallelJob stored = job;
  stored.ns = kNamespace;
  stored.annotations[kCodeNote] = identity.code_hash;
  stored.annotations[kInputsNote] = identity.inputs_hash;
  stored.annotations[kEnvironmentNote] = identity.environment;
  stored.annotations[kStartNote] = fmt::format("{}", now);
  kube::Request request{
      .verb = kube::Verb::kCreate, .type = kube::ParallelJobs(), .ns = kNamespace};
  request.body = api::ToManifestJson(stored);
  PJ_ASSIGN(kube::Response response, api_->Do(request));
  if (!response.ok()) return std::unexpected(FromResponse(response, job_));
  PJ_ASSIGN(kube::Meta meta, kube::DecodeMeta(response.body));
  identity_ = ledger::JobIdentity{.uid = meta.uid, .run = 1};
  created_wall_ns_ = now;
  return {};
}

Status RunState::UpdateSpec(const api::ParallelJob& job) {
  PJ_ASSIGN(const std::optional<std::string> body, GetJob());
  if (!body) return Fail(Code::kNotFound, "the job object is gone", job_);
  PJ_ASSIGN(Json object, ParseJson(*body, job_));
  PJ_ASSIGN(Json wanted, ParseJson(api::ToManifestJson(job), job_));
  // The store may have ordered the keys anew.
  if (nlohmann::json(object["spec"]) == nlohmann::json(wanted["spec"])) return {};
  object["spec"] = std::move(wanted["spec"]);
  kube::Request request{
      .verb = kube::Verb::kUpdate, .type = kube::ParallelJobs(), .ns = kNamespace};
  request.name = job_;
  request.body = DumpJson(object);
  PJ_ASSIGN(kube::Response response, api_->Do(request));
  if (!response.ok()) return std::unexpected(FromResponse(response, job_));
  return {};
}

Result<std::vector<ledger::ShardRecord>> RunState::ListShards() {
  kube::Request request{.verb = kube::Verb::kList, .type = kube::ConfigMaps(), .ns = kNamespace};
  PJ_ASSIGN(kube::Response response, api_->Do(request));
  if (!response.ok()) return std::unexpected(FromResponse(response, "shards"));
  PJ_ASSIGN(Json list, ParseJson(response.body, "shards"));
  const std::string prefix = ledger::ChildName(job_, identity_, "s-");
  std::vector<ledger::ShardRecord> shards;
  for (const Json& item : list["items"]) {
    PJ_ASSIGN(kube::ConfigMap map, kube::DecodeConfigMap(DumpJson(item)));
    if (!map.meta.name.starts_with(prefix)) continue;
    PJ_ASSIGN(ledger::ShardRecord shard, ledger::DecodeShard(map.binary_data[job::kRecordKey]));
    shards.push_back(std::move(shard));
  }
  std::sort(shards.begin(), shards.end(), [](const auto& a, const auto& b) { return a.lo < b.lo; });
  return shards;
}

Result<std::string> FindJobName(kube::Api* api, const std::string& dir) {
  kube::Request request{.verb = kube::Verb::kList, .type = kube::ParallelJobs(), .ns = kNamespace};
  PJ_ASSIGN(kube::Response response, api->Do(request));
  if (!response.ok()) return std::unexpected(FromResponse(response, "paralleljobs"));
  PJ_ASSIGN(Json list, ParseJson(response.body, "paralleljobs"));
  if (!list.contains("items") || list["items"].empty()) {
    return Fail(Code::kNotFound,
                "nothing has run here: an earlier start ended before its plan was made", dir,
                "start the job into this folder again, and mend what its error names");
  }
  return list["items"][0]["metadata"]["name"].get<std::string>();
}

}  // namespace pj::cli
