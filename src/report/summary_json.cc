#include <algorithm>

#include "base/json.h"
#include "ledger/error_groups.h"
#include "report/report.h"
#include "report/text.h"

namespace pj::report {
namespace {

constexpr size_t kLeastText = 128;   // a text is not cut shorter: then groups are merged
constexpr size_t kMessageTexts = 8;  // the job's message may have as much as so many groups

Json ErrorsJson(const JobSummary& summary) {
  Json errors = Json::array();
  for (size_t i = 0; i < summary.errors.size(); ++i) {
    const ledger::ErrorGroup& group = summary.errors[i];
    errors.push_back({{"count", group.count},
                      {"message", Escaped(group.text)},
                      {"miniBatches", group.first_ids},
                      {"log", group.log},
                      {"recovered", i < summary.recovered.size() && summary.recovered[i]}});
  }
  return errors;
}

std::string Encode(const JobSummary& s) {
  Json outputs = Json::object();
  for (const auto& [name, path] : s.outputs) outputs[name] = path;
  const Json json = {
      {"job", s.job},
      {"state", s.state},
      {"reason", s.reason},
      {"message", Escaped(s.message, Lines::kKeep)},
      {"miniBatches",
       {{"total", s.mini_batches_total},
        {"succeeded", s.mini_batches_succeeded},
        {"failed", s.mini_batches_failed},
        {"notRun", s.not_run}}},
      {"items",
       {{"total", s.items_total}, {"succeeded", s.items_succeeded}, {"failed", s.items_failed}}},
      {"retries", s.retries},
      {"durationSeconds", s.duration_seconds},
      {"outputs", std::move(outputs)},
      {"logs", s.logs},
      {"errors", ErrorsJson(s)}};
  return DumpJson(json);
}

// Bytes of `json` as a text within JSON, which holds no control characters any more.
size_t SizeAsText(std::string_view json) {
  return json.size() + static_cast<size_t>(std::ranges::count_if(
                           json, [](char c) { return c == '"' || c == '\\'; }));
}

bool WithinCharacter(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

// What a reader needs most stands at both ends. Escaped before, so that a cut makes nothing longer.
void CutMiddle(size_t most, Lines lines, std::string* text) {
  static constexpr std::string_view kMark = " [...] ";
  *text = Escaped(*text, lines);
  if (text->size() <= most) return;
  size_t head = (most - kMark.size()) * 2 / 3;
  size_t tail = text->size() - (most - kMark.size() - head);
  while (head > 0 && WithinCharacter((*text)[head])) --head;
  while (tail < text->size() && WithinCharacter((*text)[tail])) ++tail;
  text->replace(head, tail - head, kMark);
}

void Count(const ledger::ErrorGroup& group, ledger::ErrorGroup* other) {
  if (other->count == 0 || group.first_ids < other->first_ids) other->log = group.log;
  other->count += group.count;
  std::vector<uint64_t>& ids = other->first_ids;
  ids.insert(ids.end(), group.first_ids.begin(), group.first_ids.end());
  std::ranges::sort(ids);
  ids.erase(std::ranges::unique(ids).begin(), ids.end());
  if (ids.size() > limits::kErrorGroupIds) ids.resize(limits::kErrorGroupIds);
}

// Keeps the `keep` most frequent groups; the others are counted under "other errors".
void MergeRarest(size_t keep, JobSummary* s) {
  s->recovered.resize(s->errors.size(), false);
  ledger::ErrorGroup other{.hash = ledger::kOtherErrors, .text = "other errors"};
  bool other_recovered = true;
  std::vector<ledger::ErrorGroup> groups;
  std::vector<bool> recovered;
  for (size_t i = 0; i < s->errors.size(); ++i) {
    ledger::ErrorGroup& group = s->errors[i];
    if (group.hash != ledger::kOtherErrors && groups.size() < keep) {
      groups.push_back(std::move(group));
      recovered.push_back(s->recovered[i]);
      continue;
    }
    Count(group, &other);
    other_recovered = other_recovered && s->recovered[i];
  }
  const auto at = std::ranges::find_if(
      groups, [&other](const ledger::ErrorGroup& group) { return group.count < other.count; });
  recovered.insert(recovered.begin() + (at - groups.begin()), other_recovered);
  groups.insert(at, std::move(other));
  s->errors = std::move(groups);
  s->recovered = std::move(recovered);
}

}  // namespace

std::string SummaryJson(const JobSummary& summary, size_t most_bytes) {
  std::string json = Encode(summary);
  if (SizeAsText(json) <= most_bytes) return json;
  JobSummary shorter = summary;
  size_t text = limits::kMessageBytes;
  while (SizeAsText(json) > most_bytes && (text > kLeastText || shorter.errors.size() > 1)) {
    if (text > kLeastText) {
      text /= 2;
      CutMiddle(kMessageTexts * text, Lines::kKeep, &shorter.message);
      for (ledger::ErrorGroup& group : shorter.errors) {
        CutMiddle(text, Lines::kEscape, &group.text);
      }
    } else {
      MergeRarest((shorter.errors.size() - 1) / 2, &shorter);
    }
    json = Encode(shorter);
  }
  return json;
}

}  // namespace pj::report
