#include "kube/answers.h"

#include <fmt/format.h>

#include "base/json.h"

namespace pj::kube {
namespace {

struct Fields {
  int code;
  std::string reason;
  std::string message;
  Json details = Json::object();
  std::string continue_token = {};
};

Response Make(Fields f) {
  Json body{{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", Json::object()}};
  if (!f.continue_token.empty()) body["metadata"]["continue"] = f.continue_token;
  body["status"] = f.code < 300 ? "Success" : "Failure";
  if (!f.message.empty()) body["message"] = f.message;
  if (!f.reason.empty()) body["reason"] = f.reason;
  if (!f.details.empty()) body["details"] = std::move(f.details);
  body["code"] = f.code;
  if (f.code < 300) body.erase("code");
  Response out;
  out.code = f.code;
  out.body = DumpJson(body);
  out.reason = std::move(f.reason);
  out.message = std::move(f.message);
  return out;
}

std::string Resource(const ResourceType& type) {
  return type.group.empty() ? type.plural : type.plural + "." + type.group;
}

Json Details(const std::string& name, const std::string& group, const std::string& kind) {
  Json details{{"name", name}};
  if (!group.empty()) details["group"] = group;
  details["kind"] = kind;
  return details;
}

}  // namespace

Response NotFound(const ResourceType& type, const std::string& name) {
  return Make({404, "NotFound", fmt::format("{} \"{}\" not found", Resource(type), name),
               Details(name, type.group, type.plural)});
}

Response NoSuchPath() {
  return Make({404, "NotFound", "the server could not find the requested resource"});
}

Response AlreadyExists(const ResourceType& type, const std::string& name, bool deleting) {
  std::string message = fmt::format("{} \"{}\" already exists", Resource(type), name);
  if (deleting) message = "object is being deleted: " + message;
  return Make({409, "AlreadyExists", message, Details(name, type.group, type.plural)});
}

Response Conflict(const ResourceType& type, const std::string& name, const std::string& why) {
  return Make(
      {409, "Conflict",
       fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", Resource(type), name, why),
       Details(name, type.group, type.plural)});
}

Response Invalid(const ResourceType& type, const std::string& name,
                 const std::vector<Cause>& causes) {
  std::vector<std::string> texts;
  Json list = Json::array();
  for (const Cause& cause : causes) {
    texts.push_back(cause.field + ": " + cause.message);
    list.push_back({{"reason", cause.reason}, {"message", cause.message}, {"field", cause.field}});
  }
  std::string told = fmt::format("{}", fmt::join(texts, ", "));
  if (texts.size() > 1) told = "[" + told + "]";
  const std::string kind = type.group.empty() ? type.kind : type.kind + "." + type.group;
  Json details = Details(name, type.group, type.kind);
  details["causes"] = std::move(list);
  return Make({422, "Invalid", fmt::format("{} \"{}\" is invalid: {}", kind, name, told),
               std::move(details)});
}

Response BadRequest(const std::string& message) { return Make({400, "BadRequest", message}); }

Response TooLarge(size_t limit) {
  return Make(
      {413, "RequestEntityTooLarge", fmt::format("Request entity too large: limit is {}", limit)});
}

Response Expired(const std::string& message, const std::string& continue_token) {
  return Make({410, "Expired", message, Json::object(), continue_token});
}

Response VersionFromTheFuture(uint64_t wanted, uint64_t current) {
  Json details{
      {"causes",
       {{{"reason", "ResourceVersionTooLarge"}, {"message", "Too large resource version"}}}},
      {"retryAfterSeconds", 1}};
  Response out =
      Make({504, "Timeout",
            fmt::format("Timeout: Too large resource version: {}, current: {}", wanted, current),
            std::move(details)});
  out.retry_after = Seconds(1);
  return out;
}

Response TooManyRequests() {
  Response out = Make({429, "TooManyRequests", "Too many requests, please try again later."});
  out.retry_after = Seconds(1);
  return out;
}

Response ServerError(const std::string& message) {
  return Make({500, "InternalError", "Internal error occurred: " + message});
}

Response Deleted(const ResourceType& type, const std::string& name, const std::string& uid) {
  Json details = Details(name, type.group, type.plural);
  details["uid"] = uid;
  return Make({200, "", "", std::move(details)});
}

}  // namespace pj::kube
