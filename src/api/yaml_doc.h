// YamlNode: the only door to yaml-cpp. Parses a file into a plain tree with exact positions, after
// closing yaml-cpp's traps (bombs, duplicate keys, `<<`, bad UTF-8, NUL, tabs, alias positions).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "api/diagnostics.h"

namespace pj::api {

// How plain scalars are read: as kubectl does (sigs.k8s.io/yaml: YAML 1.1 booleans of go-yaml v2 for
// struct decoding, but `1e3`, `010` … as it reads them), or as Python's YAML 1.1 reader does (Azure).
enum class YamlDialect { kKubectl, kPython };

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMapping };

  Kind kind = Kind::kNull;
  std::string scalar;   // kScalar: the text, unquoted and unfolded
  bool plain = true;    // kScalar: written without quotes or block indicator
  std::string tag;      // explicit tag ("!!str"), else empty
  int line = 0;         // 1-based
  int column = 0;       // 1-based, code points
  std::vector<YamlNode> items;                             // kSequence
  std::vector<std::pair<YamlNode, YamlNode>> entries;      // kMapping, in file order, `<<` merged

  // The value of a mapping's key, or null. The last one wins where duplicates were let through.
  const YamlNode* Find(std::string_view key) const;
};

// What a scalar means in a dialect.
using YamlValue = std::variant<std::monostate, bool, int64_t, double, std::string>;
YamlValue ResolveScalar(const YamlNode& node, YamlDialect dialect);

// All documents of `text`. Errors and warnings go to `out` with their place (`file` is only a name);
// on errors the result is empty. Duplicate keys: an error in kKubectl, a warning in kPython.
std::vector<YamlNode> ParseYaml(std::string_view text, const std::string& file,
                                YamlDialect dialect, Diagnostics* out);

}  // namespace pj::api
