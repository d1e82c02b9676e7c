// NearestName: the right name behind a misspelt one, for messages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pj::api {

// Insertions, deletions, changes and swaps of neighbours that turn `a` into `b`; gives up beyond
// `limit` and returns limit + 1.
size_t EditDistance(std::string_view a, std::string_view b, size_t limit);

// The candidate that `word` most likely means: the same but for case, `_` and `-`; else one at edit
// distance 1 or 2 (for words of up to three letters: 1); else the only one that begins with it, or
// that it begins with (three letters or more). Empty if there is none.
std::string NearestName(std::string_view word, const std::vector<std::string_view>& candidates);

// "did you mean NAME?", or "known: a, b, c" (at most twelve).
std::string SuggestName(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace pj::api
