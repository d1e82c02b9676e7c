#include "runner.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/fs.h"
#include "matcher.h"

namespace pj::kube::conformance {
namespace {

using std::chrono::steady_clock;
constexpr Seconds kPatience{30};
constexpr Millis kPause{50};

const ResourceType* TypeNamed(const std::string& plural) {
  for (const ResourceType* type : {&ConfigMaps(), &Leases(), &ParallelJobs()}) {
    if (type->plural == plural) return type;
  }
  return nullptr;
}

std::optional<Verb> VerbNamed(const std::string& name) {
  static const std::map<std::string, Verb> verbs{
      {"get", Verb::kGet},       {"list", Verb::kList},     {"create", Verb::kCreate},
      {"update", Verb::kUpdate}, {"delete", Verb::kDelete}, {"updateStatus", Verb::kUpdateStatus}};
  auto it = verbs.find(name);
  return it == verbs.end() ? std::nullopt : std::optional(it->second);
}

std::string EventName(WatchEvent::Type type) {
  switch (type) {
    case WatchEvent::Type::kAdded:
      return "ADDED";
    case WatchEvent::Type::kModified:
      return "MODIFIED";
    case WatchEvent::Type::kDeleted:
      return "DELETED";
    case WatchEvent::Type::kBookmark:
      return "BOOKMARK";
    case WatchEvent::Type::kError:
      return "ERROR";
  }
  return "?";
}

class Player {
 public:
  explicit Player(const Target& target) : target_(target) { variables_["ns"] = target.ns; }

  void Play(const Json& raw) {
    const Json step = Substitute(raw, variables_);
    say_ = step.value("say", "?");
    const std::string what = step.value("do", "");
    if (what == "watch") return OpenWatch(step);
    if (what == "event") return NextEvent(step);
    if (what == "end") return WaitForEnd(step);
    if (what == "stop") {
      if (Watch* watch = Named(step)) watch->Stop();
      return;
    }
    if (what == "compact") return target_.compact();
    if (!VerbNamed(what)) return Bad("unknown step: " + what);
    Request(step);
  }

  std::vector<std::string> failures;

 private:
  void Bad(const std::string& what) { failures.push_back(say_ + ": " + what); }

  kube::Request MakeRequest(const Json& step) {
    kube::Request out{.verb = *VerbNamed(step.value("do", "")),
                      .type = *TypeNamed(step.value("type", "")),
                      .ns = target_.ns,
                      .name = step.value("name", ""),
                      .body = step.value("rawBody", ""),
                      .label_selector = step.value("labelSelector", ""),
                      .field_selector = step.value("fieldSelector", ""),
                      .resource_version = step.value("resourceVersion", ""),
                      .limit = step.value("limit", 0),
                      .continue_token = step.value("continue", ""),
                      .precondition_uid = step.value("preconditionUid", "")};
    if (step.contains("graceSeconds")) out.grace_seconds = step.value("graceSeconds", int64_t{0});
    if (step.contains("body")) {
      Json body = step["body"];
      if (!body.contains("kind")) body["kind"] = out.type.kind;
      if (!body.contains("apiVersion")) body["apiVersion"] = out.type.ApiVersion();
      out.body = DumpJson(body);
    }
    return out;
  }

  void Request(const Json& step) {
    if (TypeNamed(step.value("type", "")) == nullptr) return Bad("unknown type");
    const auto deadline = steady_clock::now() + kPatience;
    std::vector<std::string> differences;
    Got got;
    do {
      auto answer = target_.api().Do(MakeRequest(step));
      if (!answer) return Bad(answer.error().ToString());
      got = {.code = answer->code, .reason = answer->reason, .body = ParseOrNull(answer->body)};
      differences = Differences(step.value("expect", Json::object()), got);
      if (differences.empty() || !step.value("eventually", false)) break;
      PassTime();
    } while (steady_clock::now() < deadline);
    Finish(step, got, differences);
  }

