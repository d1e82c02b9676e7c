#include "api/program_arguments.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "api/bindings.h"
#include "api/fields.h"
#include "api/load.h"
#include "api/nearest_name.h"

namespace pj::api {
namespace {

enum class FlagKind { kField, kCopyLogs, kHeader, kNoEffect };

struct RuntimeFlag {
  std::string_view name;
  FlagKind kind = FlagKind::kField;
  std::string_view path = {};  // kField: the integer field that it sets
};

constexpr RuntimeFlag kFlags[] = {
    {"--error_threshold", FlagKind::kField, "spec.errorThreshold"},
    {"--allowed_failed_count", FlagKind::kField, "spec.miniBatchErrorThreshold"},
    {"--allowed_failed_percent", FlagKind::kField, "spec.allowedFailedPercent"},
    {"--task_overhead_timeout", FlagKind::kField, "spec.taskOverheadTimeoutSeconds"},
    {"--progress_update_timeout", FlagKind::kField, "spec.progressUpdateTimeoutSeconds"},
    {"--first_task_creation_timeout", FlagKind::kField, "spec.firstTaskCreationTimeoutSeconds"},
    {"--resource_monitor_interval", FlagKind::kField, "spec.resourceMonitorIntervalSeconds"},
    {"--process_count_per_node", FlagKind::kField, "spec.maxConcurrencyPerInstance"},
    {"--copy_logs_to_parent", FlagKind::kCopyLogs},
    {"--append_row_dataframe_header", FlagKind::kHeader},
    {"--metrics_name_prefix", FlagKind::kNoEffect},
    {"--push_metrics_to_parent", FlagKind::kNoEffect},
};
constexpr size_t kMissingLetters = 3;  // a prefix that lacks more is not taken for the flag

std::vector<std::string_view> FlagNames() {
  std::vector<std::string_view> out;
  for (const RuntimeFlag& flag : kFlags) out.push_back(flag.name);
  return out;
}

// The flag that `name` is, or is an unambiguous prefix of.
const RuntimeFlag* FindFlag(std::string_view name) {
  const RuntimeFlag* found = nullptr;
  for (const RuntimeFlag& flag : kFlags) {
    if (flag.name == name) return &flag;
    if (!flag.name.starts_with(name)) continue;
    if (found != nullptr) return nullptr;
    found = &flag;
  }
  const bool close = found != nullptr && found->name.size() - name.size() <= kMissingLetters;
  return close ? found : nullptr;
}

std::optional<bool> ParseBool(std::string_view text) {
  if (text == "True" || text == "true") return true;
  if (text == "False" || text == "false") return false;
  return std::nullopt;
}

std::string FlagName(const std::string& word) { return word.substr(0, word.find('=')); }

class FlagTaker {
 public:
  FlagTaker(Diagnostic place, const YamlNode* node, ParallelJobSpec* spec, Diagnostics* out)
      : place_(std::move(place)), node_(node), spec_(*spec), out_(out) {}

  std::vector<Word> Take(const std::string& text) {
    auto words = SplitWords(text);
    if (!words) {
      Report(Severity::kError, std::stoul(words.error().where), words.error().message,
             words.error().hint);
      return {};
    }
    words_ = Flatten(std::move(*words));
    for (next_ = 0; next_ < words_.size();) Step();
    for (const auto& [flag, use] : uses_) Apply(*flag, use);
    return std::move(kept_);
  }

 private:
  struct Use {
    std::optional<std::string> value;
    size_t offset = 0;
  };

  void Report(Severity severity, size_t offset, std::string message, std::string hint,
              std::string value = {}) const {
    Diagnostic d = PlaceInText(place_, node_, offset);
    d.severity = severity;
    d.message = std::move(message);
    d.hint = std::move(hint);
    d.value = std::move(value);
    out_->Add(std::move(d));
  }

  // Opens the optional groups that hold a runtime flag: those are decided now, all others when the
  // arguments are bound.
  std::vector<Word> Flatten(std::vector<Word> words) const {
    std::vector<Word> out;
    for (Word& word : words) {
      const auto inside = SplitWords(GroupInside(word.text));
      const bool flagged =
          inside && std::any_of(inside->begin(), inside->end(), [](const Word& w) {
            return w.text.starts_with("--") && FindFlag(FlagName(w.text)) != nullptr;
          });
      if (!flagged) {
        out.push_back(std::move(word));
        continue;
      }
      if (!HasAllLiterals(*inside)) continue;
      for (const Word& inner : *inside) {
        out.push_back({inner.text, word.offset + 3 + inner.offset});
      }
    }
    return out;
  }

