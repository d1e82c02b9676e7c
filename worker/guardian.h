// Guardian: the process above zygotes and slots (child subreaper). It starts them on request, kills
// orphans, and kills everything below it when the program's socket closes, SIGKILL included. On one
// machine it is a fork of the program; in a pod it is the slot host in the user's container.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fs.h"
#include "base/result.h"
#include "report/proc_sample.h"
#include "worker/host_facts.h"

namespace pj::worker {

struct SpawnRequest {
  std::vector<std::string> argv;  // argv[0]: a path, or a name that is looked up on PATH
  // The whole environment; in a pod what is put on top of the container's own.
  std::map<std::string, std::string> env;
  std::string cwd;
  std::vector<int> fds;                  // become descriptors 3, 4, … of the child
  std::string stdout_path, stderr_path;  // of this side, appended; empty = /dev/null
};

// A private copy of the code folder; both paths are the guardian's side's. What lies at or below a
// path of `exclude` stays behind.
struct CodeCopy {
  std::string from, to;
  std::vector<std::string> exclude;
};

// Thread-safe. Calls take microseconds to milliseconds.
class Guardian {
 public:
  // Forks the guardian: call it before any thread exists.
  static Result<std::unique_ptr<Guardian>> Start();
  // The slot host that listens on `path`. It may come, go and come again at any time: Ready() says
  // whether it is there; every other call fails with kUnavailable while it is not.
  // One that does not answer within `patience` is taken for dead.
  static std::unique_ptr<Guardian> Remote(const std::string& path, Millis patience = Seconds(5));

  virtual ~Guardian() = default;
  // Closes the socket, as destruction does: everything below ends, and later calls fail.
  virtual void End() = 0;
  // Looks for the slot host if there is none, without waiting: ask again some milliseconds later.
  virtual bool Ready() = 0;
  virtual Result<int> Spawn(const SpawnRequest& request) = 0;  // pid
  // SIGKILL to a child of Spawn and, once it is gone, to everything that it leaves behind.
  virtual Status Kill(int pid) = 0;
  // Something below may have left orphans behind (a slot died): looks for them now, not at the next
  // round.
  virtual void Sweep() = 0;
  // True: there is a folder at `to` already. Else a process of its own copies, and writes the
  // outcome to the pipe `done` (guardian_wire.h) before that is closed; the folder is there only
  // when it is complete.
  virtual Result<bool> Copy(const CodeCopy& copy, int done) = 0;
  virtual Result<HostFacts> Facts() = 0;
  // In the order of `pids`; nothing for those that are gone.
  virtual std::vector<std::optional<report::ProcessSample>> Sample(
      const std::vector<int>& pids) = 0;
};

}  // namespace pj::worker
