#include "operator/writer.h"

#include <fmt/core.h>

#include "operator/kinds.h"

namespace pj::op {
namespace {

using kube::Request;
using kube::Response;
using kube::Verb;

Error ErrorOf(const Request& request, const Response& response) {
  Code code = Code::kInvalid;
  if (response.code == 404) code = Code::kNotFound;
  if (response.code == 409) code = Code::kConflict;
  if (response.code == 403) code = Code::kForbidden;
  if (response.code == 413) code = Code::kTooLarge;
  if (response.code == 429 || response.code >= 500) code = Code::kUnavailable;
  const std::string& said = response.message.empty() ? response.reason : response.message;
  const char* unnamed = request.verb == Verb::kList ? "listing" : "creating one of";
  return {code, fmt::format("{} ({})", said, response.code),
          request.name.empty()
              ? fmt::format("{} {} in {}", unnamed, request.type.plural, request.ns)
              : fmt::format("{} {}/{}", request.type.plural, request.ns, request.name),
          code == Code::kForbidden ? "the operator's role lacks this permission, or a policy or "
                                     "quota of the namespace forbids it"
                                   : ""};
}

}  // namespace

Result<Response> Writer::Do(const Request& request) {
  PJ_ASSIGN(Response response, api_->Do(request));
  if (response.code == 429 || response.code == 503) retry_after_ = response.retry_after;
  if (response.ok() && request.verb != Verb::kGet && request.verb != Verb::kList && wrote_)
    wrote_(request, response);
  return response;
}

Result<bool> Writer::Create(const kube::ResourceType& type, const std::string& ns,
                            std::string body) {
  const Request request{
      .verb = Verb::kCreate, .type = type, .ns = ns, .name = {}, .body = std::move(body)};
  PJ_ASSIGN(const Response response, Do(request));
  if (response.ok()) return true;
  if (response.reason == "AlreadyExists") return false;
  return std::unexpected(ErrorOf(request, response));
}

Status Writer::Update(const kube::ResourceType& type, const std::string& ns,
                      const std::string& name, std::string body) {
  const Request request{
      .verb = Verb::kUpdate, .type = type, .ns = ns, .name = name, .body = std::move(body)};
  PJ_ASSIGN(const Response response, Do(request));
  if (!response.ok()) return std::unexpected(ErrorOf(request, response));
  return {};
}

Status Writer::UpdateStatus(const kube::ResourceType& type, const std::string& ns,
                            const std::string& name, std::string body) {
  const Request request{
      .verb = Verb::kUpdateStatus, .type = type, .ns = ns, .name = name, .body = std::move(body)};
  PJ_ASSIGN(const Response response, Do(request));
  if (!response.ok()) return std::unexpected(ErrorOf(request, response));
  return {};
}

Status Writer::Delete(const kube::ResourceType& type, const std::string& ns,
                      const std::string& name, const std::string& uid) {
  Request request{.verb = Verb::kDelete, .type = type, .ns = ns, .name = name};
  request.precondition_uid = uid;
  PJ_ASSIGN(const Response response, Do(request));
  if (response.ok() || response.code == 404) return {};
  return std::unexpected(ErrorOf(request, response));
}

Status Writer::ForceDeletePod(const kube::Meta& pod) { return ShortenGrace(pod, Seconds(0)); }

Status Writer::ShortenGrace(const kube::Meta& pod, Seconds grace) {
  Request request{.verb = Verb::kDelete, .type = Pods(), .ns = pod.ns, .name = pod.name};
  request.precondition_uid = pod.uid;
  request.grace_seconds = grace.count();
  PJ_ASSIGN(const Response response, Do(request));
  if (response.ok() || response.code == 404) return {};
  return std::unexpected(ErrorOf(request, response));
}

Result<std::string> Writer::Get(const kube::ResourceType& type, const std::string& ns,
                                const std::string& name) {
  const Request request{.verb = Verb::kGet, .type = type, .ns = ns, .name = name};
  PJ_ASSIGN(Response response, Do(request));
  if (!response.ok()) return std::unexpected(ErrorOf(request, response));
  return std::move(response.body);
}

Result<std::string> Writer::ListLabelled(const kube::ResourceType& type, const std::string& ns,
                                         const std::string& label_selector) {
  Request request{.verb = Verb::kList, .type = type, .ns = ns};
  request.label_selector = label_selector;
  PJ_ASSIGN(Response response, Do(request));
  if (!response.ok()) return std::unexpected(ErrorOf(request, response));
  return std::move(response.body);
}

Result<std::string> Writer::ListAbout(const std::string& ns, const std::string& uid, int limit) {
  Request request{.verb = Verb::kList, .type = Events(), .ns = ns};
  request.field_selector = "involvedObject.uid=" + uid;
  request.limit = limit;
  PJ_ASSIGN(Response response, Do(request));
  if (!response.ok()) return std::unexpected(ErrorOf(request, response));
  return std::move(response.body);
}

}  // namespace pj::op
