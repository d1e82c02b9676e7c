// Guardian: a process of its own (own session, child subreaper) above zygotes and slots. It starts
// them on request, kills orphans, and kills everything below it when the program's socket closes,
// SIGKILL included.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/fs.h"
#include "base/result.h"

namespace pj::worker {

struct SpawnRequest {
  std::vector<std::string> argv;           // argv[0] is the program's path
  std::map<std::string, std::string> env;  // the whole environment
  std::string cwd;
  std::vector<int> fds;                  // become descriptors 3, 4, … of the child
  std::string stdout_path, stderr_path;  // appended; empty = /dev/null
};

// Forks the guardian: call it before any thread exists. Thread-safe afterwards.
class Guardian {
 public:
  static Result<std::unique_ptr<Guardian>> Start();
  virtual ~Guardian() = default;  // closes the socket: everything below ends
  virtual Result<int> Spawn(const SpawnRequest& request) = 0;  // pid
  // SIGKILL to a child of Spawn and, once it is gone, to everything that it leaves behind.
  virtual Status Kill(int pid) = 0;
  // Something below may have left orphans behind (a slot died): looks for them now, not at the next
  // round.
  virtual void Sweep() = 0;
  virtual int pid() const = 0;  // of the guardian itself
};

}  // namespace pj::worker
