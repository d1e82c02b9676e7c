// Frames of the slot's wire format (wire.h): building kRun frames, taking results apart in place.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/byte_io.h"
#include "base/result.h"
#include "worker/wire.h"

namespace pj::worker {

struct FrameHeader {
  wire::Type type = wire::Type::kRun;
  uint8_t flags = 0;
  uint16_t count = 0;
  uint64_t frame = 0;
};
std::string EncodeHeader(const FrameHeader& header);
// False: too short or without the magic number.
bool DecodeHeader(std::string_view bytes, FrameHeader* out);

// One kRun frame, built in a buffer that is kept from frame to frame. Not thread-safe.
class RunFrame {
 public:
  void Begin(uint64_t frame);
  // The caller appends the payload to the returned buffer, then calls EndEntry.
  std::string* BeginEntry(uint64_t mini_batch, uint32_t attempt, uint32_t page_entry);
  // The payload that was appended.
  std::string_view EndEntry();
  // Patches the count; the bytes stay valid until the next Begin.
  std::string_view Finish();

 private:
  std::string bytes_;
  size_t payload_begin_ = 0;
  uint16_t count_ = 0;
};

// Sends a whole message; over limits::kFrameBytes its bytes go by memfd. Errors as SendMessage.
Status SendFrame(int socket, std::string_view message);

// One result inside a kResults message; the views point into the message.
struct ResultView {
  uint64_t mini_batch = 0;
  uint32_t attempt = 0;
  uint8_t status = 0;
  bool has_columns = false;
  int64_t start_wall_ns = 0, load_ns = 0, run_ns = 0, cpu_ns = 0;
  uint64_t items_total = 0, items_returned = 0, rows = 0;
  std::string_view row_bytes, columns, category, message, traceback;
};
// Reads the next result; false when it does not fit in what is left.
bool ReadResult(ByteReader* in, ResultView* out);

// What a payload holds, without decoding it into objects: items, and a line for the reports
// ("Store=12; /data/a.csv (+3)") that replaces *detail. False: malformed.
bool SummarizePayload(std::string_view payload, uint64_t* items, std::string* detail);

}  // namespace pj::worker
