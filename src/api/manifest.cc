#include "api/manifest.h"

#include <fmt/core.h>

#include <functional>

#include "api/bindings.h"
#include "api/field_reader.h"
#include "api/mini_batch_size.h"
#include "base/utf8.h"

namespace pj::api {
namespace {

using Handler = std::function<void(const YamlNode&, const std::string& path)>;
using Handlers = std::map<std::string_view, Handler>;

class ManifestReader {
 public:
  ManifestReader(std::string base_dir, Places* places, Diagnostics* out)
      : read_(places->file(), YamlDialect::kKubectl, out),
        base_dir_(std::move(base_dir)),
        places_(*places) {}

  ParallelJob Read(const YamlNode& root) {
    if (!read_.IsMapping(root, "")) return {};
    places_.Set("", root);
    const Handler seen = [](const YamlNode&, const std::string&) {};  // checked by LoadJobFile
    Walk(root, "",
         {{"apiVersion", seen},
          {"kind", seen},
          {"status", seen},  // a manifest that was fetched from a cluster has one
          {"metadata", [&](auto& n, auto&) { Metadata(n); }},
          {"spec", [&](auto& n, auto&) { Spec(n); }}});
    return std::move(job_);
  }

 private:
  // Calls a handler for each key of the mapping at `path`; integers go by the field table.
  void Walk(const YamlNode& node, const std::string& path, const Handlers& handlers) {
    if (!read_.IsMapping(node, path)) return;
    for (const auto& [key, value] : node.entries) {
      const std::string at = path.empty() ? key.scalar : path + "." + key.scalar;
      const Field* field = FindField(TablePath(at));
      const auto handler = handlers.find(key.scalar);
      if (handler == handlers.end() && (field == nullptr || field->slot == nullptr)) {
        read_.UnknownKey(key, path);
        continue;
      }
      places_.Set(at, value);
      if (handler != handlers.end())
        handler->second(value, at);
      else
        Integer(*field, value, at);
    }
  }

  void Integer(const Field& field, const YamlNode& node, const std::string& path) {
    const auto value = read_.Int(node, path);
    if (!value) return;
    const IntSlot slot = field.slot(job_.spec);
    if (auto* const* setting = std::get_if<Setting<int64_t>*>(&slot))
      (*setting)->Set(*value);
    else
      *std::get<std::optional<int64_t>*>(slot) = *value;
  }

  // Handlers that store what they read.
  Handler Text(std::string* to) {
    return [this, to](const YamlNode& node, const std::string& path) {
      if (auto text = read_.Text(node, path)) *to = std::move(*text);
    };
  }
  Handler Texts(std::vector<std::string>* to) {
    return [this, to](const YamlNode& node, const std::string& path) {
      if (auto texts = read_.Texts(node, path)) *to = std::move(*texts);
    };
  }
  Handler TextMap(std::map<std::string, std::string>* to) {
    return [this, to](const YamlNode& node, const std::string& path) {
      if (auto map = read_.TextMap(node, path)) *to = std::move(*map);
    };
  }
  Handler Fragment(KubeJson* to) {
    return [this, to](const YamlNode& node, const std::string& path) {
      if (auto json = read_.Fragment(node, path)) *to = std::move(*json);
    };
  }
  template <class E>
  Handler Choice(E* to) {
    return [this, to](const YamlNode& node, const std::string& path) {
      if (auto value = read_.Choice<E>(node, path)) *to = *value;
    };
  }
  template <class E>
  Handler OptionalChoice(std::optional<E>* to) {
    return [this, to](const YamlNode& node, const std::string& path) {
      if (auto value = read_.Choice<E>(node, path)) *to = value;
    };
  }
  template <class E>
  Handler ChoiceSetting(Setting<E>* to) {
    return [this, to](const YamlNode& node, const std::string& path) {
      if (auto value = read_.Choice<E>(node, path)) to->Set(*value);
    };
  }
  Handler BoolSetting(Setting<bool>* to) {
    return [this, to](const YamlNode& node, const std::string& path) {
      if (auto value = read_.Bool(node, path)) to->Set(*value);
    };
  }

  void Metadata(const YamlNode& node) {
    Handlers handlers = {{"name", Text(&job_.name)},
                         {"namespace", Text(&job_.ns)},
                         {"labels", TextMap(&job_.labels)},
                         {"annotations", TextMap(&job_.annotations)}};
    // What an API server writes into an object that is fetched from it.
    for (const char* key : {"uid", "resourceVersion", "generation", "creationTimestamp",
                            "managedFields", "ownerReferences", "finalizers", "selfLink",
                            "deletionTimestamp", "deletionGracePeriodSeconds"}) {
      handlers[key] = [](const YamlNode&, const std::string&) {};
    }
    handlers["generateName"] = [&](const YamlNode& n, const std::string& path) {
      read_.Error(n, path, "is not supported", "give the job a name in metadata.name");
    };
    Walk(node, "metadata", handlers);
  }

