#include "worker/fd_passing.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace pj::worker {
namespace {

constexpr size_t kMaxFds = 16;

// Room for descriptors and for the sender's credentials.
union Control {
  cmsghdr align;
  char bytes[CMSG_SPACE(kMaxFds * sizeof(int)) + CMSG_SPACE(sizeof(ucred))];
};

void ReadControl(msghdr* message, Received* out) {
  for (cmsghdr* c = CMSG_FIRSTHDR(message); c != nullptr; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_SOCKET) continue;
    if (c->cmsg_type == SCM_CREDENTIALS) {
      ucred credentials{};
      std::memcpy(&credentials, CMSG_DATA(c), sizeof credentials);
      out->sender = credentials.pid;
    } else if (c->cmsg_type == SCM_RIGHTS) {
      const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
        out->fds.emplace_back(fd);
      }
    }
  }
}

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> SeqpacketPair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
    return FailErrno(errno, "cannot make a socket pair");
  }
  return std::pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

Status SendMessage(int socket, std::string_view bytes, const std::vector<int>& fds) {
  iovec io{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  Control control{};
  if (fds.size() > kMaxFds) return Fail(Code::kInternal, "too many descriptors for one message");
  if (!fds.empty()) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(c), fds.data(), fds.size() * sizeof(int));
  }
  while (true) {
    if (::sendmsg(socket, &message, MSG_NOSIGNAL) >= 0) return {};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return Fail(Code::kUnavailable, "the socket is full");
    }
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) {
      return Fail(Code::kGone, "the other end of the socket is closed");
    }
    return FailErrno(errno, "cannot send a message");
  }
}

Received ReceiveMessage(int socket, char* buffer, size_t capacity, int flags) {
  Received out;
  iovec io{buffer, capacity};
  Control control;
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  do {
    out.size = ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  } while (out.size < 0 && errno == EINTR);
  if (out.size < 0) {
    out.error = errno;
    return out;
  }
  out.truncated = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  ReadControl(&message, &out);
  return out;
}

Result<UniqueFd> MemfdOf(std::string_view bytes, const char* name) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd.valid()) return FailErrno(errno, "cannot make a memory file");
  PJ_TRY(WriteAll(fd.get(), bytes, name));
  if (::lseek(fd.get(), 0, SEEK_SET) < 0) return FailErrno(errno, "cannot rewind", name);
  return fd;
}

}  // namespace pj::worker
