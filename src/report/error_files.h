// ErrorFiles: user/error/<node>/processNNN.txt, every failed attempt with its traceback.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "base/result.h"
#include "output/segment.h"

namespace pj::report {

// Not thread-safe. No file stays open and little is held, however many processes and failures there
// are.
class ErrorFiles {
 public:
  // What one process's file may grow to; what comes then is counted in its last line.
  static constexpr uint64_t kMostBytes = 16 << 20;

  explicit ErrorFiles(std::string user_error_dir) : dir_(std::move(user_error_dir)) {}
  // Takes failed attempts, ignores others.
  void Add(const output::AttemptRecord& record);
  // Writes what is held; the first thing that went wrong since the start.
  Status Flush();
  // The same, and says where attempts were left out.
  Status Finish();

 private:
  struct File {
    std::string text;       // not written yet
    uint64_t bytes = 0;     // of the whole file
    uint64_t left_out = 0;  // attempts
    bool begun = false;
  };
  void WriteHeld();
  Status Write(const std::string& node, uint32_t process, File* file);

  std::string dir_;
  std::map<std::pair<std::string, uint32_t>, File> files_;
  uint64_t held_ = 0;
  Status status_;
};

}  // namespace pj::report
