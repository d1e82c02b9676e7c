// SpawnChild: a new process with a session, signals and descriptors of its own.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/fs.h"
#include "worker/guardian_wire.h"

namespace pj::worker {

struct ChildFds {
  int out = -1, err = -1;        // -1: /dev/null
  std::vector<UniqueFd> others;  // become 3, 4, …
};

// Its environment is `environment` under body.env. argv[0] without '/' is looked up on its PATH.
// The reply holds the pid, also of a child that could not execute its program.
GuardianReply SpawnChild(const SpawnBody& body, const ChildFds& fds,
                         const std::map<std::string, std::string>& environment);

}  // namespace pj::worker
