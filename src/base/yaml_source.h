// YamlSource: a YAML text with its line table; turns byte offsets into lines and columns, and
// refuses bytes that no YAML text may hold. Internal to src/base.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"

namespace pj {

// Does not own the text. Not thread-safe (it remembers the last place).
class YamlSource {
 public:
  struct Place {
    int line = 0;    // 1-based
    int column = 0;  // 1-based, code points
  };

  YamlSource(std::string_view text, std::string file);

  Place At(size_t offset) const;
  std::string_view text() const { return text_; }
  const std::string& file() const { return file_; }
  int lines() const { return static_cast<int>(starts_.size()); }
  // Byte offset of a line's first byte; line 1 … lines().
  size_t LineStart(int line) const { return starts_[static_cast<size_t>(line) - 1]; }
  // A line without its break.
  std::string_view Line(int line) const;

  // True if size, encoding and characters are acceptable; else one error in `out`.
  bool Check(Diagnostics* out) const;
  // The first line after `from` (0 = the beginning) whose indentation holds a tab before content; 0
  // if there is none.
  int NextTabLine(int from) const;
  // An error at `offset`.
  Diagnostic ErrorAt(size_t offset, std::string message, std::string hint = {}) const;

 private:
  std::string_view text_;
  std::string file_;
  std::vector<size_t> starts_;
  struct LastPlace {
    size_t line_start = 0;
    size_t offset = 0;
    size_t columns = 0;
  };
  mutable LastPlace last_;
};

}  // namespace pj
