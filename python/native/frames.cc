#include "frames.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "object.h"

namespace pj::slot {
namespace {
namespace wire = worker::wire;

constexpr size_t kReceiveBytes = limits::kFrameBytes + 4096;
constexpr size_t kKeptBytes = 4 << 20;   // a larger buffer is given back after use
constexpr size_t kResultHeadBytes = 72;  // up to, but without, the rows' length
constexpr size_t kRowsBegin = kResultHeadBytes + 4;

struct Header {
  uint32_t magic;
  uint8_t type;
  uint8_t flags;
  uint16_t count;
  uint64_t number;
};
static_assert(sizeof(Header) == wire::kHeaderBytes);

struct PackedResult {
  uint64_t mini_batch;
  uint32_t attempt;
  uint8_t status;
  uint8_t flags;
  uint16_t zero;
  int64_t times[4];
  uint64_t counts[3];
};
static_assert(sizeof(PackedResult) == kResultHeadBytes);

Io Fail(const char* message) {
  PyErr_SetString(PyExc_RuntimeError, message);
  return Io::kError;
}

Io FailErrno() {
  PyErr_SetFromErrno(PyExc_OSError);
  return Io::kError;
}

bool IsGone(int error) { return error == EPIPE || error == ECONNRESET; }

int TakeDescriptor(msghdr* message) {
  int fd = -1;
  for (cmsghdr* c = CMSG_FIRSTHDR(message); c != nullptr; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int got;
      std::memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof got);
      if (fd >= 0) close(fd);
      fd = got;
    }
  }
  return fd;
}

// Sends at once when there is room; otherwise waits with the GIL released.
Io SendAll(int fd, const msghdr& message) {
  ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
    int error = 0;
    Py_BEGIN_ALLOW_THREADS;
    sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    error = errno;
    Py_END_ALLOW_THREADS;
    errno = error;
    if (sent < 0 && error == EINTR && PyErr_CheckSignals() != 0) return Io::kError;
    errno = error;
  }
  if (sent >= 0) return Io::kOk;
  return IsGone(errno) ? Io::kClosed : FailErrno();
}

void AppendBlock(std::string_view bytes, std::string* out) {
  const uint32_t length = static_cast<uint32_t>(bytes.size());
  out->append(reinterpret_cast<const char*>(&length), sizeof length);
  out->append(bytes);
}

}  // namespace

FrameReader::FrameReader(int fd) : fd_(fd), buffer_(kReceiveBytes, '\0') {}

FrameReader::~FrameReader() { Unmap(); }

void FrameReader::Unmap() {
  if (mapped_ != nullptr) munmap(mapped_, mapped_bytes_);
  mapped_ = nullptr;
}

