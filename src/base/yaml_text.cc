#include "base/yaml_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <variant>

#include "base/yaml_doc.h"

namespace pj {
namespace {

// Safe without quotes in every YAML reader, and text in both of our dialects.
bool IsPlainSafe(const std::string& text) {
  if (text.empty()) return false;
  const auto ordinary = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '/' || c == '-';
  };
  const char first = text[0];
  const bool begins = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z') ||
                      first == '/' || (first == '.' && text.size() > 1 && text[1] == '/');
  if (!begins || !std::all_of(text.begin(), text.end(), ordinary)) return false;
  YamlNode node;
  node.kind = YamlNode::Kind::kScalar;
  node.scalar = text;
  return std::holds_alternative<std::string>(ResolveScalar(node, YamlDialect::kKubectl)) &&
         std::holds_alternative<std::string>(ResolveScalar(node, YamlDialect::kPython));
}

}  // namespace

std::string YamlQuoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (byte < 0x20 || byte == 0x7F)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  return out + "\"";
}

std::string YamlScalar(const std::string& text) {
  return IsPlainSafe(text) ? text : YamlQuoted(text);
}

bool IsYamlBlockSafe(const std::string& text) {
  if (text.find('\n') == std::string::npos || text[0] == ' ' || text[0] == '\n' ||
      text[0] == '\t') {
    return false;
  }
  if (text.ends_with("\n\n") || text.find("\n\t") != std::string::npos) return false;
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c == '\n' || (c >= 0x20 && c != 0x7F); });
}

std::string YamlBlock(const std::string& text, size_t indent) {
  std::string out;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    out += line.empty() ? "\n" : std::string(indent, ' ') + line + "\n";
    begin = end + 1;
  }
  return out;
}

}  // namespace pj
