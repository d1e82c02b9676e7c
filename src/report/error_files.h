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

  enum class How {
    // The files of the end: written beside, and put in place by Finish().
    kWhole,
    // Files grow while the job runs. Those that are there already are begun anew. Once somebody
    // else has written to one (the whole file came, or another incarnation), it is left alone.
    kGrowing,
  };
  explicit ErrorFiles(std::string user_error_dir, How how = How::kWhole);
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
    uint64_t on_disk = 0;   // as we left it
    bool begun = false;
    bool given_up = false;  // somebody else's now, or not whole
  };
  using Key = std::pair<std::string, uint32_t>;  // node, process
  std::string PathOf(const Key& key) const;
  void NoteWhatIsThere();
  void Note(Status failed);
  void WriteHeld();
  Status Write(const Key& key, File* file);
  Status Append(int fd, const std::string& path, File* file) const;
  Status PutInPlace(const std::string& path) const;

  std::string dir_;
  How how_;
  std::map<std::string, uint64_t> found_;  // path → bytes, before we began
  std::map<Key, File> files_;
  uint64_t held_ = 0;
  Status status_;
};

}  // namespace pj::report
