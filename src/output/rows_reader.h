// RowsReader: rows of a segment in nearly ascending order, read in windows rather than one by one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "output/file_ops.h"

namespace pj::output {

// Not thread-safe. Does not own the descriptor.
class RowsReader {
 public:
  static constexpr uint64_t kWindow = 256 << 10;
  static constexpr uint64_t kLookBack = 64 << 10;  // slots finish a little out of order

  RowsReader(FileOps& files, int fd, std::string path, uint64_t end)
      : files_(files), fd_(fd), path_(std::move(path)), end_(end) {}

  // Valid until the next call; `size` ≤ kWindow − kLookBack, within the committed bytes.
  Result<std::string_view> Read(uint64_t at, uint64_t size) {
    if (at < begin_ || at + size > begin_ + window_.size()) {
      begin_ = at > kLookBack ? at - kLookBack : 0;
      window_.resize(std::min(kWindow, end_ - begin_));
      Status read = ReadAllAt(files_, fd_, window_, begin_, path_);
      if (!read) {
        window_.clear();
        return std::unexpected(std::move(read).error());
      }
    }
    return std::string_view(window_).substr(at - begin_, size);
  }

 private:
  FileOps& files_;
  int fd_;
  std::string path_;
  uint64_t end_;
  uint64_t begin_ = 0;
  std::string window_;
};

}  // namespace pj::output
