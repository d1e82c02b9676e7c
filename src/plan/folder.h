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

namespace pj::plan {

// Not thread-safe. Holds names only; no descriptor stays open.
class Folder {
 public:
  struct Entry {
    uint64_t key =
        0;  // eight bytes of the name after what all names share: most comparisons end here
    uint32_t name = 0;
    uint16_t size = 0;
    bool folder = false;
    int error = 0;  // errno of stat
    uint32_t mode = 0;
    uint64_t bytes = 0;
    int64_t mtime_ns = 0;
  };
  // Which entries are wanted, by name and whether it is a folder.
  using Filter = std::function<bool(std::string_view, bool)>;

  Status Load(const std::string& path, const Filter& wanted);

  const std::vector<Entry>& entries() const { return entries_; }
  std::string_view Name(const Entry& entry) const {
    return std::string_view(names_).substr(entry.name, entry.size);
  }
  dev_t device() const { return device_; }
  ino_t inode() const { return inode_; }

 private:
  Status ReadNames(int fd, const std::string& path, const Filter& wanted);
  void Add(int fd, std::string_view name, uint8_t type, const Filter& wanted);
  void Sort();
  void StatAll(int fd);
  void StatSome(int fd, size_t begin, size_t end);

  std::string names_;  // each with its NUL
  std::vector<Entry> entries_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace pj::plan
