#include "kube/memory_api.h"

#include <utility>

#include "kube/admission.h"
#include "kube/lister.h"
#include "kube/memory_watch.h"
#include "kube/writer.h"

namespace pj::kube {
namespace {

bool IsWrite(Verb verb) { return verb != Verb::kGet && verb != Verb::kList; }
bool HasBody(Verb verb) { return IsWrite(verb) && verb != Verb::kDelete; }

class MemoryApiImpl : public MemoryApi {
 public:
  MemoryApiImpl(std::shared_ptr<ObjectTable> table, const Clock& clock, uint64_t uid_seed)
      : table_(std::move(table)),
        clock_(clock),
        writer_(*table_, clock, uid_seed),
        lister_(*table_) {}

  Result<Response> Do(const Request& request) override;
  Result<std::unique_ptr<Watch>> OpenWatch(const WatchRequest& request) override {
    return OpenMemoryWatch(table_, clock_, request);
  }
  void SetFaultHook(FaultHook hook) override {
    std::lock_guard lock(hook_mutex_);
    hook_ = std::make_shared<FaultHook>(std::move(hook));
  }
  void Compact() override {
    std::lock_guard lock(table_->mutex());
    table_->Compact();
    lister_.ExpirePages();
  }
  uint64_t Writes() const override {
    std::lock_guard lock(table_->mutex());
    return table_->commits();
  }

 private:
  Fault AskHook(const Request& request);
  Result<Response> Serve(const Request& request);
  Result<Response> Dispatch(const Request& request, Tree object);

  const std::shared_ptr<ObjectTable> table_;
  const Clock& clock_;
  Writer writer_;
  Lister lister_;
  std::mutex hook_mutex_;
  std::shared_ptr<FaultHook> hook_;
};

Fault MemoryApiImpl::AskHook(const Request& request) {
  std::shared_ptr<FaultHook> hook;
  {
    std::lock_guard lock(hook_mutex_);
    hook = hook_;
  }
  return hook != nullptr && *hook ? (*hook)(request) : Fault::kNone;
}

Result<Response> MemoryApiImpl::Do(const Request& request) {
  const Fault fault = AskHook(request);
  switch (fault) {
    case Fault::kLoseRequest:
      return Fail(Code::kUnavailable, "the request was lost", request.name);
    case Fault::kConflict:
      if (IsWrite(request.verb)) {
        return Conflict(request.type, request.name, std::string(kStale));
      }
      break;
    case Fault::kTooMany:
      return TooManyRequests();
    case Fault::kServerError:
      return ServerError("injected");
    case Fault::kLoseResponse:
    case Fault::kNone:
      break;
  }
  Result<Response> answer = Serve(request);
  if (fault == Fault::kLoseResponse) {
    return Fail(Code::kUnavailable, "the answer was lost", request.name);
  }
  return answer;
}

Result<Response> MemoryApiImpl::Serve(const Request& request) {
  if (request.verb != Verb::kList && request.ns.empty()) {
    return BadRequest("an empty namespace may not be set when a resource name is provided");
  }
  Decoded decoded;
  if (HasBody(request.verb)) {
    decoded = DecodeBody(request);
    if (decoded.refusal) return *std::move(decoded.refusal);
  }
  std::lock_guard lock(table_->mutex());
  return Dispatch(request, std::move(decoded.tree));
}

Result<Response> MemoryApiImpl::Dispatch(const Request& request, Tree object) {
  switch (request.verb) {
    case Verb::kGet:
      return lister_.Get(request);
    case Verb::kList:
      return lister_.List(request);
    case Verb::kCreate:
      return writer_.Create(request, std::move(object));
    case Verb::kUpdate:
    case Verb::kUpdateStatus:
      return writer_.Update(request, std::move(object));
    case Verb::kDelete:
      return writer_.Delete(request);
  }
  return BadRequest("no such verb");
}

}  // namespace

Result<std::unique_ptr<MemoryApi>> MemoryApi::Open(MemoryApiOptions options) {
  std::unique_ptr<Store> store;
  if (!options.state_file.empty()) {
    PJ_ASSIGN(store, OpenSqliteStore(options.state_file));
  }
  auto table = std::make_shared<ObjectTable>(std::move(store), options.watch_history);
  PJ_TRY(table->Load());
  const Clock& clock = options.clock != nullptr ? *options.clock : SystemClock();
  return std::make_unique<MemoryApiImpl>(std::move(table), clock, options.uid_seed);
}

}  // namespace pj::kube
