#include "job/run_store.h"

#include <fmt/core.h>
#include <poll.h>

#include <algorithm>

#include "base/backoff.h"
#include "base/fault_point.h"
#include "base/hash.h"
#include "base/json.h"

namespace pj::job {
namespace {

Code CodeOf(int http) {
  switch (http) {
    case 400:
    case 422:
      return Code::kInvalid;
    case 401:
    case 403:
      return Code::kForbidden;
    case 404:
      return Code::kNotFound;
    case 409:
      return Code::kConflict;
    case 413:
      return Code::kTooLarge;
    default:
      return http >= 500 || http == 429 ? Code::kUnavailable : Code::kIo;
  }
}

bool Unavailable(const Result<kube::Response>& response) {
  if (!response) return response.error().code == Code::kUnavailable;
  return !response->ok() && CodeOf(response->code) == Code::kUnavailable;
}

Error FromResponse(const kube::Response& response, const std::string& name) {
  const std::string& said = response.message.empty() ? response.reason : response.message;
  return Error{CodeOf(response.code), fmt::format("{} ({})", said, response.code), name, ""};
}

}  // namespace

Result<kube::Response> RunStore::Send(const kube::Request& request) const {
  const Nanos end = SystemClock().Monotonic() + patience_;
  Backoff backoff(Millis(20), Seconds(5), Crc32c(request.name));
  while (true) {
    Result<kube::Response> response = api_->Do(request);
    if (!Unavailable(response)) return response;
    Nanos pause = backoff.Next();
    if (response && response->retry_after) pause = std::max<Nanos>(pause, *response->retry_after);
    if (SystemClock().Monotonic() + pause >= end) return response;
    ::poll(nullptr, 0, static_cast<int>(std::chrono::ceil<Millis>(pause).count()));
  }
}

Result<std::optional<kube::ConfigMap>> RunStore::Get(const std::string& what) const {
  kube::Request request{.verb = kube::Verb::kGet, .type = kube::ConfigMaps(), .ns = objects_.ns};
  request.name = objects_.Name(what);
  PJ_ASSIGN(kube::Response response, Send(request));
  if (response.code == 404) return std::optional<kube::ConfigMap>();
  if (!response.ok()) return std::unexpected(FromResponse(response, request.name));
  PJ_ASSIGN(kube::ConfigMap map, kube::DecodeConfigMap(response.body));
  return std::optional<kube::ConfigMap>(std::move(map));
}

Result<bool> RunStore::Create(const kube::ConfigMap& map) const {
  kube::Request request{.verb = kube::Verb::kCreate, .type = kube::ConfigMaps(), .ns = objects_.ns};
  request.body = kube::Encode(map);
  PJ_ASSIGN(const kube::Response response, Send(request));
  if (response.code == 409) return false;
  if (!response.ok()) return std::unexpected(FromResponse(response, map.meta.name));
  return true;
}

Result<std::optional<PlanFacts>> RunStore::LoadPlan() const {
  PJ_ASSIGN(const std::optional<kube::ConfigMap> map, Get("plan"));
  if (!map) return std::optional<PlanFacts>();
  PJ_ASSIGN(PlanFacts facts, DecodePlan(*map));
  return std::optional<PlanFacts>(std::move(facts));
}

Result<bool> RunStore::CreatePlan(const PlanFacts& facts) const {
  return Create(EncodePlan(objects_, facts));
}

Result<std::optional<ledger::Control>> RunStore::LoadControl() const {
  PJ_ASSIGN(const std::optional<kube::ConfigMap> map, Get("ctl"));
  if (!map) return std::optional<ledger::Control>();
  PJ_ASSIGN(ledger::Control control, DecodeControlMap(*map));
  return std::optional<ledger::Control>(std::move(control));
}

Status RunStore::WriteControl(const ledger::Control& control) const {
  PJ_ASSIGN(const std::optional<kube::ConfigMap> map, Get("ctl"));
  kube::ConfigMap wanted = EncodeControlMap(objects_, control);
  PJ_FAULT("before_control");
  if (!map) {
    PJ_ASSIGN(const bool made, Create(wanted));
    PJ_FAULT("after_control");
    if (made) return {};
    return Fail(Code::kConflict, "somebody else wrote the control object", wanted.meta.name);
  }
  wanted.meta.resource_version = map->meta.resource_version;
  kube::Request request{.verb = kube::Verb::kUpdate, .type = kube::ConfigMaps(), .ns = objects_.ns};
  request.name = wanted.meta.name;
  request.body = kube::Encode(wanted);
  PJ_ASSIGN(const kube::Response response, Send(request));
  PJ_FAULT("after_control");
  if (!response.ok()) return std::unexpected(FromResponse(response, wanted.meta.name));
  return {};
}

Result<std::vector<std::string>> RunStore::LoadColumns() const {
  PJ_ASSIGN(const std::optional<kube::ConfigMap> map, Get("schema"));
  std::vector<std::string> columns;
  if (!map) return columns;
  const auto text = map->data.find("columns");
  PJ_ASSIGN(Json names, ParseJson(text == map->data.end() ? "" : text->second, "schema"));
  for (const Json& name : names) {
    if (!name.is_string()) return Fail(Code::kCorrupt, "LedgerCorrupt: column name is no string");
    columns.push_back(name.get<std::string>());
  }
  return columns;
}

Result<std::optional<StoredResult>> RunStore::LoadResult() const {
  PJ_ASSIGN(const std::optional<kube::ConfigMap> map, Get("result"));
  if (!map) return std::optional<StoredResult>();
  PJ_ASSIGN(StoredResult result, DecodeResult(*map));
  return std::optional<StoredResult>(std::move(result));
}

Result<StoredResult> RunStore::SettleResult(StoredResult result) const {
  PJ_ASSIGN(const bool ours, CreateResult(result));
  if (ours) return result;
  PJ_ASSIGN(std::optional<StoredResult> first, LoadResult());
  if (first) return std::move(*first);
  return Fail(Code::kConflict, "the result exists and is not there", objects_.Name("result"));
}

Result<bool> RunStore::CreateResult(const StoredResult& result) const {
  return Create(EncodeResult(objects_, result));
}

}  // namespace pj::job
