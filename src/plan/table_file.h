// TableFile: one delimited file, read in windows with the ends of its records marked.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fs.h"
#include "base/result.h"
#include "plan/chunk_reader.h"
#include "plan/encoding.h"
#include "plan/plan.h"
#include "plan/record_scan.h"

namespace pj::plan {

inline constexpr size_t kMaxRecordBytes = 256 << 20;

// A piece of the file: bit i % 64 of masks[i / 64] says that a record ends with byte i. In the last
// window this includes the last record, newline or not.
struct ScanWindow {
  uint64_t offset = 0;  // of data[0] in the file
  const char* data = nullptr;
  size_t size = 0;
  const uint64_t* masks = nullptr;
  size_t blocks = 0;
};

struct RecordRef {
  std::string_view bytes;  // valid during the call
  uint64_t begin = 0;
  uint64_t end = 0;
};

// Not thread-safe. Reads with pread up to the size that the file had when it was opened: a file
// that shrinks meanwhile is an error.
class TableFile {
 public:
  // Return false to stop.
  using WindowSink = std::function<Result<bool>(const ScanWindow&)>;
  using RecordSink = std::function<Result<bool>(const RecordRef&)>;

  // `options` say how to read, `buffers` must outlive the file.
  static Result<TableFile> Open(const std::string& path, const DelimitedOptions& options,
                                ScanBuffers* buffers);

  const FileRef& ref() const { return ref_; }
  Encoding encoding() const { return encoding_; }
  CodeUnit unit() const { return start_.unit; }
  // Behind the byte order mark.
  uint64_t data_begin() const { return start_.bom_bytes; }

  Status ForEachWindow(uint64_t begin, const WindowSink& sink) const;
  // A record's bytes include its newline and blank lines before it; over kMaxRecordBytes is
  // kTooLarge.
  Status ForEachRecord(uint64_t begin, const RecordSink& sink) const;
  // kConflict if size or time changed since Open.
  Status CheckUnchanged() const;

 private:
  TableFile() = default;

  UniqueFd fd_;
  FileRef ref_;
  ScanOptions scan_;
  Encoding encoding_ = Encoding::kUtf8;
  TextStart start_;
  ScanBuffers* buffers_ = nullptr;
};

}  // namespace pj::plan
