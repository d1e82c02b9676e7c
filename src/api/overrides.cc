#include "api/overrides.h"

#include <fmt/core.h>

#include <charconv>
#include <filesystem>

#include "api/nearest_name.h"
#include "api/validate_files.h"
#include "base/json.h"

namespace pj::api {
namespace {

void Refuse(std::string field, std::string message, std::string hint, Diagnostics* out) {
  Diagnostic d;
  d.file = "--set";
  d.field = std::move(field);
  d.message = std::move(message);
  d.hint = std::move(hint);
  out->Add(std::move(d));
}

YamlNode PlainText(std::string text) {
  YamlNode node;
  node.kind = YamlNode::Kind::kScalar;
  node.scalar = std::move(text);
  return node;
}

// Nodes of the command line have no place in a file.
void ForgetPlaces(YamlNode* node) {
  node->line = 0;
  node->column = 0;
  node->text_places.clear();
  for (YamlNode& item : node->items) ForgetPlaces(&item);
  for (auto& [key, value] : node->entries) {
    ForgetPlaces(&key);
    ForgetPlaces(&value);
  }
}

std::optional<YamlNode> ReadValue(const std::string& text, Diagnostics* out) {
  if (text.empty() || std::string_view("[{\"'").find(text[0]) == std::string_view::npos) {
    YamlNode node = PlainText(text);
    node.plain = !text.empty();
    return node;
  }
  std::vector<YamlNode> documents = ParseYaml(text, "--set", YamlDialect::kKubectl, out);
  if (documents.size() != 1) return std::nullopt;
  ForgetPlaces(&documents[0]);
  return std::move(documents[0]);
}

// The child `key` of a mapping, made if it is not there.
YamlNode* Child(YamlNode* node, const std::string& key) {
  if (node->kind == YamlNode::Kind::kNull) node->kind = YamlNode::Kind::kMapping;
  if (node->kind != YamlNode::Kind::kMapping) return nullptr;
  for (auto& [known, value] : node->entries) {
    if (known.scalar == key) return &value;
  }
  node->entries.emplace_back(PlainText(key), YamlNode{});
  return &node->entries.back().second;
}

// The item of a list by its `name`, or by its number.
YamlNode* Item(YamlNode* node, const std::string& key) {
  if (node->kind != YamlNode::Kind::kSequence) return nullptr;
  for (YamlNode& item : node->items) {
    const YamlNode* name = item.Find("name");
    if (name != nullptr && name->scalar == key) return &item;
  }
  size_t index = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
  const bool number = error == std::errc() && end == key.data() + key.size();
  return number && index < node->items.size() ? &node->items[index] : nullptr;
}

YamlNode* Walk(YamlNode* node, std::string_view path) {
  while (!path.empty() && node != nullptr) {
    if (path[0] == '[') {
      const size_t close = path.find(']');
      if (close == std::string_view::npos) return nullptr;
      node = Item(node, std::string(path.substr(1, close - 1)));
      path.remove_prefix(close + 1);
    } else {
      const size_t end = std::min(path.find_first_of(".["), path.size());
      node = Child(node, std::string(path.substr(0, end)));
      path.remove_prefix(end);
    }
    if (path.starts_with(".")) path.remove_prefix(1);
  }
  return node;
}

// pvc:CLAIM/path → a volume and a path below it.
void SetInputPath(const std::string& path, Input* input) {
  input->volume.clear();
  std::error_code gone;  // of a working folder that was removed: then the path leads nowhere
  input->base_dir = std::filesystem::current_path(gone).string();
  input->path = path;
  if (!path.starts_with("pvc:")) return;
  const size_t slash = path.find('/');
  Json volume;
  volume["persistentVolumeClaim"]["claimName"] =
      path.substr(4, slash == std::string::npos ? slash : slash - 4);
  input->volume = DumpJson(volume);
  input->path = slash == std::string::npos ? std::string() : path.substr(slash + 1);
}

}  // namespace

void ApplySet(const std::string& assignment, YamlNode* root, Diagnostics* out) {
  const size_t equals = assignment.find('=');
  const std::string path = assignment.substr(0, equals);
  if (equals == std::string::npos ||
      !(path.starts_with("spec.") || path.starts_with("metadata."))) {
    return Refuse(assignment, "is not an assignment",
                  "write --set spec.FIELD=VALUE, e.g. spec.miniBatchSize=7", out);
  }
  auto value = ReadValue(assignment.substr(equals + 1), out);
  if (!value) return;
  YamlNode* target = Walk(root, path);
  if (target == nullptr) {
    return Refuse(path, "does not lead to a field of this manifest",
                  "items of a list are named: spec.inputs[NAME].path", out);
  }
  *target = std::move(*value);
}

void ApplyInputsAndImages(const LoadOptions& options, LoadedJob* loaded,
                          std::set<std::string>* used) {
  ParallelJob* const job = &loaded->job;
  for (Input& input : job->spec.inputs) {
    const auto path = options.input_paths.find(input.name);
    if (path == options.input_paths.end()) continue;
    used->insert("--input " + input.name);
    if (input.type == DataType::kLiteral) {
      input.value = path->second;
      continue;
    }
    if (input.volume.empty() && !input.path.empty()) {
      loaded->replaced_inputs.push_back(ResolvePath(input.base_dir, input.path));
    }
    SetInputPath(path->second, &input);
  }
  std::string& image = job->spec.task.environment.image;
  for (const std::string& name : {image, job->name}) {
    const auto reference = options.images.find(name);
    if (name.empty() || reference == options.images.end()) continue;
    used->insert("--image " + name);
    image = reference->second;
    break;
  }
}

void ReportUnusedOverrides(const LoadOptions& options, const std::set<std::string>& used,
                           const std::vector<LoadedJob>& jobs, Diagnostics* out) {
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> images;
  for (const LoadedJob& loaded : jobs) {
    for (const Input& input : loaded.job.spec.inputs) inputs.push_back(input.name);
    images.push_back(loaded.job.name);
  }
  const auto report = [&](const std::string& option, const std::string& name,
                          const std::vector<std::string_view>& known) {
    if (used.contains(option + " " + name)) return;
    Diagnostic d;
    d.file = option;
    d.value = name;
    d.message = option == "--input" ? "no job of this file has this input"
                                    : "no job of this file has this image or this name";
    d.hint = SuggestName(name, known);
    out->Add(std::move(d));
  };
  for (const auto& [name, path] : options.input_paths) report("--input", name, inputs);
  for (const auto& [name, reference] : options.images) report("--image", name, images);
}

}  // namespace pj::api
