// HostProcess: the real program paralleljob-host as a child of the test, on a socket of its own.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "worker/guardian.h"

namespace pj::worker {

class HostProcess {
 public:
  // Starts it, with `environment` on top of a PATH.
  explicit HostProcess(std::string socket, std::map<std::string, std::string> environment = {});
  ~HostProcess();  // killed

  int pid() const { return pid_; }
  void Signal(int signal) const;
  void Kill();       // SIGKILL, and waited for
  int WaitForEnd();  // its exit code; -1 when it does not end

 private:
  const std::string socket_;
  int pid_ = -1;
};

// Connected to the host on `socket`; waits for that.
std::unique_ptr<Guardian> ConnectTo(const std::string& socket);

}  // namespace pj::worker
