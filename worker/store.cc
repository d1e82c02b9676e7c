#include "worker/store.h"

#include <fmt/core.h>

#include <utility>

#include "base/fault_point.h"

namespace pj::worker {
namespace {

using ledger::Call;
using ledger::Reply;

// What the server said no to. 429 and 5xx may have happened or not: the core reads again.
Reply::Outcome OutcomeOf(const Call& call, const kube::Response& response) {
  switch (response.code) {
    case 404:
      return Reply::Outcome::kNotFound;
    case 409:
      return call.op == Call::Op::kCreate ? Reply::Outcome::kExists : Reply::Outcome::kConflict;
    case 400:
    case 403:
    case 405:
    case 413:
    case 422:
      return Reply::Outcome::kRejected;
    default:
      return Reply::Outcome::kUnknown;
  }
}

void ReadObject(const Call& call, const std::string& body, Reply* reply) {
  Result<kube::ConfigMap> map = kube::DecodeConfigMap(body);
  if (!map) {
    // Truncated or foreign: nothing is known of what the server did.
    reply->outcome = Reply::Outcome::kUnknown;
    reply->message = map.error().ToString();
    return;
  }
  reply->version = map->meta.resource_version;
  if (call.op == Call::Op::kGet) reply->record = std::move(map->binary_data[job::kRecordKey]);
}

// Fault points around the writes: the request lost, or its response.
void NoteStep([[maybe_unused]] const Call& call, [[maybe_unused]] const char* create,
              [[maybe_unused]] const char* put) {
  if (call.op != Call::Op::kGet) PJ_FAULT(call.op == Call::Op::kCreate ? create : put);
}

}  // namespace

bool StoreFailed(const Error& error) { return error.code != Code::kUnavailable; }

kube::Request StoreClient::RequestFor(const Call& call) const {
  kube::Request request;
  request.type = kube::ConfigMaps();
  request.ns = objects_.ns;
  request.name = call.name;
  if (call.op == Call::Op::kGet) {
    request.verb = kube::Verb::kGet;
    return request;
  }
  kube::ConfigMap map;
  map.meta = objects_.Meta(call.name);
  map.binary_data[job::kRecordKey] = call.record;
  if (call.op == Call::Op::kCreate) {
    request.verb = kube::Verb::kCreate;
    request.name.clear();
  } else {
    request.verb = kube::Verb::kUpdate;
    map.meta.resource_version = call.version;
  }
  request.body = kube::Encode(map);
  return request;
}

Result<Reply> StoreClient::Do(const Call& call) const {
  Reply reply;
  reply.id = call.id;
  NoteStep(call, "before_create", "before_put");
  const Result<kube::Response> response = api_->Do(RequestFor(call));
  NoteStep(call, "after_create", "after_put");
  if (!response && StoreFailed(response.error())) return std::unexpected(response.error());
  if (!response) {
    reply.outcome = Reply::Outcome::kUnknown;
    reply.message = response.error().ToString();
  } else if (response->ok()) {
    ReadObject(call, response->body, &reply);
  } else {
    reply.outcome = OutcomeOf(call, *response);
    reply.message = fmt::format("{} {}: {}", response->code, response->reason, response->message);
  }
  return reply;
}

}  // namespace pj::worker
