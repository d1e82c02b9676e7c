#include "worker/store.h"

#include "api/parallel_job.h"
#include "base/fault_point.h"

namespace pj::worker {
namespace {

using Outcome = ledger::Reply::Outcome;

// What an answer of the API means for the ledger. 409 is told apart by its reason.
Outcome OutcomeOf(const kube::Response& response) {
  if (response.ok()) return Outcome::kOk;
  switch (response.code) {
    case 404:
      return Outcome::kNotFound;
    case 409:
      return response.reason == "AlreadyExists" ? Outcome::kExists : Outcome::kConflict;
    case 400:
    case 403:
    case 405:
    case 413:
    case 422:
      return Outcome::kRejected;
    default:
      return Outcome::kUnknown;  // 429, 5xx, 401: read again and see
  }
}

}  // namespace

kube::ConfigMap StoreClient::MapFor(const std::string& name) const {
  kube::ConfigMap map;
  map.meta.name = name;
  map.meta.ns = target_.ns;
  map.meta.labels[kJobLabel] = target_.job;
  map.meta.owner =
      kube::OwnerReference{api::kApiVersion, api::kKind, target_.job, target_.identity.uid};
  return map;
}

ledger::Reply StoreClient::Do(const ledger::Call& call) {
  return call.op == ledger::Call::Op::kGet ? Get(call) : Write(call);
}

ledger::Reply StoreClient::Get(const ledger::Call& call) {
  ledger::Reply reply{.id = call.id};
  kube::Request request{.verb = kube::Verb::kGet, .type = kube::ConfigMaps(), .ns = target_.ns};
  request.name = call.name;
  const Result<kube::Response> response = target_.api->Do(request);
  if (!response) {
    reply.outcome = Outcome::kUnknown;
    reply.message = response.error().ToString();
    return reply;
  }
  reply.outcome = OutcomeOf(*response);
  reply.message = response->message;
  if (!response->ok()) return reply;
  Result<kube::ConfigMap> map = kube::DecodeConfigMap(response->body);
  if (!map) {
    reply.outcome = Outcome::kRejected;
    reply.message = map.error().ToString();
    return reply;
  }
  reply.version = map->meta.resource_version;
  reply.record = std::move(map->binary_data[kRecordKey]);
  return reply;
}

ledger::Reply StoreClient::Write(const ledger::Call& call) {
  ledger::Reply reply{.id = call.id};
  const bool create = call.op == ledger::Call::Op::kCreate;
  kube::ConfigMap map = MapFor(call.name);
  map.binary_data[kRecordKey] = call.record;
  if (!create) map.meta.resource_version = call.version;
  kube::Request request{.verb = create ? kube::Verb::kCreate : kube::Verb::kUpdate,
                        .type = kube::ConfigMaps(),
                        .ns = target_.ns};
  if (!create) request.name = call.name;
  request.body = kube::Encode(map);
  PJ_FAULT(create ? "before_create" : "before_put");
  const Result<kube::Response> response = target_.api->Do(request);
  PJ_FAULT(create ? "after_create" : "after_put");
  if (!response) {
    reply.outcome = Outcome::kUnknown;
    reply.message = response.error().ToString();
    if (response.error().code != Code::kUnavailable) storage_error_ = response.error();
    return reply;
  }
  reply.outcome = OutcomeOf(*response);
  reply.message = response->message;
  if (!response->ok()) return reply;
  const Result<kube::Meta> meta = kube::DecodeMeta(response->body);
  if (meta) reply.version = meta->resource_version;
  return reply;
}

Result<std::map<std::string, std::string>> StoreClient::CreateOrRead(
    const std::string& what, const std::map<std::string, std::string>& data) {
  kube::ConfigMap map = MapFor(ledger::ChildName(target_.job, target_.identity, what));
  map.data = data;
  map.immutable = true;
  kube::Request request{.verb = kube::Verb::kCreate, .type = kube::ConfigMaps(), .ns = target_.ns};
  request.body = kube::Encode(map);
  PJ_ASSIGN(kube::Response created, target_.api->Do(request));
  if (created.ok()) return data;
  if (created.reason != "AlreadyExists") return Fail(Code::kIo, created.message, map.meta.name);
  request = {.verb = kube::Verb::kGet, .type = kube::ConfigMaps(), .ns = target_.ns};
  request.name = map.meta.name;
  PJ_ASSIGN(kube::Response existing, target_.api->Do(request));
  if (!existing.ok()) return Fail(Code::kUnavailable, existing.message, map.meta.name);
  PJ_ASSIGN(kube::ConfigMap found, kube::DecodeConfigMap(existing.body));
  return found.data;
}

std::optional<Error> StoreClient::TakeStorageError() {
  return std::exchange(storage_error_, std::nullopt);
}

}  // namespace pj::worker
