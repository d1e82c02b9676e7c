#include "operator/effective.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "api/fields.h"
#include "api/mini_batch_size.h"
#include "api/names.h"
#include "job/resolved_job.h"
#include "job/volumes.h"

namespace pj::op {
namespace {

constexpr size_t kValueBytes = 1024;  // characters that the schema takes, at least

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

std::string Shown(bool value) { return value ? "true" : "false"; }
template <class E>
std::string Shown(E value) {
  return std::string(api::ToName(value));
}

class Lister {
 public:
  explicit Lister(const ParallelJobView& job) : job_(job), spec_(job.job.spec) {}

  std::vector<EffectiveSetting> List() {
    Data();
    Integers();
    Add("loggingLevel", spec_.logging_level);
    Add("copyLogsToParent", spec_.copy_logs_to_parent);
    Add("successPolicy", spec_.success_policy);
    AddPlain("task.type", spec_.task.type);
    AddGiven("task.entryScript", spec_.task.entry_script);
    AddGiven("task.programArguments", spec_.task.program_arguments);
    AddGiven("task.environment.image", spec_.task.environment.image);
    AddGiven("task.environment.pip", fmt::format("{}", fmt::join(spec_.task.environment.pip, " ")));
    Rows();
    AddPlain("logs", Shown(spec_.logs));
    Work();
    AddPlain("suspend", Shown(spec_.suspend));
    AddPlain("cancel", Shown(spec_.cancel));
    AddGiven("managedBy", spec_.managed_by);
    return std::move(out_);
  }

 private:
  void Add(std::string name, std::string value, const char* source) {
    if (value.size() > kValueBytes) value = "(longer than can be shown here)";
    out_.push_back({std::move(name), std::move(value), source});
  }
  template <class T>
  void Add(std::string name, const api::Setting<T>& setting) {
    Add(std::move(name), Shown(setting.value), SourceName(setting.origin));
  }
  // Of a type that does not tell whether it is set.
  void AddPlain(const std::string& name, std::string value) {
    Add(name, std::move(value), job_.written.contains(name) ? "manifest" : "default");
  }
  // Without a default: there only if the manifest has it.
  void AddGiven(std::string name, const std::string& value) {
    if (!value.empty()) Add(std::move(name), value, "manifest");
  }

  void Data() {
    AddGiven("inputData", fmt::format("{}", fmt::join(spec_.input_data, ", ")));
    for (const api::Input& input : spec_.inputs) {
      if (input.type == api::DataType::kLiteral) {
        Add(fmt::format("inputs[{}].value", input.name), input.value, "manifest");
      } else {
        Place("inputs", input);
      }
    }
    for (const api::Output& output : spec_.outputs) Place("outputs", output);
    if (!spec_.partition_keys.empty()) {
      return Add("partitionKeys", fmt::format("{}", fmt::join(spec_.partition_keys, ", ")),
                 "manifest");
    }
    const api::Field& size = *api::FindField("spec.miniBatchSize");
    Add("miniBatchSize",
        spec_.mini_batch_size ? ToText(*spec_.mini_batch_size) : std::string(size.default_text),
        spec_.mini_batch_size ? "manifest" : "default");
  }

  // Of an input or output: what it is, and how the pods come by it.
  template <class T>
  void Place(const char* list, const T& place) {
    const std::string at = fmt::format("{}[{}].", list, place.name);
    AddPlain(at + "type", Shown(place.type));
    const api::Field& mode = *api::FindField(fmt::format("spec.{}[].mode", list));
    Add(at + "mode", place.mode ? Shown(*place.mode) : std::string(mode.default_text),
        place.mode ? "manifest" : "default");
  }

  // All integers of the table; what is not set shows the rule that gives its value.
  void Integers() {
    api::ParallelJobSpec copy = spec_;  // slots point into a spec that may change
    for (const api::Field& field : api::Fields()) {
      if (field.slot == nullptr || !field.path.starts_with("spec.")) continue;
      const std::string name(field.path.substr(5));
      const api::IntSlot slot = field.slot(copy);
      if (const auto* setting = std::get_if<api::Setting<int64_t>*>(&slot)) {
        Add(name, fmt::format("{}", (*setting)->value), SourceName((*setting)->origin));
        continue;
      }
      std::optional<int64_t> value = *std::get<std::optional<int64_t>*>(slot);
      const char* source = spec_.from_flags.paths.contains(std::string(field.path)) ? "flag"
                           : value                                                  ? "manifest"
                                                                                    : "default";
      if (name == "progressUpdateTimeoutSeconds") value = spec_.EffectiveProgressTimeoutSeconds();
      const std::string shown = value ? fmt::format("{}", *value) : std::string(field.default_text);
      if (!shown.empty()) Add(name, shown, source);
    }
  }

  // How the rows are written that run() returns.
  void Rows() {
    const api::Output* output = spec_.FindOutput(spec_.task.append_row_to);
    if (output == nullptr) return;
    AddGiven("task.appendRowTo", output->name);
    job::ResolvedJob resolved;
    resolved.outputs[output->name] = output->path;
    job::ResolveTask(spec_, &resolved);
    const std::string at = fmt::format("outputs[{}].", output->name);
    Add(at + "format", resolved.append_format, output->format ? "manifest" : "default");
    const bool flag = spec_.from_flags.paths.contains("spec.outputs[].header");
    Add(at + "header", Shown(resolved.append_header),
        flag             ? "flag"
        : output->header ? "manifest"
                         : "default");
  }

  void Work() {
    const std::string volume = job::WorkVolume(spec_);
    if (volume.empty()) return;
    Add("work.volume", volume, spec_.work_volume.empty() ? "default" : "manifest");
  }

  const ParallelJobView& job_;
  const api::ParallelJobSpec& spec_;
  std::vector<EffectiveSetting> out_;
};

}  // namespace

std::vector<EffectiveSetting> Effective(const ParallelJobView& job) { return Lister(job).List(); }

}  // namespace pj::op
