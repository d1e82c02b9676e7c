#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "api/azure.h"
#include "api/azure_names.h"
#include "api/azure_step.h"
#include "api/nearest_name.h"
#include "api/validate.h"
#include "api/validate_files.h"
#include "base/fs.h"
#include "base/limits.h"

namespace pj::api {
namespace {

const std::vector<std::string_view> kPipelineKeys = {"type", "settings", "inputs", "outputs",
                                                     "jobs"};
const std::vector<std::string_view> kIgnoredPipelineKeys = {
    "$schema", "name",     "display_name", "description", "experiment_name", "tags",
    "compute", "identity", "properties",   "version",     "services",        "comment"};
const std::vector<std::string_view> kIgnoredSettings = {"default_compute", "default_datastore",
                                                        "force_rerun"};
const std::vector<std::string_view> kCannotRun = {
    "pipeline", "parallel_for", "if_else", "do_while", "data_transfer",
    "import",   "sweep",        "automl",  "spark",    "finetuning"};

std::string ScalarAt(const AzureNode& at, std::string_view key) {
  const AzureNode child = at.Child(key);
  return child && child.IsScalar() ? child.node->scalar : std::string();
}

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

class Loader {
 public:
  Loader(const YamlNode& root, const std::string& path, const LoadOptions& options,
         Diagnostics* out)
      : options_(options),
        out_(out),
        report_(out),
        overrides_(options.input_paths),
        images_(options.images, options.registered_environment),
        places_(path, Spelling::kAzure) {
    sources_.push_back({path, FolderOf(path)});
    root_ = {&root, &sources_.back(), ""};
    job_name_ = MakeName(path);
  }

  std::vector<LoadedJob> Load() {
    const std::string type = AsciiLower(ScalarAt(root_, "type"));
    if (type == "pipeline" || root_.Child("jobs")) {
      Pipeline();
    } else if (type == "parallel" || (type.empty() && root_.Child("task"))) {
      Read({.step = root_});
    } else {
      CannotRun(root_.Child("type") ? root_.Child("type") : root_, type);
    }
    return std::move(jobs_);
  }

 private:
  std::string MakeName(const std::string& path) const {
    for (const char* key : {"name", "display_name"}) {
      const std::string name = ScalarAt(root_, key);
      if (!name.empty() && name.find("${{") == std::string::npos) return KubernetesName(name);
    }
    return KubernetesName(NameOfFile(path));
  }

  void Pipeline() {
    if (const AzureNode type = root_.Child("type");
        type && AsciiLower(ScalarAt(root_, "type")) != "pipeline") {
      report_.Error(type, "is not the type of a file with jobs", "write type: pipeline");
    }
    report_.CheckKeys(root_, Severity::kError, kPipelineKeys, kIgnoredPipelineKeys);
    Settings(root_.Child("settings"));
    inputs_ = AzureInputReader(report_, &overrides_).ReadRoot(root_.Child("inputs"));
    outputs_ = AzureOutputReader(report_, job_name_).ReadDeclarations(root_.Child("outputs"));
    AzureScope scope{.parent_inputs = &inputs_, .parent_outputs = NamesOf(outputs_)};
    for (const std::string_view key : kIgnoredPipelineKeys) {
      if (const AzureNode ignored = root_.Child(key)) CheckBindings(report_, ignored, scope);
    }
    const AzureNode steps = root_.Child("jobs");
    if (!steps || !steps.IsMapping() || steps.node->entries.empty()) {
      report_.Error(steps ? steps : root_, "a pipeline needs steps", "write jobs: {NAME: …}");
      return;
    }
    bool good = true;
    for (const auto& [key, value] : steps.node->entries) {
      good = CheckStep(steps.With(value, key.scalar), steps.With(key, key.scalar)) && good;
    }
    if (!good) return;
    if (steps.node->entries.size() > 1) {
      const auto& second = steps.node->entries[1].first;
      report_.Error(steps.With(second, second.scalar),
                    "pipelines of several steps are not supported yet",
                    "keep one parallel step, or write a file for each");
      return;
    }
    const auto& [key, value] = steps.node->entries[0];
    Step(steps.With(value, key.scalar), key.scalar);
  }

