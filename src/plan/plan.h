// Plan: the fixed, compact table mini-batch → data. Built once, read by every agent.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace pj::plan {

// --- What to plan -------------------------------------------------------------------------------

enum class ColumnType : uint8_t { kString, kInteger, kFloat, kBoolean, kDatetime };

struct Column {
  std::string name;
  ColumnType type = ColumnType::kString;
  bool operator==(const Column&) const = default;
};

enum class HeaderMode : uint8_t {
  kNoHeader,
  kFromFirstFile,
  kAllFilesDifferentHeaders,
  kAllFilesSameHeaders
};

// MLTable's read_delimited. Defaults are the reference's.
struct DelimitedOptions {
  char delimiter = ',';
  HeaderMode header = HeaderMode::kAllFilesSameHeaders;
  bool support_multi_line = false;   // quoted fields may hold newlines
  bool empty_as_string = false;      // empty field = "" instead of null
  bool include_path_column = false;  // column "Path"
  bool infer_column_types = true;
  std::string encoding = "utf8";  // utf8 iso88591 latin1 ascii utf16 utf32 utf8bom windows1252
  bool operator==(const DelimitedOptions&) const = default;
};

// What a record is: bytes up to and including "\n", "\r\n" or a lone "\r" that no quotes protect
// (with support_multi_line; without it every newline ends one). Quotes open only at the start of a
// field, "" inside them is a quote. Lines that are empty or hold only blanks and tabs (other than
// the delimiter) are no records. The last record may lack its newline. A byte order mark and the
// header line are never part of a range.

// One entry of MLTable's `paths`, relative to SourceSpec::root or absolute.
struct PathSpec {
  enum class Kind : uint8_t { kFile, kFolder, kPattern };  // pattern: * ? [abc] [a-z] [!x] and **
  Kind kind = Kind::kPattern;
  std::string path;
  bool operator==(const PathSpec&) const = default;
};

// One input that is split. `root` and `paths` are as user code sees them.
struct SourceSpec {
  std::string input_name;
  std::string root;                       // file or folder
  std::vector<PathSpec> paths;            // empty = all of root
  std::optional<DelimitedOptions> table;  // unset: a file list
  std::string
      partition_format;  // "{Store}/{Brand}/{file_name}.{extension}", matched at the path's end
  // Absolute paths that are no data: the MLTable file itself, the folder of the run.
  std::vector<std::string> exclude;
  bool unknown_times = false;  // each reader's copy has its own: FileRef::mtime_ns is 0
};

struct PlanRequest {
  std::vector<SourceSpec> sources;  // all of one kind
  enum class SizeUnit { kFiles, kBytes, kRows } unit = SizeUnit::kFiles;
  uint64_t size = 10;
  std::vector<std::string> partition_keys;  // not empty: keys instead of size
  std::string sort_dir;                     // scratch folder for what does not fit in memory
};

// --- The plan -----------------------------------------------------------------------------------

struct FileRef {
  std::string path;      // absolute
  uint64_t size = 0;     // fingerprint at planning time
  int64_t mtime_ns = 0;  // 0: not compared, the size alone tells
  bool operator==(const FileRef&) const = default;
};

// A record-aligned piece of one delimited file. The header line, if any, is not part of it.
struct TableRange {
  FileRef file;
  uint64_t offset = 0;
  uint64_t length = 0;  // bytes
  uint64_t records = 0;
  uint32_t header = 0;  // index into TableSchema::headers (files with different headers)
  bool operator==(const TableRange&) const = default;
};

struct MiniBatch {
  uint64_t index = 0;                                     // from 0
  uint64_t items = 0;                                     // files or records
  std::vector<FileRef> files;                             // file list
  std::vector<TableRange> ranges;                         // table
  std::vector<std::pair<std::string, std::string>> keys;  // in the order of partition_keys
  std::string source;                                     // input name
};

// How every slot reads the table; columns inferred once from the first 200 rows.
struct TableSchema {
  DelimitedOptions options;
  std::vector<Column> columns;               // of header 0
  std::vector<std::vector<Column>> headers;  // one list per distinct header, [0] == columns
  std::vector<std::string> path_columns;     // from partition_format, strings, appended
  // Regular expression (re.search, DOTALL) whose n-th group gives path_columns[n] of a file's path.
  std::string path_pattern;
  bool operator==(const TableSchema&) const = default;
};

// Read-only and thread-safe once opened. Memory does not grow with the number of mini-batches:
// the table lies in the plan file and is read where needed.
class Plan {
 public:
  virtual ~Plan() = default;
  virtual uint64_t size() const = 0;  // mini-batches M
  virtual uint64_t total_items() const = 0;
  // SHA-256 (hex) over the plan's content, fingerprints included: the identity of this very plan.
  virtual const std::string& hash() const = 0;
  // SHA-256 (hex) over the source names and the sorted paths only: equal as long as no input file
  // came or went (see HashInputPaths).
  virtual std::string paths_hash() const { return {}; }
  virtual const TableSchema* schema() const = 0;  // null for file lists
  virtual Result<MiniBatch> Get(uint64_t index) const = 0;
  // Items of one mini-batch without decoding the rest.
  virtual Result<uint64_t> Items(uint64_t index) const = 0;
  // Get() in the slot's wire form (see EncodePayload), appended to `out`.
  virtual Status AppendPayload(uint64_t index, std::string* out) const = 0;
};

// Plans `request` into `file` (written under a temporary name, fsynced, renamed) and opens it.
// An input without any data is kInvalid with message "EmptyInput: …".
Result<std::unique_ptr<Plan>> BuildPlan(const PlanRequest& request, const std::string& file);
Result<std::unique_ptr<Plan>> OpenPlan(const std::string& file);
// What paths_hash() of a plan made now would be, without reading the files.
Result<std::string> HashInputPaths(const PlanRequest& request);

// --- Wire form of one mini-batch (read by python/paralleljob)
// -------------------------------------
//
//   u8 kind: 1 = files, 2 = table
//   varint number of keys; each: bytes name, bytes value         ("bytes" = varint length + raw)
//   kind 1: varint n; each file:  bytes path, varint size, u64 mtime_ns (two's complement)
//   kind 2: varint n; each range: bytes path, varint size, u64 mtime_ns, varint offset,
//           varint length, varint records, varint header
void EncodePayload(const MiniBatch& mini_batch, std::string* out);
Result<MiniBatch> DecodePayload(std::string_view payload);

}  // namespace pj::plan
