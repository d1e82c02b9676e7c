#include "kube/status.h"

#include "base/json.h"

namespace pj::kube {
namespace {

constexpr size_t kShown = 300;

std::string TextOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<int64_t> NumberOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? std::nullopt : CheckedInt(*found);
}

}  // namespace

ServerStatus ReadStatus(std::string_view json) {
  ServerStatus out;
  const auto parsed = ParseJson(json);
  if (!parsed || !parsed->is_object()) {
    out.message = json.substr(0, kShown);
    return out;
  }
  out.code = static_cast<int>(NumberOf(*parsed, "code").value_or(0));
  out.reason = TextOf(*parsed, "reason");
  out.message = TextOf(*parsed, "message");
  const auto details = parsed->find("details");
  if (details != parsed->end() && details->is_object()) {
    if (const auto wait = NumberOf(*details, "retryAfterSeconds"); wait && *wait > 0) {
      out.retry_after = Seconds(*wait);
    }
  }
  return out;
}

std::string WriteStatus(const ServerStatus& status) {
  Json out{{"kind", "Status"},    {"apiVersion", "v1"},        {"metadata", Json::object()},
           {"status", "Failure"}, {"message", status.message}, {"reason", status.reason},
           {"code", status.code}};
  if (status.retry_after) out["details"] = {{"retryAfterSeconds", status.retry_after->count()}};
  return DumpJson(out);
}

}  // namespace pj::kube
