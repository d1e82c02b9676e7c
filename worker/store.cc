#include "worker/store.h"

#include <fmt/core.h>

#include <utility>

#include "base/clock.h"
#include "base/fault_point.h"

namespace pj::worker {
namespace {

using ledger::Call;
using ledger::Reply;

// For people and tools; who lives is judged by change alone.
constexpr int64_t kLeaseSeconds = 15;

bool IsLease(Call::Op op) {
  return op == Call::Op::kGetLease || op == Call::Op::kCreateLease || op == Call::Op::kPutLease;
}
bool IsRead(Call::Op op) { return op == Call::Op::kGet || op == Call::Op::kGetLease; }
bool IsCreate(Call::Op op) { return op == Call::Op::kCreate || op == Call::Op::kCreateLease; }

// What the server said no to. 429 and 5xx may have happened or not: the core reads again.
Reply::Outcome OutcomeOf(const Call& call, const kube::Response& response) {
  switch (response.code) {
    case 404:
      return Reply::Outcome::kNotFound;
    case 409:
      return IsCreate(call.op) ? Reply::Outcome::kExists : Reply::Outcome::kConflict;
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

Status ReadObject(const Call& call, const std::string& body, Reply* reply) {
  if (IsLease(call.op)) {
    PJ_ASSIGN(const kube::Lease lease, kube::DecodeLease(body));
    reply->version = lease.meta.resource_version;
    return {};
  }
  PJ_ASSIGN(kube::ConfigMap map, kube::DecodeConfigMap(body));
  reply->version = map.meta.resource_version;
  if (call.op == Call::Op::kGet) reply->record = std::move(map.binary_data[job::kRecordKey]);
  return {};
}

// Fault points around a write: the request lost, or its response.
void NoteBefore(const Call& call) {
  if (call.op == Call::Op::kCreate) PJ_FAULT("before_create");
  if (call.op == Call::Op::kPut) PJ_FAULT("before_put");
}

void NoteAfter(const Call& call) {
  if (call.op == Call::Op::kCreate) PJ_FAULT("after_create");
  if (call.op == Call::Op::kPut) PJ_FAULT("after_put");
  switch (call.step) {
    case Call::Step::kSplit:
      return PJ_FAULT("after_split");  // the ticket stands, its child does not
    case Call::Step::kChild:
      return PJ_FAULT("after_child");
    case Call::Step::kTakeOver:
      return PJ_FAULT("after_take_over");
    case Call::Step::kRelease:
      return PJ_FAULT("after_release");
    case Call::Step::kOther:
      break;
  }
}

}  // namespace

bool StoreFailed(const Error& error) { return error.code != Code::kUnavailable; }

kube::Request StoreClient::RequestFor(const Call& call) const {
  kube::Request request;
  request.type = IsLease(call.op) ? kube::Leases() : kube::ConfigMaps();
  request.ns = objects_.ns;
  if (!IsCreate(call.op)) request.name = call.name;
  if (IsRead(call.op)) {
    request.verb = kube::Verb::kGet;
    return request;
  }
  request.verb = IsCreate(call.op) ? kube::Verb::kCreate : kube::Verb::kUpdate;
  request.body = BodyFor(call);
  return request;
}

std::string StoreClient::BodyFor(const Call& call) const {
  kube::Meta meta = objects_.Meta(call.name);
  if (!IsCreate(call.op)) meta.resource_version = call.version;
  if (IsLease(call.op)) {
    if (!call.note.empty()) meta.annotations[job::kWorkerStateNote] = call.note;
    return kube::Encode(kube::Lease{.meta = std::move(meta),
                                    .holder = call.record,
                                    .duration_seconds = kLeaseSeconds,
                                    .renew_time = FormatRfc3339(SystemClock().Wall())});
  }
  return kube::Encode(
      kube::ConfigMap{.meta = std::move(meta), .binary_data = {{job::kRecordKey, call.record}}});
}

Result<Reply> StoreClient::Do(const Call& call) const {
  Reply reply;
  reply.id = call.id;
  NoteBefore(call);
  const Result<kube::Response> response = api_->Do(RequestFor(call));
  NoteAfter(call);
  if (!response && StoreFailed(response.error())) return std::unexpected(response.error());
  if (!response) {
    reply.outcome = Reply::Outcome::kUnknown;
    reply.message = response.error().ToString();
  } else if (response->ok()) {
    if (Status read = ReadObject(call, response->body, &reply); !read) {
      // Truncated or foreign: nothing is known of what the server did.
      reply.outcome = Reply::Outcome::kUnknown;
      reply.message = read.error().ToString();
    }
  } else {
    reply.outcome = OutcomeOf(call, *response);
    reply.message = fmt::format("{} {}: {}", response->code, response->reason, response->message);
  }
  return reply;
}

}  // namespace pj::worker