Io FrameReader::ReceiveMessage(size_t* length, int* memfd) {
  iovec part{buffer_.data(), buffer_.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(4 * sizeof(int)) + 64> control;
  while (true) {
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t got = 0;
    int error = 0;
    Py_BEGIN_ALLOW_THREADS;
    got = recvmsg(fd_, &message, MSG_CMSG_CLOEXEC);
    error = errno;
    Py_END_ALLOW_THREADS;
    if (got >= 0) {
      *length = static_cast<size_t>(got);
      *memfd = TakeDescriptor(&message);
      return got == 0 ? Io::kClosed : Io::kOk;
    }
    errno = error;
    if (IsGone(error)) return Io::kClosed;
    if (error != EINTR) return FailErrno();
    if (PyErr_CheckSignals() != 0) return Io::kError;
  }
}

Io FrameReader::MapBody(int memfd, std::string_view* body) {
  uint64_t length = 0;
  if (memfd < 0 || body->size() != sizeof length) return Fail("memfd frame without its memfd");
  std::memcpy(&length, body->data(), sizeof length);
  const off_t size = lseek(memfd, 0, SEEK_END);
  if (size < 0 || static_cast<uint64_t>(size) < length || length == 0) {
    return Fail("memfd is shorter than its frame says");
  }
  void* mapped = mmap(nullptr, length, PROT_READ, MAP_PRIVATE, memfd, 0);
  if (mapped == MAP_FAILED) return FailErrno();
  mapped_ = mapped;
  mapped_bytes_ = length;
  *body = {static_cast<const char*>(mapped), length};
  return Io::kOk;
}

Io FrameReader::Receive(Frame* out) {
  Unmap();
  size_t length = 0;
  int memfd = -1;
  Io io = ReceiveMessage(&length, &memfd);
  if (io == Io::kOk) {
    Header header{};
    if (length >= sizeof header) std::memcpy(&header, buffer_.data(), sizeof header);
    if (header.magic != wire::kMagic) {
      io = Fail("message without the magic number");
    } else {
      out->type = static_cast<wire::Type>(header.type);
      out->count = header.count;
      out->body = std::string_view(buffer_).substr(sizeof header, length - sizeof header);
      if (header.flags & wire::kFlagMemfd) io = MapBody(memfd, &out->body);
    }
  }
  if (memfd >= 0) close(memfd);
  return io;
}

void ResultWriter::Begin() {
  start_ = buffer_.size();
  buffer_.append(kRowsBegin, '\0');
}

size_t ResultWriter::RowBytes() const { return buffer_.size() - start_ - kRowsBegin; }

void ResultWriter::Rewind() { buffer_.resize(start_ + kRowsBegin); }

Io ResultWriter::End(const ResultHead& head, const Tail& tail, int64_t now_ns) {
  const uint8_t flags = tail.columns != nullptr ? wire::kHasColumns : uint8_t{0};
  const PackedResult packed{head.mini_batch,
                            head.attempt,
                            head.status,
                            flags,
                            0,
                            {head.wall_ns, head.load_ns, head.run_ns, head.cpu_ns},
                            {head.total, head.returned, head.rows}};
  const uint32_t row_bytes = static_cast<uint32_t>(RowBytes());
  std::memcpy(buffer_.data() + start_, &packed, sizeof packed);
  std::memcpy(buffer_.data() + start_ + sizeof packed, &row_bytes, sizeof row_bytes);
  AppendBlock(tail.columns != nullptr ? *tail.columns : std::string_view(), &buffer_);
  AppendBlock(tail.category, &buffer_);
  AppendBlock(tail.message, &buffer_);
  AppendBlock(tail.traceback, &buffer_);
  if (count_ > 0 && buffer_.size() + sizeof(Header) > limits::kFrameBytes) {
    if (const Io io = Send(0, start_, count_); io != Io::kOk) return io;
    if (buffer_.size() - start_ + sizeof(Header) <= limits::kFrameBytes) {
      buffer_.erase(0, start_);
      start_ = 0;
    }
    count_ = 0;
  } else {
    start_ = 0;
  }
  if (count_ == 0) oldest_ns_ = now_ns;
  ++count_;
  if (buffer_.size() - start_ + sizeof(Header) > limits::kFrameBytes) return Flush();
  return Io::kOk;
}

Io ResultWriter::Flush() {
  if (count_ == 0) return Io::kOk;
  const Io io = Send(start_, buffer_.size(), count_);
  buffer_.clear();
  if (buffer_.capacity() > kKeptBytes) buffer_.shrink_to_fit();
  start_ = 0;
  count_ = 0;
  return io;
}

Io ResultWriter::Send(size_t begin, size_t end, uint16_t count) {
  const std::string_view body = std::string_view(buffer_).substr(begin, end - begin);
  ++number_;
  if (body.size() + sizeof(Header) > limits::kFrameBytes) return SendMemfd(body, count);
  Header header{wire::kMagic, static_cast<uint8_t>(wire::Type::kResults), 0, count, number_};
  iovec parts[] = {{&header, sizeof header}, {const_cast<char*>(body.data()), body.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  return SendAll(fd_, message);
}

Io ResultWriter::SendMemfd(std::string_view body, uint16_t count) {
  const int memory = memfd_create("paralleljob", MFD_CLOEXEC);
  if (memory < 0) return FailErrno();
  for (size_t done = 0; done < body.size();) {
    const ssize_t wrote = write(memory, body.data() + done, body.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      const Io io = FailErrno();
      close(memory);
      return io;
    }
    done += static_cast<size_t>(wrote);
  }
  Header header{wire::kMagic, static_cast<uint8_t>(wire::Type::kResults), wire::kFlagMemfd, count,
                number_};
  uint64_t length = body.size();
  iovec parts[] = {{&header, sizeof header}, {&length, sizeof length}};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof memory);
  std::memcpy(CMSG_DATA(rights), &memory, sizeof memory);
  const Io io = SendAll(fd_, message);
  close(memory);
  return io;
}

}  // namespace pj::slot
