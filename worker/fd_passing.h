// Descriptors over Unix sockets: one message with SCM_RIGHTS, sent and received whole.
#pragma once

#include <sys/types.h>

#include <string_view>
#include <utility>
#include <vector>

#include "base/fs.h"
#include "base/result.h"

namespace pj::worker {

// A pair of SOCK_SEQPACKET sockets, close-on-exec.
Result<std::pair<UniqueFd, UniqueFd>> SeqpacketPair();

// One message. kUnavailable: the socket is full (EAGAIN); kGone: nobody at the other end.
Status SendMessage(int socket, std::string_view bytes, const std::vector<int>& fds = {});

struct Received {
  ssize_t size = 0;        // < 0: see `error`; 0: the other end is gone
  int error = 0;           // errno
  bool truncated = false;  // the message did not fit
  pid_t sender = 0;        // with SO_PASSCRED, else 0
  std::vector<UniqueFd> fds;
};
// Receives into `buffer` (a caller's, so that nothing is allocated when no descriptors travel).
Received ReceiveMessage(int socket, char* buffer, size_t capacity, int flags);

// A memfd that holds `bytes`, positioned at its start.
Result<UniqueFd> MemfdOf(std::string_view bytes, const char* name);

}  // namespace pj::worker