  void Settings(const AzureNode& at) {
    if (!at || !report_.WantMapping(at)) return;
    report_.CheckKeys(at, Severity::kWarning, {"continue_on_step_failure"}, kIgnoredSettings);
    if (const AzureNode flag = at.Child("continue_on_step_failure")) report_.Bool(flag);
  }

  // False if the step is of a kind that is not run here.
  bool CheckStep(const AzureNode& step, const AzureNode& key) {
    if (!step.IsMapping()) {
      report_.Error(step.node->line > 0 ? step : key, "takes a mapping");
      return false;
    }
    const std::string type = AsciiLower(ScalarAt(step, "type"));
    if (type == "parallel" || (type.empty() && (step.Child("component") || step.Child("task")))) {
      return true;
    }
    if (type.empty() && !step.Child("command")) {
      report_.Error(key, "the step has no type", "write type: parallel");
      return false;
    }
    CannotRun(step.Child("type") ? step.Child("type") : key, type.empty() ? "command" : type);
    return false;
  }

  void CannotRun(const AzureNode& at, const std::string& type) {
    if (type == "command") {
      report_.Error(at, "command steps are not supported yet",
                    "run the command beforehand, and give its output with --input");
    } else if (std::ranges::find(kCannotRun, type) != kCannotRun.end()) {
      report_.Error(at, fmt::format("steps of type {} cannot be run outside Azure", type),
                    "write the work as a parallel step");
    } else if (IsVersion1(at, type)) {
      return;
    } else {
      report_.Error(at, "is no type that is known", SuggestName(type, {"parallel", "pipeline"}));
    }
  }

  // Components of the first version of Azure's SDK.
  bool IsVersion1(const AzureNode& at, const std::string& type) {
    if (type.find("component") == std::string::npos) return false;
    report_.Error(at, "components of Azure's first version cannot be run here",
                  "write the component with type: parallel");
    return true;
  }

  void Step(const AzureNode& step, const std::string& name) {
    AzureNode component = step.Child("component");
    if (component && !component.IsNull()) {
      component = Component(component);
      if (!component) return;
    }
    Read({.step = step,
          .component = component,
          .name = name,
          .parent_inputs = &inputs_,
          .parent_outputs = &outputs_});
    for (const AzureOutputs::value_type& output : outputs_) {
      if (jobs_.back().pipeline_outputs.contains(output.first)) continue;
      report_.Warn(
          output.second.at, "no step writes this output",
          fmt::format("bind it: outputs: {{NAME: ${{{{parent.outputs.{}}}}}}}", output.first));
    }
  }

  // The component's mapping; empty after a report.
  AzureNode Component(const AzureNode& at) {
    if (at.IsMapping()) return CheckComponent(at);
    const auto text = report_.Text(at);
    if (!text) return {};
    std::string path = text->starts_with("file:") ? text->substr(5) : *text;
    if (IsRemotePath(path) || path.find("${{") != std::string::npos) {
      report_.Error(at, "a registered component cannot be had here",
                    "keep its YAML beside this file: component: ./component.yml");
      return {};
    }
    const std::filesystem::path file = std::filesystem::path(at.source->dir) / path;
    if (file.filename() == "flow.dag.yaml") {
      report_.Error(at, "a prompt flow cannot be run outside Azure",
                    "write the work as a parallel step");
      return {};
    }
    return ReadComponent(at, file.lexically_normal().string());
  }

  AzureNode ReadComponent(const AzureNode& at, const std::string& file) {
    const auto text = ReadFile(file, limits::kYamlBytes);
    if (!text) {
      report_.Error(at, text.error().message, "paths count from the file that names them");
      return {};
    }
    documents_.push_back(report_.Parse(*text, file));
    const std::vector<YamlNode>& documents = documents_.back();
    if (documents.empty() || documents[0].kind != YamlNode::Kind::kMapping) {
      report_.Error(at, fmt::format("{} holds no component", file));
      return {};
    }
    sources_.push_back({file, FolderOf(file)});
    return CheckComponent({&documents[0], &sources_.back(), ""});
  }

