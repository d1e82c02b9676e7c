#include <algorithm>
#include <cctype>
#include <unordered_map>
#include <utility>

#include "base/interval_set.h"
#include "base/limits.h"
#include "ledger/error_groups.h"
#include "report/error_text.h"
#include "report/report.h"
#include "report/text.h"

namespace pj::report {
namespace {

using output::AttemptRecord;

// Letters of paths that hold no blank, quote or bracket.
bool InPath(char c) {
  return static_cast<unsigned char>(c) > ' ' && !std::string_view("'\"`<>()[]{},;|").contains(c);
}

// The end of the token at `pos`.
size_t TokenEnd(std::string_view line, size_t pos) {
  while (pos < line.size() && InPath(line[pos])) ++pos;
  return pos;
}

bool IsPath(std::string_view token) {
  const size_t slash = token.find_first_of("/\\");
  return slash != std::string_view::npos && token.size() > 1;
}

// A number ends where no digit, hex digit, sign of an exponent or point goes on.
size_t NumberEnd(std::string_view text, size_t pos) {
  const bool hex = text.substr(pos).starts_with("0x") || text.substr(pos).starts_with("0X");
  if (hex) {
    pos += 2;
    while (pos < text.size() && std::isxdigit(static_cast<unsigned char>(text[pos]))) ++pos;
    return pos;
  }
  while (pos < text.size() && (std::isdigit(static_cast<unsigned char>(text[pos])) ||
                               text[pos] == '.' || text[pos] == ':')) {
    ++pos;
  }
  return pos;
}

void AppendBlanked(std::string_view token, std::string* out) {
  if (IsPath(token)) {
    out->append("<path>");
    return;
  }
  for (size_t i = 0; i < token.size();) {
    if (!std::isdigit(static_cast<unsigned char>(token[i]))) {
      out->push_back(token[i++]);
      continue;
    }
    out->push_back('#');
    i = std::max(NumberEnd(token, i), i + 1);
  }
}

class Grouper {
 public:
  explicit Grouper(const IntervalSet& recovered) : recovered_(recovered) {}

  void Add(const AttemptRecord& record) {
    const uint64_t hash = ErrorHash(record.category, record.message);
    Group& group = Find(hash, record);
    ++group.error.count;
    group.recovered = group.recovered && recovered_.Contains(record.mini_batch);
    std::vector<uint64_t>& ids = group.error.first_ids;
    const auto at = std::lower_bound(ids.begin(), ids.end(), record.mini_batch);
    if (at != ids.end() && *at == record.mini_batch) return;
    if (at == ids.begin()) group.error.log = record.log;  // told of the first of them
    ids.insert(at, record.mini_batch);
    if (ids.size() > limits::kErrorGroupIds) ids.pop_back();
  }

  GroupedErrors Take() {
    std::vector<Group> groups;
    for (auto& [hash, group] : groups_) groups.push_back(std::move(group));
    std::sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
      if (a.error.count != b.error.count) return a.error.count > b.error.count;
      return a.error.first_ids < b.error.first_ids;
    });
    GroupedErrors out;
    for (Group& group : groups) {
      out.groups.push_back(std::move(group.error));
      out.recovered.push_back(group.recovered);
    }
    return out;
  }

 private:
  struct Group {
    ledger::ErrorGroup error;
    bool recovered = true;
  };

  Group& Find(uint64_t hash, const AttemptRecord& record) {
    if (const auto it = groups_.find(hash); it != groups_.end()) return it->second;
    const bool full = groups_.size() + 1 >= kMostGroups;
    Group& group = groups_[full ? ledger::kOtherErrors : hash];
    if (group.error.count > 0) return group;
    group.error.hash = full ? ledger::kOtherErrors : hash;
    group.error.text = full ? "other errors" : ErrorText(record);
    return group;
  }

  const IntervalSet& recovered_;
  std::unordered_map<uint64_t, Group> groups_;
};

}  // namespace

std::string_view LastLine(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) {
    text.remove_suffix(1);
  }
  const size_t newline = text.find_last_of('\n');
  return newline == std::string_view::npos ? text : text.substr(newline + 1);
}

std::string ErrorText(const AttemptRecord& record) {
  const std::string_view message = record.message;
  std::string text = record.category;
  if (text.empty()) text = ledger::AttemptStatusName(record.status);
  if (message.starts_with(text)) {
    text = message;
  } else if (!message.empty()) {
    text.append(": ").append(message);
  }
  return Escaped(text);
}

uint64_t ErrorHash(std::string_view category, std::string_view message) {
  const std::string_view line = LastLine(message);
  std::string text(category);
  text.push_back('\n');
  for (size_t pos = 0; pos < line.size();) {
    const size_t end = TokenEnd(line, pos);
    if (end == pos) {
      text.push_back(line[pos++]);
    } else {
      AppendBlanked(line.substr(pos, end - pos), &text);
      pos = end;
    }
  }
  uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ULL;
  return hash == 0 || hash == ledger::kOtherErrors ? 1 : hash;
}

Result<GroupedErrors> GroupErrors(const AttemptSource& attempts) {
  // First who came through in the end, then the failures: a success may be read before its failure.
  IntervalSet recovered;
  PJ_TRY(attempts([&](const AttemptRecord& r) {
    if (r.terminal && r.attempt > 1 && r.status == ledger::AttemptStatus::kRunDone) {
      recovered.Add(r.mini_batch);
    }
  }));
  Grouper grouper(recovered);
  PJ_TRY(attempts([&](const AttemptRecord& r) {
    if (r.status != ledger::AttemptStatus::kRunDone) grouper.Add(r);
  }));
  return grouper.Take();
}

}  // namespace pj::report
