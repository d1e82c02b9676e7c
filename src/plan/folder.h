// Folder: one directory's entries, sorted as their full paths sort, with size and time of each
// file.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "plan/name_sorter.h"

namespace pj::plan {

// Not thread-safe. Looks at some thousand files at a time; no directory stays open.
class Folder {
 public:
  struct Entry {
    std::string name;
    bool folder = false;
    int error = 0;  // errno of stat
    uint32_t mode = 0;
    uint64_t bytes = 0;
    int64_t mtime_ns = 0;
  };
  // Which entries are wanted, by name and whether it is a folder.
  using Filter = std::function<bool(std::string_view, bool)>;

  // Many names go to an unnamed file in `scratch_dir`.
  Folder(std::string path, const std::string& scratch_dir)
      : path_(std::move(path)), names_(scratch_dir) {}

  Status Load(const Filter& wanted);
  // The next entries in order; none at the end.
  Result<std::vector<Entry>> Next();

  dev_t device() const { return device_; }
  ino_t inode() const { return inode_; }

 private:
  Status ReadNames(int fd, const Filter& wanted);
  Status Add(int fd, std::string_view name, uint8_t type, const Filter& wanted);

  std::string path_;
  NameSorter names_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace pj::plan