  void Spec(const YamlNode& node) {
    ParallelJobSpec& spec = job_.spec;
    Walk(
        node, "spec",
        {{"inputs", [&](auto& n, auto& p) { Items(n, p, &ManifestReader::ReadInput); }},
         {"outputs", [&](auto& n, auto& p) { Items(n, p, &ManifestReader::ReadOutput); }},
         {"inputData", [&](auto& n, auto& p) { InputData(n, p); }},
         {"miniBatchSize", [&](auto& n, auto& p) { ReadMiniBatchSize(n, p); }},
         {"partitionKeys", Texts(&spec.partition_keys)},
         {"retrySettings", [&](auto& n, auto& p) { Walk(n, p, {}); }},
         {"loggingLevel", ChoiceSetting(&spec.logging_level)},
         {"copyLogsToParent", BoolSetting(&spec.copy_logs_to_parent)},
         {"successPolicy", ChoiceSetting(&spec.success_policy)},
         {"task", [&](auto& n, auto& p) { ReadTask(n, p); }},
         {"environmentVariables", TextMap(&spec.environment_variables)},
         {"podTemplate", Fragment(&spec.pod_template)},
         {"work", [&](auto& n, auto& p) { Walk(n, p, {{"volume", Fragment(&spec.work_volume)}}); }},
         {"logs", Choice(&spec.logs)},
         {"suspend", [&](auto& n, auto& p) { spec.suspend = read_.Bool(n, p).value_or(false); }},
         {"cancel", [&](auto& n, auto& p) { spec.cancel = read_.Bool(n, p).value_or(false); }},
         {"managedBy", Text(&spec.managed_by)},
         {"rerun", Text(&spec.rerun)},
         {"rerunPolicy", OptionalChoice(&spec.rerun_policy)}});
  }

  // A list of named mappings; an item is called by its name where it has one.
  void Items(const YamlNode& node, const std::string& path,
             void (ManifestReader::*read)(const YamlNode&, const std::string&)) {
    if (!read_.IsSequence(node, path)) return;
    for (size_t i = 0; i < node.items.size(); ++i) {
      const YamlNode& item = node.items[i];
      const YamlNode* name = item.Find("name");
      const bool named = name != nullptr && name->kind == YamlNode::Kind::kScalar;
      const std::string at = fmt::format("{}[{}]", path, named ? name->scalar : std::to_string(i));
      places_.Set(at, item);
      (this->*read)(item, at);
    }
  }

  void ReadInput(const YamlNode& node, const std::string& path) {
    Input input;
    input.base_dir = base_dir_;
    Walk(node, path,
         {{"name", Text(&input.name)},
          {"type", Choice(&input.type)},
          {"path", Text(&input.path)},
          {"mode", OptionalChoice(&input.mode)},
          {"volume", Fragment(&input.volume)},
          {"value", [&](auto& n, auto& p) { Literal(n, p, &input.value); }}});
    if (node.Find("value") != nullptr) {
      for (const char* key : {"type", "path", "mode", "volume"}) {
        const YamlNode* other = node.Find(key);
        if (other == nullptr) continue;
        read_.Error(*other, path + "." + key, "does not go with value",
                    "a literal has only name and value");
      }
      input.type = DataType::kLiteral;
    }
    if (node.kind == YamlNode::Kind::kMapping) job_.spec.inputs.push_back(std::move(input));
  }

  void Literal(const YamlNode& node, const std::string& path, std::string* to) {
    if (node.kind == YamlNode::Kind::kScalar) {
      *to = PythonStr(ResolveScalar(node, YamlDialect::kKubectl));
      const Field* field = FindField(TablePath(path));
      const auto length = static_cast<int64_t>(CountCodePoints(*to));
      if (field != nullptr && length > LimitsOf(*field).length) {
        read_.Error(node, path,
                    fmt::format("has {} characters, at most {}", length, LimitsOf(*field).length));
      }
    } else {
      read_.Text(node, path);  // reports what it takes
    }
  }

  void ReadOutput(const YamlNode& node, const std::string& path) {
    Output output;
    Walk(node, path,
         {{"name", Text(&output.name)},
          {"type", Choice(&output.type)},
          {"path", Text(&output.path)},
          {"mode", OptionalChoice(&output.mode)},
          {"volume", Fragment(&output.volume)},
          {"format", OptionalChoice(&output.format)},
          {"header", [&](auto& n, auto& p) { output.header = read_.Bool(n, p); }}});
    if (node.kind == YamlNode::Kind::kMapping) job_.spec.outputs.push_back(std::move(output));
  }

