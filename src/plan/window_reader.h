// WindowReader: a file's bytes, window by window. Long files are read ahead by a second thread, so
// that copying from the page cache and scanning go on at the same time.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <semaphore>
#include <thread>
#include <vector>

#include "base/result.h"
#include "plan/plan.h"

namespace pj::plan {

inline constexpr size_t kWindowBytes = 512 << 10;

// Memory that one reader after the other uses: two windows, and a bit for each byte of one.
class ScanBuffers {
 public:
  ScanBuffers();
  char* data(size_t which) { return data_[which].get(); }
  uint64_t* masks() { return masks_.data(); }

 private:
  std::array<std::unique_ptr<char[]>, 2> data_;
  std::vector<uint64_t> masks_;
};

// Belongs to one thread. `fd` and `buffers` must outlive it.
class WindowReader {
 public:
  struct Window {
    uint64_t offset = 0;
    const char* data = nullptr;  // a few bytes beyond `size` are readable: the file's, or zero
    size_t size = 0;             // 0: the end
  };

  WindowReader(int fd, const FileRef& file, uint64_t begin, ScanBuffers* buffers);
  ~WindowReader();
  WindowReader(const WindowReader&) = delete;
  WindowReader& operator=(const WindowReader&) = delete;

  // The next window; the one before is no longer valid. A file that ends before its size at
  // planning time is kConflict.
  Result<Window> Next();

 private:
  Result<Window> Read(uint64_t offset, size_t which) const;
  Result<Window> NextReadAhead();
  void StartReadingAhead();
  void ReadAhead();

  int fd_;
  const FileRef& file_;
  uint64_t offset_;
  ScanBuffers* buffers_;
  int windows_ = 0;

  // Reading ahead: the helper fills the buffers in turn. A slot belongs to the helper between an
  // acquire of `free_` and a release of `filled_`, else to the reader.
  std::array<Result<Window>, 2> slots_;
  std::counting_semaphore<4> free_{0};
  std::counting_semaphore<4> filled_{0};
  std::atomic<bool> stop_{false};
  size_t taken_ = 0;  // windows taken from the helper
  std::jthread helper_;
};

}  // namespace pj::plan
