#include "base/yaml_text_map.h"

#include <algorithm>
#include <string>

namespace pj {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t'; }
bool IsSpace(char c) { return IsBlank(c) || c == '\n' || c == '\r'; }

size_t Indent(std::string_view line) {
  const size_t content = line.find_first_not_of(' ');
  return content == std::string_view::npos ? line.size() : content;
}

bool IsEmptyLine(std::string_view line) {
  return line.find_first_not_of(" \t") == std::string_view::npos;
}

// Behind tags and anchors.
size_t SkipProperties(std::string_view text, size_t offset) {
  while (offset < text.size() && (text[offset] == '!' || text[offset] == '&')) {
    while (offset < text.size() && !IsSpace(text[offset])) ++offset;
    while (offset < text.size() && IsSpace(text[offset])) ++offset;
  }
  return offset;
}

// The offset of the quote that closes the one at `begin`; the text's size if there is none.
size_t QuoteEnd(const YamlSource& source, size_t begin) {
  const std::string_view text = source.text();
  const char quote = text[begin];
  size_t i = begin + 1;
  for (; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\')
      ++i;
    else if (text[i] == quote && quote == '\'' && i + 1 < text.size() && text[i + 1] == quote)
      ++i;
    else if (text[i] == quote)
      break;
  }
  return std::min(i, text.size());
}

// The last line of a block: all lines that are empty or indented at least as its first one.
int BlockEndLine(const YamlSource& source, int header) {
  int line = header + 1;
  while (line <= source.lines() && IsEmptyLine(source.Line(line))) ++line;
  if (line > source.lines()) return source.lines();
  const size_t indent = Indent(source.Line(line));
  int last = header;
  for (; line <= source.lines(); ++line) {
    const std::string_view text = source.Line(line);
    if (IsEmptyLine(text)) continue;
    if (Indent(text) < indent) break;
    last = line;
  }
  return last;
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  const size_t content = text.find_first_not_of(" \t");
  return content == std::string_view::npos ? std::string_view() : text.substr(content);
}

// Bytes of the first word of a line. Folding keeps words, escapes and a closing quote may differ;
// the window keeps a file of one long line from costing its square.
size_t FirstWord(std::string_view part) {
  part = part.substr(0, 32);
  return std::max<size_t>(std::min(part.find_first_of(" \t\\\"'"), part.size()), 1);
}

// True if `rest` of a plain text ends within the line `part`.
bool EndsHere(std::string_view rest, std::string_view part) {
  const size_t same = std::min(rest.size(), part.size());
  const auto differ =
      std::mismatch(rest.begin(), rest.begin() + static_cast<ptrdiff_t>(same), part.begin()).first;
  return differ == rest.end();
}

// Behind the last ':', '-', '?', ',' or bracket of a line that is blank or a comment after it.
size_t BehindIndicator(std::string_view line) {
  constexpr std::string_view kIndicators = ":-?,[{";
  std::string_view rest = line;
  while (true) {
    const size_t last = rest.find_last_not_of(" \t");
    if (last == std::string_view::npos) return 0;
    if (kIndicators.find(rest[last]) != std::string_view::npos) return last + 1;
    const size_t comment = rest.rfind('#');
    if (comment == std::string_view::npos) return last + 1;
    rest = rest.substr(0, comment);
  }
}

bool IsNullWord(std::string_view rest) {
  for (const std::string_view word : {"null", "Null", "NULL", "~"}) {
    if (!rest.starts_with(word)) continue;
    rest.remove_prefix(word.size());
    return rest.empty() || IsSpace(rest[0]) || rest[0] == ',' || rest[0] == '}' || rest[0] == ']';
  }
  return false;
}

}  // namespace

ScalarStyle FindScalarStyle(const YamlSource& source, size_t offset) {
  ScalarStyle style;
  const std::string_view text = source.text();
  style.begin = std::min(SkipProperties(text, offset), text.size());
  style.first_line = source.At(style.begin).line;
  style.last_line = style.first_line;
  if (style.begin == text.size()) return style;
  const char first = text[style.begin];
  if (first == '|' || first == '>') {
    style.kind = ScalarStyle::Kind::kBlock;
    style.last_line = BlockEndLine(source, style.first_line);
  } else if (first == '"' || first == '\'') {
    style.kind = ScalarStyle::Kind::kQuoted;
    const size_t end = QuoteEnd(source, style.begin);
    style.closed = end < text.size();
    style.last_line = source.At(end).line;
  }
  return style;
}

std::vector<YamlNode::TextPlace> MapText(const YamlSource& source, const ScalarStyle& style,
                                         std::string_view value) {
  std::vector<YamlNode::TextPlace> places;
  const bool block = style.kind == ScalarStyle::Kind::kBlock;
  // A plain text goes on until its value is used up; the others know their last line.
  const bool plain = style.kind == ScalarStyle::Kind::kPlain;
  const int last = plain ? source.lines() : style.last_line;
  size_t at = 0;
  for (int line = style.first_line + (block ? 1 : 0); line <= last; ++line) {
    std::string_view whole = source.Line(line);
    const size_t start = source.LineStart(line);
    const bool first = !block && line == style.first_line;
    const size_t skip = first ? style.begin - start + (plain ? 0 : 1) : 0;
    const std::string_view part = Trimmed(whole.substr(std::min(skip, whole.size())));
    if (part.empty()) continue;
    const size_t column = static_cast<size_t>(part.data() - whole.data());
    size_t word = FirstWord(part);
    if (plain) word = std::min(word, value.size() - std::min(at, value.size()));
    if (word == 0) break;
    const size_t found = value.find(part.substr(0, word), at);
    if (found == std::string_view::npos) break;
    const YamlSource::Place place = source.At(start + column);
    places.push_back({found, place.line, place.column});
    at = found + word;
    if (plain && EndsHere(value.substr(found), part)) break;
  }
  const bool one_line = places.size() == 1 && places[0].line == style.first_line;
  return one_line && plain ? std::vector<YamlNode::TextPlace>() : places;
}

size_t NullOffset(const YamlSource& source, size_t offset) {
  const std::string_view text = source.text();
  offset = std::min(offset, text.size());
  const size_t word = SkipProperties(text, offset);
  int line = source.At(offset).line;
  size_t end = offset - source.LineStart(line);
  const bool starts_line = IsEmptyLine(source.Line(line).substr(0, end));
  size_t behind = 0;
  int behind_line = line;
  while (behind_line > 0) {
    behind = BehindIndicator(source.Line(behind_line).substr(0, end));
    const std::string_view shown = source.Line(behind_line).substr(0, end);
    if (behind > 0 && shown[shown.find_first_not_of(" \t")] != '#') break;
    behind = 0;
    end = std::string_view::npos;
    --behind_line;
  }
  if (IsNullWord(text.substr(word))) {
    // `a:` and below it `null: 3`: the word is the next key, unless it is indented further.
    const bool deeper = behind_line == 0 || behind_line == line ||
                        Indent(source.Line(line)) > Indent(source.Line(behind_line));
    if (!starts_line || deeper) return offset;
  }
  return behind_line == 0 ? offset : source.LineStart(behind_line) + behind;
}

}  // namespace pj