  void InputData(const YamlNode& node, const std::string& path) {
    const bool list = node.kind == YamlNode::Kind::kSequence;
    const size_t count = list ? node.items.size() : 1;
    if (count == 0) read_.Error(node, path, "names no input", "write ${{inputs.NAME}}");
    if (list && !read_.IsSequence(node, path)) return;
    for (size_t i = 0; i < count; ++i) {
      const YamlNode& item = list ? node.items[i] : node;
      const std::string at = list ? fmt::format("{}[{}]", path, i) : path;
      const auto text = read_.Text(item, at);
      if (!text) continue;
      if (const auto name = WholeBinding(*text, "inputs")) {
        job_.spec.input_data.push_back(*name);
        places_.Set(fmt::format("spec.inputData[{}]", *name), item, path);
      } else {
        read_.Error(item, at, "takes a reference to an input",
                    fmt::format("write ${{{{inputs.{}}}}}", text->empty() ? "NAME" : *text));
      }
    }
  }

  void ReadMiniBatchSize(const YamlNode& node, const std::string& path) {
    if (node.kind == YamlNode::Kind::kScalar) {
      const YamlValue value = ResolveScalar(node, YamlDialect::kKubectl);
      const auto* whole = std::get_if<int64_t>(&value);
      const auto size = ParseMiniBatchSize(whole ? std::to_string(*whole) : node.scalar);
      if (size)
        job_.spec.mini_batch_size = *size;
      else
        read_.Error(node, path, size.error().message, size.error().hint);
      return;
    }
    read_.Int(node, path);  // reports what it takes
  }

  void ReadTask(const YamlNode& node, const std::string& path) {
    Task& task = job_.spec.task;
    Walk(node, path,
         {{"type", Text(&task.type)},
          {"code", [&](auto& n, auto& p) { ReadCode(n, p); }},
          {"entryScript", Text(&task.entry_script)},
          {"environment", [&](auto& n, auto& p) { ReadEnvironment(n, p); }},
          {"programArguments",
           [&](auto& n, auto& p) {
             Text (&task.program_arguments)(n, p);
             places_.SetArguments(n);
           }},
          {"appendRowTo", [&](auto& n, auto& p) { AppendRowTo(n, p); }}});
  }

  void ReadCode(const YamlNode& node, const std::string& path) {
    Code& code = job_.spec.task.code;
    if (node.kind == YamlNode::Kind::kScalar) {
      read_.Error(node, path, "takes a mapping, not text", "write code: {local: FOLDER}");
      return;
    }
    int sources = 0;
    const auto from = [&](Code::Source source, Handler store) -> Handler {
      return [&code, &sources, source, store](const YamlNode& n, const std::string& p) {
        code.source = source;
        ++sources;
        store(n, p);
      };
    };
    code.base_dir = base_dir_;
    Walk(node, path,
         {{"local", from(Code::Source::kLocal, Text(&code.local))},
          {"image", from(Code::Source::kImage, Text(&code.local))},
          {"configMap", from(Code::Source::kConfigMap, Fragment(&code.reference))},
          {"archive", from(Code::Source::kArchive, Fragment(&code.reference))},
          {"volume", from(Code::Source::kVolume, Fragment(&code.reference))},
          {"git", from(Code::Source::kGit, Fragment(&code.reference))}});
    if (sources > 1) {
      read_.Error(node, path, "names several sources",
                  "keep one of local, configMap, archive, volume, image");
    }
  }

  void ReadEnvironment(const YamlNode& node, const std::string& path) {
    Environment& environment = job_.spec.task.environment;
    environment.base_dir = base_dir_;
    Walk(node, path,
         {{"image", Text(&environment.image)},
          {"condaFile", Text(&environment.conda_file)},
          {"pip", Texts(&environment.pip)},
          {"variables", TextMap(&environment.variables)}});
  }

  void AppendRowTo(const YamlNode& node, const std::string& path) {
    const auto text = read_.Text(node, path);
    if (!text) return;
    if (const auto name = WholeBinding(*text, "outputs"))
      job_.spec.task.append_row_to = *name;
    else
      read_.Error(node, path, "takes a reference to an output", "write ${{outputs.NAME}}");
  }

  FieldReader read_;
  std::string base_dir_;
  Places& places_;
  ParallelJob job_;
};

}  // namespace

ParallelJob ReadManifest(const YamlNode& root, const std::string& base_dir, Places* places,
                         Diagnostics* out) {
  return ManifestReader(base_dir, places, out).Read(root);
}

}  // namespace pj::api
