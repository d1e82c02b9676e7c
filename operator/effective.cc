#include "operator/effective.h"

#include <fmt/core.h>

#include "api/fields.h"
#include "api/names.h"

namespace pj::op {
namespace {

const char* SourceName(api::Origin origin) {
  switch (origin) {
    case api::Origin::kDefault:
      return "default";
    case api::Origin::kManifest:
      return "manifest";
    case api::Origin::kFlag:
      return "flag";
  }
  return "default";
}

// Of a field without an Origin.
const char* SourceOf(const api::ParallelJobSpec& spec, const std::string& path, bool set) {
  if (!set) return "default";
  return spec.from_flags.paths.contains(path) ? "flag" : "manifest";
}

std::string Shown(int64_t value) { return fmt::format("{}", value); }
std::string Shown(bool value) { return value ? "true" : "false"; }
template <class E>
std::string Shown(E value) {
  return std::string(api::ToName(value));
}

std::string Shown(const std::optional<api::MiniBatchSize>& size, std::string_view otherwise) {
  if (!size) return std::string(otherwise);
  using Unit = api::MiniBatchSize::Unit;
  const char* unit = size->unit == Unit::kBytes ? "b" : size->unit == Unit::kRows ? "rows" : "";
  return fmt::format("{}{}", size->count, unit);
}

// An integer of the table; what is not set shows the rule that gives its value.
EffectiveSetting Integer(const api::Field& field, std::string name, api::ParallelJobSpec& spec) {
  const api::IntSlot slot = field.slot(spec);
  if (const auto* setting = std::get_if<api::Setting<int64_t>*>(&slot)) {
    return {std::move(name), Shown((*setting)->value), SourceName((*setting)->origin)};
  }
  const std::optional<int64_t>& value = *std::get<std::optional<int64_t>*>(slot);
  const std::string shown = value ? Shown(*value) : std::string(field.default_text);
  const char* source = SourceOf(spec, std::string(field.path), value.has_value());
  return {std::move(name), shown, source};
}

template <class T>
EffectiveSetting Of(std::string name, const api::Setting<T>& setting) {
  return {std::move(name), Shown(setting.value), SourceName(setting.origin)};
}

}  // namespace

std::vector<EffectiveSetting> Effective(const api::ParallelJobSpec& spec) {
  std::vector<EffectiveSetting> out;
  const api::Field* size = api::FindField("spec.miniBatchSize");
  if (spec.partition_keys.empty()) {
    out.push_back({"miniBatchSize", Shown(spec.mini_batch_size, size->default_text),
                   SourceOf(spec, "spec.miniBatchSize", spec.mini_batch_size.has_value())});
  }
  api::ParallelJobSpec copy = spec;  // slots point into a spec that may change
  for (const api::Field& field : api::Fields()) {
    if (field.slot == nullptr || !field.path.starts_with("spec.")) continue;
    std::string name(field.path.substr(5));
    if (name == "progressUpdateTimeoutSeconds") {
      out.push_back({std::move(name), Shown(spec.EffectiveProgressTimeoutSeconds()),
                     SourceOf(spec, std::string(field.path),
                              spec.progress_update_timeout_seconds.has_value())});
    } else if (EffectiveSetting setting = Integer(field, std::move(name), copy);
               !setting.value.empty()) {
      out.push_back(std::move(setting));
    }
  }
  out.push_back(Of("loggingLevel", spec.logging_level));
  out.push_back(Of("copyLogsToParent", spec.copy_logs_to_parent));
  out.push_back(Of("successPolicy", spec.success_policy));
  out.push_back(
      {"logs", Shown(spec.logs), SourceOf(spec, "spec.logs", spec.logs != api::LogsPolicy::kKeep)});
  return out;
}

}  // namespace pj::op
