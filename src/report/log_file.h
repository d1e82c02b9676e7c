// LogFile: a growing file whose write errors never stop anything; what did not get in is counted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fs.h"

namespace pj::report {

// Not thread-safe. Whole records only: a write that fails half-way is taken back.
class LogFile {
 public:
  enum class Old { kReplace, kKeep };
  // Replaces `path` by a file that begins with `head`, or goes on with the one that is there (tried
  // again when that fails at first).
  LogFile(std::string path, std::string head, Old old = Old::kReplace);

  // `record` is kept until Flush(), or until much has come together.
  void Add(std::string_view record);
  void Flush();
  uint64_t dropped() const { return dropped_; }  // records
  const std::string& path() const { return path_; }

 private:
  bool EnsureOpen();
  bool TakeBackTorn();

  std::string path_;
  std::string head_;
  const Old old_;
  UniqueFd fd_;
  uint64_t size_ = 0;  // of the file, up to the last whole record
  std::string buffer_;
  uint64_t buffered_ = 0;  // records in buffer_
  uint64_t dropped_ = 0;
  bool torn_ = false;  // half a record may lie at the end
};

}  // namespace pj::report
