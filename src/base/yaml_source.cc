#include "base/yaml_source.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"

namespace pj {
namespace {

// YAML's c-printable, as far as the C0 controls, DEL and the non-characters go.
bool IsAllowed(char32_t c) {
  if (c < 0x20) return c == '\t' || c == '\n' || c == '\r';
  return c != 0x7F && c != 0xFFFE && c != 0xFFFF;
}

bool IsUtf16(std::string_view text) {
  return text.starts_with("\xFE\xFF") || text.starts_with("\xFF\xFE");
}

}  // namespace

YamlSource::YamlSource(std::string_view text, std::string file)
    : text_(text), file_(std::move(file)) {
  starts_.push_back(0);
  for (size_t i = 0; i < text_.size(); ++i) {
    const bool cr_only = text_[i] == '\r' && !(i + 1 < text_.size() && text_[i + 1] == '\n');
    if (text_[i] == '\n' || cr_only) starts_.push_back(i + 1);
  }
}

YamlSource::Place YamlSource::At(size_t offset) const {
  offset = std::min(offset, text_.size());
  const auto next = std::upper_bound(starts_.begin(), starts_.end(), offset);
  const size_t line = static_cast<size_t>(next - starts_.begin());
  const size_t start = starts_[line - 1];
  // Neighbours follow each other: count from the last place, or a file of one long line costs its
  // square.
  if (last_.line_start != start) last_ = {start, start, 0};
  if (offset >= last_.offset) {
    last_.columns += CountCodePoints(text_.substr(last_.offset, offset - last_.offset));
  } else {
    last_.columns -= CountCodePoints(text_.substr(offset, last_.offset - offset));
  }
  last_.offset = offset;
  return {static_cast<int>(line), static_cast<int>(last_.columns) + 1};
}

std::string_view YamlSource::Line(int line) const {
  const size_t start = LineStart(line);
  const size_t end = line < lines() ? LineStart(line + 1) : text_.size();
  std::string_view found = text_.substr(start, end - start);
  while (!found.empty() && (found.back() == '\n' || found.back() == '\r')) found.remove_suffix(1);
  return found;
}

Diagnostic YamlSource::ErrorAt(size_t offset, std::string message, std::string hint) const {
  const Place place = At(offset);
  Diagnostic d;
  d.file = file_;
  d.line = place.line;
  d.column = place.column;
  d.message = std::move(message);
  d.hint = std::move(hint);
  return d;
}

bool YamlSource::Check(Diagnostics* out) const {
  const auto refuse = [&](size_t offset, std::string message, std::string hint) {
    out->Add(ErrorAt(offset, std::move(message), std::move(hint)));
    return false;
  };
  if (text_.size() > limits::kYamlBytes) {
    return refuse(
        0,
        fmt::format("the file has {} bytes, at most {} are read", text_.size(), limits::kYamlBytes),
        "a job file describes data, it does not hold it");
  }
  if (IsUtf16(text_)) return refuse(0, "the file is UTF-16, not UTF-8", "save it as UTF-8");
  for (size_t i = 0; i < text_.size();) {
    const CodePoint c = DecodeUtf8(text_, i);
    if (c.size == 0) {
      return refuse(i, fmt::format("byte 0x{:02x} is not UTF-8", static_cast<uint8_t>(text_[i])),
                    "save the file as UTF-8");
    }
    if (!IsAllowed(c.value)) {
      return refuse(i,
                    fmt::format("the control character U+{:04X} is not allowed in YAML",
                                static_cast<uint32_t>(c.value)),
                    c.value == 0 ? "a NUL byte: is this a text file?" : "remove it");
    }
    i += c.size;
  }
  return true;
}

int YamlSource::NextTabLine(int from) const {
  for (int line = from + 1; line <= lines(); ++line) {
    const std::string_view text = Line(line);
    const size_t content = text.find_first_not_of(" \t");
    if (content == std::string_view::npos || text[content] == '#') continue;
    if (text.substr(0, content).find('\t') != std::string_view::npos) return line;
  }
  return 0;
}

}  // namespace pj