  bool HasAllLiterals(const std::vector<Word>& words) const {
    for (const Word& word : words) {
      for (const Binding& binding : FindBindings(word.text)) {
        if (Literal(binding.path) == nullptr) return false;
      }
    }
    return true;
  }

  const Input* Literal(const std::string& path) const {
    if (!path.starts_with("inputs.")) return nullptr;
    const Input* input = spec_.FindInput(path.substr(7));
    return input != nullptr && input->type == DataType::kLiteral ? input : nullptr;
  }

  void Step() {
    const Word& word = words_[next_++];
    if (rest_is_scripts_ || !word.text.starts_with("--") || word.text == "--") {
      rest_is_scripts_ = rest_is_scripts_ || word.text == "--";
      kept_.push_back(word);
      return;
    }
    const std::string name = FlagName(word.text);
    const RuntimeFlag* flag = FindFlag(name);
    if (flag == nullptr) {
      WarnNearMiss(name, word.offset);
      kept_.push_back(word);
      return;
    }
    if (name != flag->name) {
      Report(Severity::kWarning, word.offset, fmt::format("{} is taken for {}", name, flag->name),
             "write the whole name");
    }
    Use use{std::nullopt, word.offset};
    if (name.size() < word.text.size())
      use.value = word.text.substr(name.size() + 1);
    else
      TakeNextWord(*flag, &use);
    uses_[flag] = std::move(use);
  }

  void TakeNextWord(const RuntimeFlag& flag, Use* use) {
    if (next_ == words_.size() || words_[next_].text.starts_with("--")) return;
    const bool optional = flag.kind == FlagKind::kHeader;
    if (optional && !ParseBool(words_[next_].text) && FindBindings(words_[next_].text).empty()) {
      return;
    }
    use->value = words_[next_++].text;
  }

  void WarnNearMiss(const std::string& name, size_t offset) const {
    std::string spelt = name;
    std::replace(spelt.begin() + 2, spelt.end(), '-', '_');
    for (const std::string_view flag : FlagNames()) {
      if (EditDistance(spelt, flag, 2) > 2) continue;
      Report(Severity::kWarning, offset,
             fmt::format("{} is not a runtime flag and goes to the script", name),
             fmt::format("did you mean {}?", flag));
      return;
    }
  }

  // Literals in place of their bindings.
  std::optional<std::string> Resolve(const Use& use) const {
    std::string text = *use.value;
    const std::vector<Binding> bindings = FindBindings(text);
    for (auto binding = bindings.rbegin(); binding != bindings.rend(); ++binding) {
      const Input* input = Literal(binding->path);
      if (input == nullptr) {
        Report(Severity::kError, use.offset, "a runtime flag takes a literal input",
               "write the number itself, or declare the input with a value", text);
        return std::nullopt;
      }
      text.replace(binding->begin, binding->end - binding->begin, input->value);
    }
    return text;
  }

  void Apply(const RuntimeFlag& flag, const Use& use) {
    if (!use.value) {
      if (flag.kind == FlagKind::kHeader) return SetHeader(true, use);
      return Report(Severity::kError, use.offset, fmt::format("{} has no value", flag.name),
                    fmt::format("write {} VALUE", flag.name));
    }
    const auto value = Resolve(use);
    if (!value) return;
    if (flag.kind == FlagKind::kField) return SetField(flag, *value, use);
    if (flag.kind == FlagKind::kNoEffect) {
      return Report(Severity::kNote, use.offset, fmt::format("{} has no effect here", flag.name),
                    "");
    }
    const auto on = ParseBool(*value);
    if (!on) {
      return Report(Severity::kError, use.offset, fmt::format("{} takes True or False", flag.name),
                    "", *value);
    }
    if (flag.kind == FlagKind::kHeader) return SetHeader(*on, use);
    if (spec_.copy_logs_to_parent.origin == Origin::kManifest &&
        spec_.copy_logs_to_parent.value != *on) {
      return Contradiction(flag.name, "spec.copyLogsToParent", use, *value);
    }
    spec_.copy_logs_to_parent.Set(*on, Origin::kFlag);
  }

  // A field as the file that is read spells it.
  std::string_view Spelt(const Field& field) const {
    const bool azure = place_.field.ends_with("program_arguments") && !field.azure.empty();
    return azure ? field.azure : field.path;
  }

  void Contradiction(std::string_view flag, std::string_view path, const Use& use,
                     const std::string& value) const {
    Report(Severity::kError, use.offset, fmt::format("{} contradicts {}", flag, path),
           "keep one of them", value);
  }

