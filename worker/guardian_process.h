// The guardian's own side: the loop that runs in the forked process, and its messages.
#pragma once

#include <cstdint>

#include "base/fs.h"

namespace pj::worker {

// Program → guardian over SOCK_SEQPACKET. kSpawn carries a memfd with the encoded request and then
// the descriptors of the new process as SCM_RIGHTS.
struct GuardianRequest {
  enum Op : uint32_t { kSpawn = 1, kKill = 2, kSweep = 3 };
  uint32_t op = kSpawn;
  int32_t pid = 0;     // kKill
  uint32_t bytes = 0;  // kSpawn: length of the memfd's content
  uint32_t padding = 0;
};

// Guardian → program: answers to kSpawn and kKill, in order.
struct GuardianReply {
  int32_t pid = 0;
  int32_t error = 0;    // errno, 0 when good
  char stage[56] = {};  // what failed: "execve", "chdir" …
};

// Never returns. Owns `socket`; every other descriptor of the process is closed.
[[noreturn]] void RunGuardian(UniqueFd socket);

}  // namespace pj::worker
