// SchemaBuilder: the headers of all files and the types of their columns, each decided once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "plan/infer.h"
#include "plan/plan.h"
#include "plan/table_file.h"

namespace pj::plan {

// Where the rows of a file begin, and under which header.
struct TableStart {
  bool empty = true;  // no row can follow: blank file
  uint64_t begin = 0;
  uint32_t header = 0;
};

// Not thread-safe. Goes through the files in the plan's order.
class SchemaBuilder {
 public:
  explicit SchemaBuilder(const DelimitedOptions& options) : options_(options) {}

  // A new source begins: its first file may be the one with the header.
  void NextSource() { source_header_ = -1; }
  // Reads the header, and rows for the types as long as they are needed.
  Result<TableStart> Begin(const TableFile& file);
  const std::vector<std::string>& names(uint32_t header) const { return headers_[header].names; }

  // Fills options, columns and headers.
  void Finish(TableSchema* schema) const;

 private:
  struct Header {
    std::vector<std::string> names;
    std::vector<TypeGuess> guesses;
    uint64_t rows = 0;
  };
  uint32_t HeaderOf(std::vector<std::string> names);
  bool HasHeaderLine() const;
  Status ReadHeader(const TableFile& file, TableStart* start);
  Result<uint32_t> ChooseHeader(const TableFile& file, std::vector<std::string> fields);
  Status Sample(const TableFile& file, const TableStart& start);
  void AddRow(std::string_view record, Header* header) const;

  DelimitedOptions options_;
  std::vector<Header> headers_;
  std::map<std::vector<std::string>, uint32_t> known_;
  int64_t source_header_ = -1;  // of the source's first file with a record; -1: none yet
};

}  // namespace pj::plan
