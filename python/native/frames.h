// The slot's socket: receiving whole frames, and collecting results into few messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "worker/wire.h"

namespace pj::slot {

enum class Io { kOk, kClosed, kError };  // kError: a Python exception is set

// A received frame; the body lives until the next Receive.
struct Frame {
  worker::wire::Type type = worker::wire::Type::kRun;
  uint16_t count = 0;
  std::string_view body;
};

// Receives with the GIL released. One thread; the descriptor stays the caller's.
class FrameReader {
 public:
  explicit FrameReader(int fd);
  ~FrameReader();
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;
  Io Receive(Frame* out);

 private:
  Io ReceiveMessage(size_t* length, int* memfd);
  Io MapBody(int memfd, std::string_view* body);
  void Unmap();

  int fd_;
  std::string buffer_;
  void* mapped_ = nullptr;
  size_t mapped_bytes_ = 0;
};

// What every result says, whatever its end was.
struct ResultHead {
  uint64_t mini_batch = 0;
  uint32_t attempt = 0;
  uint8_t status = 0;
  int64_t wall_ns = 0, load_ns = 0, run_ns = 0, cpu_ns = 0;
  uint64_t total = 0, returned = 0, rows = 0;
};

// Collects results; sends them as one message when it is full or when asked. One thread, GIL held.
class ResultWriter {
 public:
  explicit ResultWriter(int fd) : fd_(fd) {}

  // Rows are appended to buffer() between Begin and End, or taken back with Rewind.
  void Begin();
  std::string* buffer() { return &buffer_; }
  size_t RowBytes() const;
  void Rewind();
  struct Tail {
    const std::string_view* columns = nullptr;  // null: none
    std::string_view category, message, traceback;
  };
  Io End(const ResultHead& head, const Tail& tail, int64_t now_ns);
  Io Flush();
  bool empty() const { return count_ == 0; }
  int64_t oldest_ns() const { return oldest_ns_; }

 private:
  Io Send(size_t begin, size_t end, uint16_t count);
  Io SendMemfd(std::string_view body, uint16_t count);

  int fd_;
  std::string buffer_;  // results one after the other, without a message header
  size_t start_ = 0;    // of the result being made
  uint16_t count_ = 0;  // finished ones
  int64_t oldest_ns_ = 0;
  uint64_t number_ = 0;
};

}  // namespace pj::slot
