#include "loop.h"

#include <time.h>
#include <unistd.h>

#include "base/byte_io.h"
#include "text_rows.h"

namespace pj::slot {
namespace {
namespace wire = worker::wire;

constexpr int64_t kFlushNanos = 1'000'000;
constexpr int64_t kLongNanos = 500'000;  // after such a run the answer does not wait for the next
constexpr int64_t kCpuExactNanos = 100'000;  // shorter ones are taken to be all CPU time

// ledger::AttemptStatus, those that a slot may say.
enum Status : uint8_t { kRunDone = 0, kRunException = 1, kRunShort = 3, kLoadException = 5 };

int64_t Now(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

bool Flag(PyObject* object, const char* name) {
  const Object value(PyObject_GetAttrString(object, name));
  return value && PyObject_IsTrue(value.get()) == 1;
}

// The current exception as an object that carries its traceback.
Object TakeException() {
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  if (value != nullptr && traceback != nullptr) PyException_SetTraceback(value, traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return Object(value);
}

}  // namespace

struct RunLoop::Attempt {
  ResultHead head;
  std::string_view payload;
  int64_t started_ns = 0;
  Object columns;  // bytes, or empty
  Object error;    // tuple of three bytes, or empty
  Object notice;   // bytes: the message of a short return
};

RunLoop::RunLoop(int socket_fd, int page_fd, PyObject* program)
    : page_(page_fd), reader_(socket_fd), writer_(socket_fd), program_(Object::Borrowed(program)) {
  run_ = Object(PyObject_GetAttrString(program, "run"));
  finish_ = Object(PyObject_GetAttrString(program, "finish"));
  failure_ = Object(PyObject_GetAttrString(program, "failure"));
  const Object format(PyObject_GetAttrString(program, "append_format"));
  if (!run_ || !finish_ || !failure_ || !format || !PyUnicode_Check(format.get())) return;
  is_text_ = PyUnicode_CompareWithASCIIString(format.get(), "text") == 0;
  has_format_ = PyUnicode_GET_LENGTH(format.get()) > 0;
  takes_context_ = Flag(program, "takes_context");
  count_rows_ = Flag(program, "count_rows");
  if (PyErr_Occurred()) return;
  ok_ = page_.ok();
  if (!ok_) PyErr_SetString(PyExc_OSError, "the page shared with the agent cannot be mapped");
}

RunLoop::End RunLoop::Serve() {
  while (true) {
    Frame frame;
    Io io = reader_.Receive(&frame);
    if (io == Io::kOk && frame.type == wire::Type::kShutdown) return End::kShutdown;
    if (io == Io::kOk && frame.type != wire::Type::kRun) {
      PyErr_SetString(PyExc_RuntimeError, "the agent sent a message of a type that is none here");
      return End::kError;
    }
    if (io == Io::kOk) io = ServeFrame(frame);
    if (io == Io::kClosed) return End::kGone;
    if (io == Io::kError) return End::kError;
  }
}

Io RunLoop::ServeFrame(const Frame& frame) {
  StartClocks();
  ByteReader in(frame.body);
  for (uint16_t i = 0; i < frame.count; ++i) {
    const uint64_t mini_batch = in.U64();
    const uint32_t attempt = in.U32();
    const uint32_t entry = in.U32();
    const std::string_view payload = in.Raw(in.U32());
    if (!in.ok() || entry >= wire::kPageEntries) {
      PyErr_SetString(PyExc_RuntimeError, "a frame ends within an entry");
      return Io::kError;
    }
    if (const Io io = RunOne(mini_batch, attempt, entry, payload); io != Io::kOk) return io;
  }
  if (!in.AtEnd()) {
    PyErr_SetString(PyExc_RuntimeError, "a frame has bytes behind its last entry");
    return Io::kError;
  }
  return writer_.Flush();
}

void RunLoop::StartClocks() {
  wall_offset_ns_ = Now(CLOCK_REALTIME) - Now(CLOCK_MONOTONIC);
  cpu_ns_ = Now(CLOCK_PROCESS_CPUTIME_ID);
}

// The CPU clock costs a system call: it is asked for long runs only.
int64_t RunLoop::CpuOf(int64_t started_ns, int64_t ended_ns) {
  int64_t used = ended_ns - started_ns;
  if (used >= kCpuExactNanos) used = Now(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns_;
  if (used < 0) used = 0;
  cpu_ns_ += used;
  return used;
}

Io RunLoop::RunOne(uint64_t mini_batch, uint32_t attempt_number, uint32_t entry,
                   std::string_view payload) {
  Attempt attempt;
  attempt.started_ns = Now(CLOCK_MONOTONIC);
  if (!writer_.empty() && attempt.started_ns - writer_.oldest_ns() > kFlushNanos) {
    if (const Io io = writer_.Flush(); io != Io::kOk) return io;
  }
  if (!page_.Start(entry, static_cast<uint64_t>(attempt.started_ns))) return Io::kOk;
  attempt.payload = payload;
  attempt.head.mini_batch = mini_batch;
  attempt.head.attempt = attempt_number;
  attempt.head.wall_ns = attempt.started_ns + wall_offset_ns_;
  attempt.head.total = PayloadView(payload).Items();
  writer_.Begin();
  Call(entry, &attempt);
  StayParent();
  return Answer(entry, &attempt);
}

void RunLoop::StayParent() const {
  // A child that user code forked, and that came back to us, must not speak for its parent.
  if (!guard_.IsParent()) _exit(0);
}

Object RunLoop::Load(Attempt* attempt, Object* context) {
  Object list = PayloadView(attempt->payload).FileList();
  if (!list) {
    if (PyErr_Occurred()) return {};
    const Object load(PyObject_GetAttrString(program_.get(), "load_raw"));
    const Object bytes = BytesOf(attempt->payload);
    if (!load || !bytes) return {};
    list = CallWith(load.get(), bytes.get());
  }
  if (list && takes_context_) {
    *context = Object(PyObject_CallMethod(program_.get(), "context_raw", "KIy#",
                                          static_cast<unsigned long long>(attempt->head.mini_batch),
                                          attempt->head.attempt, attempt->payload.data(),
                                          static_cast<Py_ssize_t>(attempt->payload.size())));
    if (!*context) return {};
  }
  return list;
}

void RunLoop::Call(uint32_t entry, Attempt* attempt) {
  ResultHead& head = attempt->head;
  Object context;
  Object argument = Load(attempt, &context);
  const int64_t loaded_ns = Now(CLOCK_MONOTONIC);
  head.load_ns = loaded_ns - attempt->started_ns;
  if (!argument) return Fail(attempt, kLoadException);
  page_.SetRunning(entry, static_cast<uint64_t>(loaded_ns));
  Object result = CallWith(run_.get(), argument.get(), context.get());
  StayParent();
  head.run_ns = Now(CLOCK_MONOTONIC) - loaded_ns;
  if (!result || !Finish(result.get(), attempt)) return Fail(attempt, kRunException);
  Judge(attempt);
  // Destructors of what the user made may raise or fork, too.
  result = Object();
  argument = Object();
  if (PyErr_Occurred()) PyErr_WriteUnraisable(run_.get());
}

bool RunLoop::Finish(PyObject* result, Attempt* attempt) {
  const bool plain = PyList_CheckExact(result) || PyTuple_CheckExact(result);
  if (!plain || (has_format_ && !is_text_)) return FinishSlowly(result, attempt);
  attempt->head.returned = static_cast<uint64_t>(PySequence_Fast_GET_SIZE(result));
  if (!has_format_) return true;
  TextRows made;
  if (!AppendTextRows(result, writer_.buffer(), &made)) return false;
  attempt->head.rows = made.rows;
  if (made.has_newline && !noted_newline_) {
    noted_newline_ = true;
    const Object done(PyObject_CallMethod(program_.get(), "note_newlines", nullptr));
    return static_cast<bool>(done);
  }
  return true;
}

bool RunLoop::FinishSlowly(PyObject* result, Attempt* attempt) {
  const Object made = CallWith(finish_.get(), result);
  if (!made) return false;
  PyObject *rows = nullptr, *columns = nullptr;
  unsigned long long count = 0, returned = 0;
  if (!PyArg_ParseTuple(made.get(), "SKKO", &rows, &count, &returned, &columns)) return false;
  writer_.buffer()->append(ViewOf(rows));
  attempt->head.rows = count;
  attempt->head.returned = returned;
  if (PyBytes_Check(columns)) attempt->columns = Object::Borrowed(columns);
  return true;
}

void RunLoop::Judge(Attempt* attempt) {
  ResultHead& head = attempt->head;
  head.status = kRunDone;
  if (!count_rows_ || head.returned >= head.total) return;
  head.status = kRunShort;
  attempt->notice = Object(PyObject_CallMethod(program_.get(), "short", "KK",
                                               static_cast<unsigned long long>(head.returned),
                                               static_cast<unsigned long long>(head.total)));
  if (!attempt->notice) PyErr_Clear();
}

void RunLoop::Fail(Attempt* attempt, uint8_t status) {
  StayParent();
  const Object exception = TakeException();
  writer_.Rewind();
  attempt->columns = Object();
  attempt->head.status = status;
  attempt->head.returned = 0;
  attempt->head.rows = 0;
  if (exception) attempt->error = CallWith(failure_.get(), exception.get());
  if (attempt->error && PyTuple_Check(attempt->error.get()) &&
      PyTuple_GET_SIZE(attempt->error.get()) == 3) {
    return;
  }
  // Not even the description worked: a script that ruined the interpreter, or no memory at all.
  PyErr_Clear();
  const char* type = exception ? Py_TYPE(exception.get())->tp_name : "SystemError";
  attempt->error = Object(Py_BuildValue("yyy", type, "the error could not be described", ""));
  if (!attempt->error) PyErr_Clear();
}

Io RunLoop::Answer(uint32_t entry, Attempt* attempt) {
  const int64_t ended_ns = Now(CLOCK_MONOTONIC);
  attempt->head.cpu_ns = CpuOf(attempt->started_ns, ended_ns);
  ResultWriter::Tail tail;
  const std::string_view columns = ViewOf(attempt->columns.get());
  if (attempt->columns) tail.columns = &columns;
  if (attempt->error) {
    tail.category = ViewOf(PyTuple_GET_ITEM(attempt->error.get(), 0));
    tail.message = ViewOf(PyTuple_GET_ITEM(attempt->error.get(), 1));
    tail.traceback = ViewOf(PyTuple_GET_ITEM(attempt->error.get(), 2));
  } else if (attempt->head.status == kRunShort) {
    tail.category = "ShortReturn";
    tail.message = ViewOf(attempt->notice.get());
  }
  Io io = writer_.End(attempt->head, tail, ended_ns);
  page_.SetEnded(entry, static_cast<uint64_t>(ended_ns));
  if (io == Io::kOk && ended_ns - attempt->started_ns > kLongNanos) io = writer_.Flush();
  return io;
}

}  // namespace pj::slot
