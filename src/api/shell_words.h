// SplitWords: a command line into words as a POSIX shell would, without running anything.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pj::api {

struct Word {
  std::string text;
  size_t offset = 0;  // of its first byte in the line
};

// Blanks and newlines separate; '…' keeps all, "…" all but \" and \\, a backslash elsewhere the
// next character. ${{ … }} is one piece wherever it stands, written without blanks in the word, and
// an optional group $[[ … ]] is one word, kept as written. An error's `where` is the offset.
Result<std::vector<Word>> SplitWords(std::string_view line);

// The inside of an optional group; empty for any other word.
std::string_view GroupInside(std::string_view word);

}  // namespace pj::api
