#include "plan/fields.h"

#include <algorithm>
#include <cstring>

namespace pj::plan {
namespace {

bool IsNewline(char c) { return c == '\n' || c == '\r'; }

// Length of the quoted part at the beginning, both quotes included; all if it is never closed.
size_t QuotedLength(std::string_view text) {
  size_t at = 1;
  while (true) {
    const size_t quote = text.find('"', at);
    if (quote == std::string_view::npos) return text.size();
    if (quote + 1 >= text.size() || text[quote + 1] != '"') return quote + 1;
    at = quote + 2;
  }
}

}  // namespace

std::string_view TrimRecord(std::string_view record, char delimiter) {
  size_t begin = 0;
  for (size_t i = 0; i < record.size(); ++i) {
    if (IsNewline(record[i])) {
      begin = i + 1;
    } else if ((record[i] != ' ' && record[i] != '\t') || record[i] == delimiter) {
      break;
    }
  }
  record.remove_prefix(begin);
  if (record.ends_with('\n')) record.remove_suffix(1);
  if (record.ends_with('\r')) record.remove_suffix(1);
  return record;
}

FieldReader::FieldReader(std::string_view record, char delimiter)
    : rest_(record), delimiter_(delimiter) {}

bool FieldReader::Next(RawField* field) {
  if (done_) return false;
  field->quoted = rest_.starts_with('"');
  const size_t from = field->quoted ? QuotedLength(rest_) : 0;
  const size_t end = rest_.find(delimiter_, from);
  field->text = rest_.substr(0, end);
  done_ = end == std::string_view::npos;
  if (!done_) rest_.remove_prefix(end + 1);
  return true;
}

std::string FieldValue(const RawField& field) {
  if (!field.quoted) return std::string(field.text);
  const size_t quoted = QuotedLength(field.text);
  std::string out;
  for (size_t i = 1; i < quoted; ++i) {
    if (field.text[i] == '"') {
      if (i + 1 >= quoted) break;
      ++i;
    }
    out.push_back(field.text[i]);
  }
  return out.append(field.text.substr(quoted));
}

std::vector<std::string> SplitRecord(std::string_view record, char delimiter) {
  std::vector<std::string> out;
  FieldReader reader(record, delimiter);
  for (RawField field; reader.Next(&field);) out.push_back(FieldValue(field));
  return out;
}

}  // namespace pj::plan
