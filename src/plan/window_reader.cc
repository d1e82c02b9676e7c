#include "plan/window_reader.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "plan/record_scan.h"

namespace pj::plan {
namespace {

// Read beyond a window, so that the scanner can see the unit behind its end.
constexpr size_t kLookAhead = 8;
// A thread costs more than it brings before that; and headers need the first window only.
constexpr int kWindowsBeforeHelper = 4;
constexpr uint64_t kBytesForHelper = 8 * kWindowBytes;

}  // namespace

ScanBuffers::ScanBuffers() : masks_(kWindowBytes / kScanBlock + 1) {
  for (auto& data : data_) data.reset(new char[kWindowBytes + kScanBlock]);
}

WindowReader::WindowReader(int fd, const FileRef& file, uint64_t begin, ScanBuffers* buffers)
    : fd_(fd), file_(file), offset_(begin), buffers_(buffers) {}

WindowReader::~WindowReader() {
  stop_ = true;
  free_.release(helper_.joinable() ? 1 : 0);
}

Result<WindowReader::Window> WindowReader::Read(uint64_t offset, size_t which) const {
  if (offset >= file_.size) return Window{offset, nullptr, 0};
  const size_t want = std::min<uint64_t>(file_.size - offset, kWindowBytes + kLookAhead);
  char* data = buffers_->data(which);
  for (size_t done = 0; done < want;) {
    const ssize_t n = ::pread(fd_, data + done, want - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(errno, "cannot read", file_.path);
    if (n == 0) {
      return Fail(Code::kConflict, "input changed while it was planned", file_.path,
                  "start again when nothing writes to it any more");
    }
    done += static_cast<size_t>(n);
  }
  if (want < kWindowBytes + kLookAhead) std::memset(data + want, 0, kLookAhead);
  return Window{offset, data, std::min<size_t>(want, kWindowBytes)};
}

Result<WindowReader::Window> WindowReader::Next() {
  if (helper_.joinable()) return NextReadAhead();
  if (++windows_ > kWindowsBeforeHelper && offset_ + kBytesForHelper <= file_.size) {
    StartReadingAhead();
    return NextReadAhead();
  }
  auto window = Read(offset_, 0);
  if (window) offset_ += window->size;
  return window;
}

void WindowReader::StartReadingAhead() {
  free_.release(2);
  helper_ = std::jthread([this] { ReadAhead(); });
}

void WindowReader::ReadAhead() {
  uint64_t offset = offset_;
  for (size_t which = 0;; which ^= 1) {
    free_.acquire();
    if (stop_) return;
    slots_[which] = Read(offset, which);
    const bool more = slots_[which].has_value() && slots_[which]->size > 0;
    offset += more ? slots_[which]->size : 0;
    filled_.release();
    if (!more) return;
  }
}

Result<WindowReader::Window> WindowReader::NextReadAhead() {
  if (taken_ > 0) free_.release();  // the window handed out before
  filled_.acquire();
  return slots_[taken_++ % 2];
}

}  // namespace pj::plan