  void SetField(const RuntimeFlag& flag, const std::string& value, const Use& use) {
    const Field& field = *FindField(flag.path);
    int64_t number = 0;
    const char* last = value.data() + value.size();
    const char* first = value.data() + (value.starts_with('+') ? 1 : 0);
    const auto [end, error] = std::from_chars(first, last, number);
    if (error != std::errc() || end != last || number < field.min || number > field.max) {
      return Report(Severity::kError, use.offset,
                    fmt::format("{} takes {}", flag.name, Allowed(field)), "", value);
    }
    const IntSlot slot = field.slot(spec_);
    if (auto* const* setting = std::get_if<Setting<int64_t>*>(&slot)) {
      const bool written = (*setting)->origin == Origin::kManifest && (*setting)->value != number;
      const bool as_default = fmt::format("{}", (*setting)->value) == field.default_text;
      if (written && !as_default) {
        return Contradiction(flag.name, Spelt(field), use, value);
      }
      if (written) {
        Report(Severity::kWarning, use.offset,
               fmt::format("{} counts, not {}, which is at its default of {}", flag.name,
                           Spelt(field), field.default_text),
               "keep one of them", value);
      }
      if (written || !(*setting)->IsSet())
        (*setting)->Set(number, Origin::kFlag);
      else
        (*setting)->value = number;
      return;
    }
    auto& optional = *std::get<std::optional<int64_t>*>(slot);
    if (optional && *optional != number) {
      return Contradiction(flag.name, Spelt(field), use, value);
    }
    if (!optional) spec_.from_flags.paths.emplace(field.path);
    optional = number;
  }

  void SetHeader(bool on, const Use& use) {
    for (Output& output : spec_.outputs) {
      if (output.name != spec_.task.append_row_to) continue;
      if (output.header && *output.header != on) {
        return Contradiction("--append_row_dataframe_header",
                             fmt::format("spec.outputs[{}].header", output.name), use,
                             on ? "True" : "False");
      }
      if (!output.header) spec_.from_flags.paths.emplace("spec.outputs[].header");
      output.header = on;
      return;
    }
    Report(Severity::kWarning, use.offset,
           "--append_row_dataframe_header has no effect without an output that collects rows",
           "name one in appendRowTo");
  }

  Diagnostic place_;
  const YamlNode* node_;
  ParallelJobSpec& spec_;
  Diagnostics* out_;
  std::vector<Word> words_;
  std::vector<Word> kept_;
  size_t next_ = 0;
  bool rest_is_scripts_ = false;
  std::map<const RuntimeFlag*, Use> uses_;  // the last one of each counts
};

std::string BindWord(const std::string& word, const std::map<std::string, std::string>& values) {
  std::string out = word;
  const std::vector<Binding> bindings = FindBindings(word);
  for (auto binding = bindings.rbegin(); binding != bindings.rend(); ++binding) {
    const auto value = values.find(binding->path);
    if (value == values.end()) continue;
    out.replace(binding->begin, binding->end - binding->begin, value->second);
  }
  return out;
}

}  // namespace

Diagnostic PlaceInText(const Diagnostic& place, const YamlNode* node, size_t offset) {
  Diagnostic d = place;
  d.value.clear();
  if (node == nullptr || node->line == 0) return d;
  const YamlNode::TextPlace at = node->PlaceOf(offset);
  d.line = at.line;
  d.column = at.column;
  return d;
}

std::vector<Word> TakeRuntimeFlags(const std::string& text, const Diagnostic& place,
                                   const YamlNode* node, ParallelJobSpec* spec, Diagnostics* out) {
  return FlagTaker(place, node, spec, out).Take(text);
}

std::vector<std::string> SplitProgramArguments(const std::string& text, ParallelJobSpec* spec,
                                               const Diagnostic& place, Diagnostics* out) {
  std::vector<std::string> words;
  for (Word& word : TakeRuntimeFlags(text, place, nullptr, spec, out)) {
    words.push_back(std::move(word.text));
  }
  return words;
}

std::vector<std::string> BindArguments(const std::vector<std::string>& words,
                                       const std::map<std::string, std::string>& values) {
  std::vector<std::string> out;
  for (const std::string& word : words) {
    const std::string_view inside = GroupInside(word);
    if (inside.empty()) {
      out.push_back(BindWord(word, values));
      continue;
    }
    const std::vector<Binding> bindings = FindBindings(inside);
    const bool whole = std::all_of(bindings.begin(), bindings.end(), [&](const Binding& binding) {
      return values.contains(binding.path);
    });
    const auto inner = SplitWords(inside);
    if (!whole || !inner) continue;
    for (const Word& w : *inner) out.push_back(BindWord(w.text, values));
  }
  return out;
}

}  // namespace pj::api