  // Waits on a watch that sees nothing.
  void PassTime() {
    auto quiet = target_.api().OpenWatch({.type = Leases(),
                                          .ns = target_.ns,
                                          .field_selector = "metadata.name=nobody.at.all",
                                          .bookmarks = false});
    if (quiet) (*quiet)->Next(kPause);
  }

  void OpenWatch(const Json& step) {
    const ResourceType* type = TypeNamed(step.value("type", ""));
    if (type == nullptr) return Bad("unknown type");
    auto watch = target_.api().OpenWatch({.type = *type,
                                          .ns = target_.ns,
                                          .label_selector = step.value("labelSelector", ""),
                                          .field_selector = step.value("fieldSelector", ""),
                                          .resource_version = step.value("resourceVersion", ""),
                                          .timeout = Seconds(step.value("timeoutSeconds", 300))});
    if (!watch) return Bad(watch.error().ToString());
    watches_[step.value("as", "")] = std::move(*watch);
  }

  Watch* Named(const Json& step) {
    auto it = watches_.find(step.value("from", ""));
    if (it != watches_.end()) return it->second.get();
    Bad("no such watch");
    return nullptr;
  }

  void NextEvent(const Json& step) {
    Watch* watch = Named(step);
    if (watch == nullptr) return;
    const Json expect = step.value("expect", Json::object());
    const auto deadline = steady_clock::now() + kPatience;
    while (steady_clock::now() < deadline && !watch->Ended()) {
      auto event = watch->Next(kPause);
      if (!event) continue;
      Got got{.event = EventName(event->type), .body = ParseOrNull(event->object)};
      if (got.event == "BOOKMARK" && expect.value("event", "") != "BOOKMARK") continue;
      return Finish(step, got, Differences(expect, got));
    }
    Bad("no event came");
  }

  void WaitForEnd(const Json& step) {
    Watch* watch = Named(step);
    if (watch == nullptr) return;
    const auto deadline = steady_clock::now() + kPatience;
    while (!watch->Ended() && steady_clock::now() < deadline) watch->Next(kPause);
    if (!watch->Ended()) Bad("the watch has not ended");
  }

  static Json ParseOrNull(const std::string& text) { return ParseJson(text).value_or(Json()); }

  void Finish(const Json& step, const Got& got, const std::vector<std::string>& differences) {
    for (const std::string& difference : differences) Bad(difference);
    const Json save = step.value("save", Json::object());
    for (const auto& [name, pointer] : save.items()) {
      const Json::json_pointer at(pointer.get<std::string>());
      if (!got.body.contains(at) || !got.body.at(at).is_string()) {
        Bad("nothing to save at " + pointer.get<std::string>());
      } else {
        variables_[name] = got.body.at(at).get<std::string>();
      }
    }
  }

  const Target& target_;
  std::map<std::string, std::string> variables_;
  std::map<std::string, std::unique_ptr<Watch>> watches_;
  std::string say_;
};

Result<Json> ReadCase(const std::string& path) {
  PJ_ASSIGN(const std::string text, ReadFile(path));
  return ParseJson(text, path);
}

}  // namespace

bool MayRestart(const std::string& path) {
  auto file = ReadCase(path);
  return !file || file->value("restarts", true);
}

Outcome RunFile(const std::string& path, const Target& target) {
  Outcome out;
  auto file = ReadCase(path);
  if (!file) {
    out.failures.push_back(file.error().ToString());
    return out;
  }
  const Json needs = file->value("needs", Json::array());
  const bool needs_compact = std::ranges::find(needs, Json("compact")) != needs.end();
  if (needs_compact && !target.compact) {
    out.skipped = true;
    return out;
  }
  Player player(target);
  for (const Json& step : file->value("steps", Json::array())) {
    player.Play(step);
    ++out.steps;
  }
  out.failures = std::move(player.failures);
  return out;
}

}  // namespace pj::kube::conformance
