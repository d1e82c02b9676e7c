// Fields: the fields of one record, for headers, type inference and keys.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pj::plan {

// One field of a record, still quoted.
struct RawField {
  std::string_view text;
  bool quoted = false;
};

// Goes through the fields of one record (UTF-8, newline allowed at its end). A field is quoted only
// if the quote is its first character; what follows the closing quote belongs to the field, as it
// stands.
class FieldReader {
 public:
  FieldReader(std::string_view record, char delimiter);
  // False after the last one. A record has at least one field.
  bool Next(RawField* field);

 private:
  std::string_view rest_;
  char delimiter_;
  bool done_ = false;
};

// The value of a field: quotes taken off, doubled ones halved.
std::string FieldValue(const RawField& field);
std::vector<std::string> SplitRecord(std::string_view record, char delimiter);

// The record without blank lines before it and the newline behind it.
std::string_view TrimRecord(std::string_view record, char delimiter);

}  // namespace pj::plan
