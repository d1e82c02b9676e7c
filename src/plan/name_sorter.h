// NameSorter: the names of one directory, in the order of their full paths, in bounded memory: a
// directory of millions goes to a scratch file in sorted runs, which are merged on the way out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fs.h"
#include "base/result.h"

namespace pj::plan {

// Not thread-safe. First Add all, then Finish, then Next until it says false.
class NameSorter {
 public:
  struct Name {
    std::string_view text;  // valid until the next call
    bool folder = false;
  };

  // Names over `run_names` go to an unnamed file in `dir`.
  explicit NameSorter(std::string dir, size_t run_names = 64 << 10)
      : dir_(std::move(dir)), run_names_(run_names) {}

  // `name` is at most 65,535 bytes long.
  Status Add(std::string_view name, bool folder);
  Status Finish();
  // False at the end.
  Result<bool> Next(Name* name);

 private:
  struct Entry {
    uint64_t key = 0;  // bytes behind what all names share: most comparisons end here
    uint32_t at = 0;   // in names_
    uint16_t size = 0;
    bool folder = false;
  };
  // A sorted part of the scratch file, with what was read of it.
  struct Run {
    uint64_t offset = 0;
    uint64_t end = 0;
    std::string buffer;
    size_t used = 0;
    Name front;
  };

  Name NameOf(const Entry& entry) const {
    return {std::string_view(names_).substr(entry.at, entry.size), entry.folder};
  }
  void Sort();
  Status Spill();
  Status WriteRun();
  Result<bool> Advance(Run* run) const;
  Status Fill(Run* run, size_t need) const;
  Result<bool> NextMerged(Name* name);

  std::string dir_;
  size_t run_names_;
  std::string names_;
  std::vector<Entry> entries_;
  size_t next_ = 0;  // in entries_
  UniqueFd scratch_;
  uint64_t scratch_size_ = 0;
  std::vector<Run> runs_;
  std::vector<Run*> heap_;  // by front, smallest first; the one given out last is at the back
  bool taken_ = false;      // the back's front was given out
};

}  // namespace pj::plan
