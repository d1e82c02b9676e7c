#include "worker/schema_gate.h"

#include <fmt/core.h>

#include <unordered_set>
#include <utility>

#include "base/fault_point.h"
#include "base/json.h"
#include "kube/objects.h"

namespace pj::worker {
namespace {

constexpr char kColumnsKey[] = "columns";
constexpr int kTries = 5;

std::vector<std::string> Names(const std::string& json) {
  std::vector<std::string> out;
  const Result<Json> list = ParseJson(json);
  if (!list || !list->is_array()) return out;
  for (const Json& name : *list) out.push_back(name.is_string() ? name.get<std::string>() : "");
  return out;
}

std::string Quoted(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "'" : ", '") + name + "'";
  return out;
}

std::vector<std::string> Missing(const std::vector<std::string>& from,
                                 const std::vector<std::string>& in) {
  const std::unordered_set<std::string_view> known(in.begin(), in.end());
  std::vector<std::string> out;
  for (const std::string& name : from) {
    if (!known.contains(name)) out.push_back(name);
  }
  return out;
}

Misfit TooLarge(const std::string& columns) {
  return {
      "SchemaTooLarge",
      fmt::format("the names of {} columns need {} bytes, at most {} can be kept for the output: "
                  "return fewer columns or shorter names, rows as tuples, or let format be jsonl",
                  Names(columns).size(), columns.size(), kColumnsBytes)};
}

// An answer that will be the same however often one asks.
bool Definite(const kube::Response& response) {
  return response.code == 400 || response.code == 413 || response.code == 422;
}

}  // namespace

SchemaGate::SchemaGate(kube::Api* api, JobObjects objects)
    : api_(api),
      objects_(std::move(objects)),
      name_(ledger::ChildName(objects_.job, objects_.identity, "schema")) {}

Result<std::optional<Misfit>> SchemaGate::Check(std::string_view columns) {
  if (fixed_ && columns == last_good_) return std::nullopt;
  const std::string wanted = columns.empty() ? "[]" : std::string(columns);
  if (!fixed_) {
    PJ_ASSIGN(std::optional<Misfit> refused, Decide(wanted));
    if (refused) return refused;
  }
  std::string difference = Difference(wanted);
  if (!difference.empty()) return Misfit{"SchemaMismatch", std::move(difference)};
  last_good_ = columns;
  return std::nullopt;
}

// Create, and who comes second reads. An unknown outcome is settled by reading too.
Result<std::optional<Misfit>> SchemaGate::Decide(const std::string& columns) {
  kube::ConfigMap map;
  map.meta = objects_.Meta(name_);
  map.data[kColumnsKey] = columns;
  map.immutable = true;
  kube::Request create;
  create.verb = kube::Verb::kCreate;
  create.type = kube::ConfigMaps();
  create.ns = objects_.ns;
  create.body = kube::Encode(map);
  for (int i = 0; i < kTries; ++i) {
    PJ_ASSIGN(const bool there, Read());
    if (there) return std::nullopt;
    if (columns.size() > kColumnsBytes) return TooLarge(columns);
    const Result<kube::Response> response = api_->Do(create);
    PJ_FAULT("after_schema");
    if (response && response->ok()) {
      fixed_ = columns;
      return std::nullopt;
    }
    if (response && Definite(*response)) {
      return Misfit{"SchemaRefused",
                    fmt::format("the columns of the output cannot be stored in {}: {}", name_,
                                response->message)};
    }
    if (!response && StoreFailed(response.error())) return std::unexpected(response.error());
  }
  return Fail(Code::kUnavailable, "the columns of the output cannot be agreed on", name_);
}

Result<bool> SchemaGate::Read() {
  kube::Request get;
  get.verb = kube::Verb::kGet;
  get.type = kube::ConfigMaps();
  get.ns = objects_.ns;
  get.name = name_;
  PJ_ASSIGN(kube::Response response, api_->Do(get));
  if (response.code == 404) return false;
  if (!response.ok()) return Fail(Code::kUnavailable, response.message, name_);
  PJ_ASSIGN(kube::ConfigMap map, kube::DecodeConfigMap(response.body));
  fixed_ = map.data[kColumnsKey];
  return true;
}

std::string SchemaGate::Difference(const std::string& columns) const {
  const std::vector<std::string> fixed = Names(*fixed_);
  const std::vector<std::string> given = Names(columns);
  if (fixed == given) return {};
  if (given.empty()) {
    return fmt::format("rows without column names, but the output has the columns {}",
                       Quoted(fixed));
  }
  if (fixed.empty()) {
    return fmt::format("columns {}, but the output's first rows had no column names",
                       Quoted(given));
  }
  const auto missing = Missing(fixed, given);
  const auto extra = Missing(given, fixed);
  if (missing.empty() && extra.empty()) {
    return fmt::format("columns in another order: {}, but the output's are {}", Quoted(given),
                       Quoted(fixed));
  }
  std::string out = "columns differ from the output's first rows:";
  if (!missing.empty()) out += fmt::format(" missing {}", Quoted(missing));
  if (!extra.empty())
    out += fmt::format("{} not expected {}", missing.empty() ? "" : ";", Quoted(extra));
  return out;
}

}  // namespace pj::worker