  AzureNode CheckComponent(const AzureNode& component) {
    const AzureNode at = component.Child("type") ? component.Child("type") : component;
    const std::string type = AsciiLower(ScalarAt(component, "type"));
    if (ScalarAt(component, "$schema").find("sdk-2-0") != std::string::npos) {
      IsVersion1(component.Child("$schema"), "component");
      return {};
    }
    if (type == "parallel" || (type.empty() && component.Child("task"))) return component;
    CannotRun(at, type.empty() && component.Child("command") ? "command" : type);
    return {};
  }

  void Read(const AzureStep& step) {
    const AzureShared shared{.report = report_,
                             .overrides = overrides_,
                             .images = images_,
                             .places = places_,
                             .job_name = job_name_};
    AzureStepReader reader(shared, step);
    places_.Set("", *root_.node);
    LoadedJob loaded{.from_azure = true, .step = step.name};
    loaded.job.spec = reader.Read();
    loaded.pipeline_outputs = reader.bound_outputs();
    loaded.replaced_inputs = overrides_.replaced();
    loaded.job.name = job_name_;
    Annotate(&loaded.job);
    Diagnostics found;
    FinishJob(places_, options_, &loaded.job, &found);
    loaded.places = LaterPlaces(places_, options_, loaded.job);
    for (const Diagnostic& d : found.all()) {
      // The words of program_arguments are read here again, and were wrong before.
      if (!Said(d.ToString())) out_->Add(d);
    }
    ReportUnused(reader, step.name);
    jobs_.push_back(std::move(loaded));
  }

  bool Said(const std::string& text) const {
    return std::ranges::any_of(out_->all(),
                               [&](const Diagnostic& d) { return d.ToString() == text; });
  }

  void Annotate(ParallelJob* job) const {
    for (const auto& [key, annotation] :
         {std::pair{"display_name", "paralleljob.dev/display-name"},
          std::pair{"description", "paralleljob.dev/description"}}) {
      const std::string text = ScalarAt(root_, key);
      if (!text.empty()) job->annotations[annotation] = text;
    }
  }

  void ReportUnused(const AzureStepReader& reader, const std::string& step) {
    std::vector<std::string> names;
    for (const std::string_view name : inputs_.Names()) names.emplace_back(name);
    for (const std::string_view name : reader.inputs().Names()) {
      names.push_back(step.empty() ? std::string(name) : fmt::format("{}.{}", step, name));
    }
    for (const std::string& name : overrides_.Unused()) {
      report_.OptionError("--input " + name, "there is no such input",
                          SuggestName(name, {names.begin(), names.end()}));
    }
    for (const std::string& name : images_.Unused()) {
      report_.OptionError("--image " + name, "there is no such image, step or job",
                          "name the image as it stands in the file, the step or the job");
    }
  }

  const LoadOptions& options_;
  Diagnostics* out_;
  AzureReporter report_;
  AzureOverrides overrides_;
  AzureImages images_;
  Places places_;
  std::deque<AzureSource> sources_;
  std::deque<std::vector<YamlNode>> documents_;
  AzureNode root_;
  std::string job_name_;
  AzureInputs inputs_;
  AzureOutputs outputs_;
  std::vector<LoadedJob> jobs_;
};

}  // namespace

bool LooksLikeAzure(const YamlNode& root) {
  if (root.kind != YamlNode::Kind::kMapping) return false;
  if (root.Find("apiVersion") != nullptr || root.Find("kind") != nullptr) return false;
  for (const char* key : {"$schema", "type", "jobs", "task", "component", "input_data"}) {
    if (root.Find(key) != nullptr) return true;
  }
  return false;
}

std::vector<LoadedJob> LoadAzureFile(const YamlNode& root, const std::string& path,
                                     const LoadOptions& options, Diagnostics* out) {
  Diagnostics found;
  std::vector<LoadedJob> jobs = Loader(root, path, options, &found).Load();
  found.SortByPlace();
  for (const Diagnostic& d : found.all()) out->Add(d);
  return jobs;
}

}  // namespace pj::api
