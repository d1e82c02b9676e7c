// FieldReader: typed values out of YAML nodes; what does not fit becomes one error with its place,
// its field, what was found and what is allowed. Internal to the front doors.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/fields.h"
#include "api/names.h"
#include "api/nearest_name.h"
#include "api/parallel_job.h"
#include "base/yaml_doc.h"

namespace pj::api {

// Not thread-safe; outlived by the diagnostics. `path` is always the manifest's path of the field.
// A node without a line came from `--set` and counts as text wherever text is wanted.
class FieldReader {
 public:
  FieldReader(std::string file, YamlDialect dialect, Diagnostics* out)
      : file_(std::move(file)), dialect_(dialect), out_(out) {}

  void Error(const YamlNode& at, const std::string& path, std::string message,
             std::string hint = {}) const;
  void Warn(const YamlNode& at, const std::string& path, std::string message,
            std::string hint = {}) const;
  void Note(const YamlNode& at, const std::string& path, std::string message) const;

  // Each returns nothing after it has reported why.
  std::optional<int64_t> Int(const YamlNode& node, const std::string& path) const;
  std::optional<bool> Bool(const YamlNode& node, const std::string& path) const;
  std::optional<std::string> Text(const YamlNode& node, const std::string& path) const;
  std::optional<std::vector<std::string>> Texts(const YamlNode& node,
                                                const std::string& path) const;
  std::optional<std::map<std::string, std::string>> TextMap(const YamlNode& node,
                                                            const std::string& path) const;
  std::optional<std::string> Fragment(const YamlNode& node, const std::string& path) const;
  template <class E>
  std::optional<E> Choice(const YamlNode& node, const std::string& path) const {
    const auto text = Text(node, path);
    if (!text) return std::nullopt;
    const std::optional<E> value = FromName<E>(*text);
    if (!value) WrongChoice(node, path, AllNames<E>());
    return value;
  }
  bool IsMapping(const YamlNode& node, const std::string& path) const;
  bool IsSequence(const YamlNode& node, const std::string& path) const;

  // Reports `key` of the mapping at `path` as unknown, with the right name or the right place.
  void UnknownKey(const YamlNode& key, const std::string& path) const;

 private:
  // Reports a text or a number of entries that the field at `field_path` may not hold.
  bool LengthFits(const YamlNode& node, const std::string& path,
                  const std::string& field_path) const;
  bool CountFits(const YamlNode& node, size_t count, const std::string& path) const;
  std::optional<std::string> TextOf(const YamlNode& node, const std::string& path,
                                    const std::string& field_path) const;
  // `wanted`: what a path that is not in the table takes.
  void Mismatch(const YamlNode& node, const std::string& path, std::string hint = {},
                std::string_view wanted = "text") const;
  void WrongChoice(const YamlNode& node, const std::string& path,
                   const std::vector<std::string_view>& names) const;
  Diagnostic At(const YamlNode& at, const std::string& path, std::string message,
                std::string hint) const;

  std::string file_;
  YamlDialect dialect_;
  Diagnostics* out_;
};

}  // namespace pj::api
