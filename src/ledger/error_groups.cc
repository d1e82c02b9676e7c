#include "ledger/error_groups.h"

#include <algorithm>

#include "base/limits.h"

namespace pj::ledger {
namespace {

constexpr size_t kLogBytes = 256;

// Cut at a character's start, so that the text stays UTF-8.
std::string Cut(const std::string& text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

void Absorb(const ErrorGroup& from, ErrorGroup* into) {
  into->count += from.count;
  for (const uint64_t id : from.first_ids) {
    if (std::find(into->first_ids.begin(), into->first_ids.end(), id) == into->first_ids.end()) {
      into->first_ids.push_back(id);
    }
  }
  std::sort(into->first_ids.begin(), into->first_ids.end());
  if (into->first_ids.size() > limits::kErrorGroupIds) {
    into->first_ids.resize(limits::kErrorGroupIds);
  }
}

ErrorGroup* Find(uint64_t hash, std::vector<ErrorGroup>* groups) {
  for (ErrorGroup& group : *groups) {
    if (group.hash == hash) return &group;
  }
  return nullptr;
}

}  // namespace

void MergeErrorGroup(const ErrorGroup& group, size_t max_groups, std::vector<ErrorGroup>* groups) {
  ErrorGroup* found = Find(group.hash, groups);
  if (found == nullptr && groups->size() + 1 >= max_groups) {
    found = Find(kOtherErrors, groups);
    if (found == nullptr) {
      groups->push_back({kOtherErrors, 0, {}, "other errors", Cut(group.log, kLogBytes)});
      found = &groups->back();
    }
  }
  if (found == nullptr) {
    groups->push_back(
        {group.hash, 0, {}, Cut(group.text, limits::kErrorGroupBytes), Cut(group.log, kLogBytes)});
    found = &groups->back();
  }
  Absorb(group, found);
}

}  // namespace pj::ledger
