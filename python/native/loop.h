// The run loop: frames in, run() called for each mini-batch, results out. What is not on the fast
// way (tables, contexts, DataFrames, errors) is asked of the Python class Program.
#pragma once

#include <cstdint>
#include <string>

#include "frames.h"
#include "object.h"
#include "payload.h"
#include "shared_page.h"

namespace pj::slot {

// One slot's loop. Belongs to the thread that made it; every call needs the GIL.
class RunLoop {
 public:
  // Descriptors stay the caller's. Check ok() before Serve.
  RunLoop(int socket_fd, int page_fd, PyObject* program);

  bool ok() const { return ok_; }               // false: a Python exception is set
  enum class End { kShutdown, kGone, kError };  // kError: a Python exception is set
  End Serve();

 private:
  struct Attempt;

  Io ServeFrame(const Frame& frame);
  Io RunOne(uint64_t mini_batch, uint32_t attempt, uint32_t entry, std::string_view payload);
  Object Load(Attempt* attempt, Object* context);
  void Call(uint32_t entry, Attempt* attempt);
  bool Finish(PyObject* result, Attempt* attempt);
  bool FinishSlowly(PyObject* result, Attempt* attempt);
  void Judge(Attempt* attempt);
  void Fail(Attempt* attempt, uint8_t status);
  Io Answer(uint32_t entry, Attempt* attempt);
  void StayParent() const;
  int64_t CpuOf(int64_t started_ns, int64_t ended_ns);
  void StartClocks();

  SharedPage page_;
  ForkGuard guard_;
  FrameReader reader_;
  ResultWriter writer_;
  Object program_, run_, finish_, failure_;
  bool takes_context_ = false;
  bool count_rows_ = false;
  bool is_text_ = false;
  bool has_format_ = false;
  bool noted_newline_ = false;
  bool ok_ = false;
  int64_t wall_offset_ns_ = 0;  // wall clock minus monotonic clock, looked at once a frame
  int64_t cpu_ns_ = 0;          // CPU time of the process, as far as we know it
};

}  // namespace pj::slot
