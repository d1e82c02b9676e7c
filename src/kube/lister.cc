#include "kube/lister.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/hash.h"

namespace pj::kube {
namespace {

constexpr size_t kOpenLists = 64;

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t value = 0;
  auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (err != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Refuses versions that are no numbers, or newer than anything written.
std::optional<Response> CheckVersion(const std::string& text, uint64_t current) {
  if (text.empty()) return std::nullopt;
  const auto version = ParseNumber(text);
  if (!version) {
    return BadRequest(fmt::format("resourceVersion: Invalid value: \"{}\"", text));
  }
  if (*version > current) return VersionFromTheFuture(*version, current);
  return std::nullopt;
}

}  // namespace

Response Lister::Get(const Request& request) const {
  if (auto refusal = CheckVersion(request.resource_version, table_.version())) return *refusal;
  StoredPtr object = table_.Find(KeyOf(request.type, request.ns, request.name));
  if (object == nullptr) return NotFound(request.type, request.name);
  Response out;
  out.code = 200;
  out.body = FullText(request.type, *object);
  return out;
}

Response Lister::List(const Request& request) {
  return request.continue_token.empty() ? FirstPage(request) : NextPage(request);
}

Response Lister::FirstPage(const Request& request) {
  if (auto refusal = CheckVersion(request.resource_version, table_.version())) return *refusal;
  auto labels = Selector::ParseLabels(request.label_selector);
  if (!labels) return BadRequest(labels.error().message);
  auto fields = Selector::ParseFields(request.field_selector);
  if (!fields) return BadRequest(fields.error().message);
  Pages pages{.id = 0,
              .version = table_.version(),
              .rest = table_.All(KeyOf(request.type, "", "").resource, request.ns)};
  std::erase_if(pages.rest, [&](const StoredPtr& object) {
    return !labels->Matches(object->labels) ||
           !fields->MatchesFields(object->key.ns, object->key.name);
  });
  return Page(request, std::move(pages));
}

Response Lister::NextPage(const Request& request) {
  if (!request.resource_version.empty()) {
    return BadRequest("specifying resource version is not allowed when using continue");
  }
  const auto text = Base64Decode(request.continue_token);
  const auto id = text && text->starts_with("page ") ? ParseNumber(text->substr(5)) : std::nullopt;
  if (!id) return BadRequest("continue key is not valid");
  auto it = std::ranges::find(pages_, *id, &Pages::id);
  if (it == pages_.end()) {
    return Expired(
        "The provided continue parameter is too old to display a consistent list result. You can "
        "start a new list without the continue parameter.");
  }
  // A page may be asked for again: its answer may have been lost.
  return Page(request, *it);
}

Response Lister::Page(const Request& request, Pages pages) {
  size_t count = pages.rest.size();
  Json meta{{"resourceVersion", std::to_string(pages.version)}};
  const auto limit = static_cast<size_t>(std::max(request.limit, 0));
  if (limit != 0 && count > limit) {
    count = limit;
    Pages next{.id = next_id_++,
               .version = pages.version,
               .rest = {pages.rest.begin() + request.limit, pages.rest.end()}};
    meta["continue"] = Base64Encode(fmt::format("page {}", next.id));
    // As the real one: with a selector nobody has counted the rest.
    if (request.label_selector.empty() && request.field_selector.empty()) {
      meta["remainingItemCount"] = next.rest.size();
    }
    pages_.push_back(std::move(next));
    if (pages_.size() > kOpenLists) pages_.pop_front();
  }
  Response out;
  out.code = 200;
  out.body = fmt::format("{{\"kind\":\"{}List\",\"apiVersion\":\"{}\",\"metadata\":{},\"items\":[",
                         request.type.kind, request.type.ApiVersion(), DumpJson(meta));
  const bool bare = request.type == ConfigMaps() || request.type == Leases();
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) out.body += ',';
    out.body += bare ? pages.rest[i]->text : FullText(request.type, *pages.rest[i]);
  }
  out.body += "]}";
  return out;
}

}  // namespace pj::kube
