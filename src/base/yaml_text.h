// Writing texts into YAML so that every reader of ours and of Kubernetes gives back the same bytes.
#pragma once

#include <cstddef>
#include <string>

namespace pj {

// Plain where that is text in both dialects, else in double quotes.
std::string YamlScalar(const std::string& text);
std::string YamlQuoted(const std::string& text);
// Text of several lines that a literal block gives back byte for byte.
bool IsYamlBlockSafe(const std::string& text);
// The lines of a literal block behind its "|" (or "|-", if `text` does not end with a newline).
std::string YamlBlock(const std::string& text, size_t indent);

}  // namespace pj
