// YamlNode: the only door to yaml-cpp. Parses a file into a plain tree with exact positions, after
// closing yaml-cpp's traps (bombs, duplicate keys, `<<`, bad UTF-8, NUL, tabs, alias positions).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/diagnostics.h"

namespace pj {

// How plain scalars are read: as kubectl does (yes, on, y = true; 010 = 0o10 = 8; 1e3 = 1000
// and 5.0 = 5 are whole numbers; 1:30 is text), or as Python's YAML 1.1 reader does (yes, on =
// true, y is text; 010 = 8; 1:30 = 90; 1e3 is text): the Azure files. Whole numbers beyond int64
// become double.
enum class YamlDialect { kKubectl, kPython };

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMapping };

  Kind kind = Kind::kNull;
  std::string scalar;           // kScalar: the text, unquoted and unfolded
  bool plain = true;            // kScalar: written without quotes or block indicator
  std::string tag;              // explicit tag ("!!str"), else empty
  int line = 0;                 // 1-based
  int column = 0;               // 1-based, code points
  std::vector<YamlNode> items;  // kSequence
  std::vector<std::pair<YamlNode, YamlNode>> entries;  // kMapping, in file order, `<<` merged

  // kScalar over several lines: where the parts of `scalar` stand in the file, by rising offset.
  struct TextPlace {
    size_t offset = 0;
    int line = 0;
    int column = 0;
  };
  std::vector<TextPlace> text_places;

  // The value of a mapping's key, or null. The last one wins where duplicates were let through.
  const YamlNode* Find(std::string_view key) const;
  // Where the byte `offset` of `scalar` stands in the file (exact but for escapes before it).
  TextPlace PlaceOf(size_t offset) const;
};

// What a scalar means in a dialect.
using YamlValue = std::variant<std::monostate, bool, int64_t, double, std::string>;
YamlValue ResolveScalar(const YamlNode& node, YamlDialect dialect);

// "text", "number", "list" …: what a message calls the thing that was found.
std::string DescribeNode(const YamlNode& node, YamlDialect dialect);

// The value as Python's str() writes it: True, 0.1, 1e+16, None.
std::string PythonStr(const YamlValue& value);

// All documents of `text`. Errors and warnings go to `out` with their place (`file` is only a
// name); on errors the result is empty. Duplicate keys: an error in kKubectl, a warning in kPython.
std::vector<YamlNode> ParseYaml(std::string_view text, const std::string& file, YamlDialect dialect,
                                Diagnostics* out);

}  // namespace pj
