#include "api/azure_environment.h"

#include <fmt/core.h>

#include <filesystem>

#include "api/field_reader.h"
#include "base/fs.h"
#include "base/limits.h"

namespace pj::api {
namespace {

const std::vector<std::string_view> kKnown = {"image", "conda_file", "environment_variables",
                                              "build"};
const std::vector<std::string_view> kIgnored = {"os_type",    "name",        "version", "tags",
                                                "properties", "description", "$schema"};

class Reader {
 public:
  Reader(const AzureReporter& report, const AzureEnvironmentPlace& place, AzureImages* images)
      : report_(report), place_(place), at_(place.at), images_(*images) {}

  Environment Read() {
    if (at_.IsScalar() && at_.node->scalar.starts_with("file:") && !OpenFile()) return {};
    out_.base_dir = at_.source->dir;
    if (at_.IsScalar()) {
      Registered();
    } else if (at_.IsMapping()) {
      Inline();
    } else if (!at_.IsNull()) {
      report_.Error(at_, "takes a mapping with image and conda_file");
    }
    return std::move(out_);
  }

 private:
  std::optional<std::string> Text(const AzureNode& at) {
    const auto resolved = ResolveBindings(report_, at, *place_.scope);
    if (!resolved) return std::nullopt;
    return report_.Text({&*resolved, at.source, at.path});
  }

  // An environment in a file of its own takes the node's place; false after a report.
  bool OpenFile() {
    const auto path = std::filesystem::path(at_.source->dir) / at_.node->scalar.substr(5);
    const std::string file = path.lexically_normal().string();
    const auto text = ReadFile(file, limits::kYamlBytes);
    if (!text) {
      report_.Error(at_, text.error().message, "paths count from the file that names them");
      return false;
    }
    documents_ = report_.Parse(*text, file);
    if (documents_.empty() || documents_[0].kind != YamlNode::Kind::kMapping) {
      report_.Error(at_, fmt::format("{} holds no environment", file));
      return false;
    }
    source_ = {file, std::filesystem::path(file).parent_path().string()};
    at_ = {&documents_[0], &source_, ""};
    return true;
  }

  // A name that only a workspace knows.
  void Registered() {
    const auto reference = Text(at_);
    if (!reference) return;
    if (const std::string* image = images_.Take(*reference, place_.owners)) {
      out_.image = *image;
      return;
    }
    OnlyInAWorkspace(at_, "an environment", *reference);
  }

  void OnlyInAWorkspace(const AzureNode& at, std::string_view what, const std::string& reference) {
    const std::string name = reference.starts_with("azureml:") ? reference.substr(8) : reference;
    const bool note = images_.registered == Severity::kNote;
    report_.Report(images_.registered, at,
                   fmt::format("is {} that only a workspace of Azure knows{}", what,
                               note ? "; the current Python is used" : ""),
                   fmt::format("--image {}=REFERENCE names one that can be had", name));
  }

  void Inline() {
    report_.CheckKeys(at_, Severity::kWarning, kKnown, kIgnored);
    for (const std::string_view key : kIgnored) {
      if (const AzureNode ignored = at_.Child(key)) {
        CheckBindings(report_, ignored, *place_.scope);
      }
    }
    if (const AzureNode build = at_.Child("build")) {
      report_.Error(build, "an image cannot be built here",
                    "build and push it, and give it as image: REFERENCE");
    }
    const AzureNode image = at_.Child("image");
    if (image && !image.IsNull()) {
      Image(image);
    } else if (const std::string* given = images_.Take("", place_.owners)) {
      out_.image = *given;
    }
    if (const AzureNode conda = at_.Child("conda_file"); conda && !conda.IsNull()) {
      Conda(conda);
    }
    if (const AzureNode variables = at_.Child("environment_variables")) {
      if (!report_.WantMapping(variables)) return;
      for (const auto& [key, value] : variables.node->entries) {
        if (auto text = Text(variables.With(value, key.scalar))) {
          out_.variables[key.scalar] = std::move(*text);
        }
      }
    }
  }

  void Image(const AzureNode& at) {
    const auto text = Text(at);
    if (!text) return;
    const std::string* given = images_.Take(*text, place_.owners);
    if (given == nullptr && text->starts_with("azureml:")) {
      return OnlyInAWorkspace(at, "an image", *text);
    }
    out_.image = given == nullptr ? *text : *given;
  }

  void Conda(const AzureNode& at) {
    if (at.IsMapping()) {
      // Written out in place. JSON is YAML, and the newline tells it from a path.
      Diagnostics broken;
      const FieldReader json(at.source->file, YamlDialect::kPython, &broken);
      const auto text = json.Fragment(*at.node, "spec.task.environment.condaFile");
      if (text) {
        out_.conda_file = *text + "\n";
      } else {
        report_.Error(at, "holds .nan or .inf");
      }
      return;
    }
    const auto text = Text(at);
    if (!text) return;
    if (IsRemotePath(*text)) {
      report_.Error(at, "a remote Conda file cannot be read here", "keep it beside this file");
      return;
    }
    out_.conda_file = text->starts_with("file:") ? text->substr(5) : *text;
  }

  const AzureReporter& report_;
  const AzureEnvironmentPlace& place_;
  AzureNode at_;
  std::vector<YamlNode> documents_;
  AzureSource source_;
  AzureImages& images_;
  Environment out_;
};

}  // namespace

const std::string* AzureImages::Take(const std::string& reference,
                                     const std::vector<std::string>& owners) {
  std::string bare = reference.starts_with("azureml:") ? reference.substr(8) : reference;
  // name:version and name@label; an image's own tag belongs to its name.
  const std::string name = bare.substr(0, bare.find_first_of(":@"));
  std::vector<std::string> keys = {reference, bare, "azureml:" + bare, name, "azureml:" + name};
  keys.insert(keys.end(), owners.begin(), owners.end());
  for (const std::string& key : keys) {
    const auto it = given_.find(key);
    if (key.empty() || it == given_.end()) continue;
    used_.insert(key);
    return &it->second;
  }
  return nullptr;
}

std::vector<std::string> AzureImages::Unused() const {
  std::vector<std::string> out;
  for (const auto& entry : given_) {
    if (!used_.contains(entry.first)) out.push_back(entry.first);
  }
  return out;
}

Environment ReadAzureEnvironment(const AzureReporter& report, const AzureEnvironmentPlace& place,
                                 AzureImages* images) {
  return Reader(report, place, images).Read();
}

}  // namespace pj::api
