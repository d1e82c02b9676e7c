#include "api/nearest_name.h"

#include <fmt/core.h>

#include <algorithm>

namespace pj::api {
namespace {

constexpr size_t kLongestWord = 80;  // of interest: no name of ours is longer
constexpr size_t kShownNames = 12;

std::string Folded(std::string_view word) {
  std::string out;
  for (const char c : word) {
    if (c == '_' || c == '-') continue;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

}  // namespace

size_t EditDistance(std::string_view a, std::string_view b, size_t limit) {
  const size_t gap = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
  if (gap > limit || a.size() > kLongestWord || b.size() > kLongestWord) return limit + 1;
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({change, last[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return std::min(last[b.size()], limit + 1);
}

std::string NearestName(std::string_view word, const std::vector<std::string_view>& candidates) {
  const std::string folded = Folded(word);
  for (const std::string_view name : candidates) {
    if (Folded(name) == folded) return std::string(name);
  }
  size_t best = word.size() <= 3 ? 2 : 3;
  std::string_view nearest;
  for (const std::string_view name : candidates) {
    const size_t distance = EditDistance(folded, Folded(name), 2);
    if (distance < best) {
      best = distance;
      nearest = name;
    }
  }
  if (!nearest.empty() || folded.size() < 3) return std::string(nearest);
  int found = 0;
  for (const std::string_view name : candidates) {
    const std::string other = Folded(name);
    if (other.starts_with(folded) || (other.size() >= 3 && folded.starts_with(other))) {
      nearest = name;
      ++found;
    }
  }
  return found == 1 ? std::string(nearest) : std::string();
}

std::string SuggestName(std::string_view word, const std::vector<std::string_view>& candidates) {
  const std::string nearest = NearestName(word, candidates);
  if (!nearest.empty()) return fmt::format("did you mean {}?", nearest);
  if (candidates.empty()) return "there are none";
  std::string out = "known:";
  for (size_t i = 0; i < std::min(candidates.size(), kShownNames); ++i) {
    out += fmt::format("{} {}", i == 0 ? "" : ",", candidates[i]);
  }
  return candidates.size() > kShownNames ? out + " …" : out;
}

}  // namespace pj::api
