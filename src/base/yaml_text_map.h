// Where a scalar's text stands in the file: its style, its lines, the place of each part. yaml-cpp
// says only where it begins. Internal to src/base.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/yaml_doc.h"
#include "base/yaml_source.h"

namespace pj {

struct ScalarStyle {
  enum class Kind { kPlain, kQuoted, kBlock };
  Kind kind = Kind::kPlain;
  size_t begin = 0;    // offset of the first byte: text, quote, or the block's indicator
  int first_line = 0;  // of `begin`
  int last_line = 0;   // of the last line that belongs to it
  bool closed = true;  // false: a quoted text without its closing quote
};

// `offset` is where the node begins: at its tag or anchor if it has one.
ScalarStyle FindScalarStyle(const YamlSource& source, size_t offset);

// The places of a text of several lines; empty for one line.
std::vector<YamlNode::TextPlace> MapText(const YamlSource& source, const ScalarStyle& style,
                                         std::string_view value);

// Where a null stands: `offset` itself for `~` and `null`; for a value that is not there, right
// behind its key's colon or its item's dash (yaml-cpp gives the next token, which may be lines
// below).
size_t NullOffset(const YamlSource& source, size_t offset);

}  // namespace pj
