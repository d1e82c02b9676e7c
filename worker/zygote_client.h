// ZygoteClient: the agent's end of one zygote: asks for processes, hears of their ends, notices its
// death.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "worker/agent.h"
#include "worker/guardian.h"

namespace pj::worker {

// What one process gets; the descriptors stay the caller's.
struct ProcessRequest {
  int slot = 0;
  int process = 0;
  bool user = true;  // false: a spare that waits for kStart
  std::string cwd;
  std::map<std::string, std::string> env;
  int socket = -1, page = -1, out = -1, err = -1, log = -1;
};

// What a process may still do before it is killed.
enum class LastWords : uint8_t {
  kNone,
  kStack,  // its stacks, into its log of stderr (stack_text.h)
};

struct ZygoteHello {
  int pid = 0;
  std::string python;
  std::string transport;
  std::string why_pure;
};

// Not thread-safe. Destruction kills the zygote and, through the guardian, everything below it.
class ZygoteClient {
 public:
  struct Handler {
    std::function<void(const ZygoteHello&)> hello;
    std::function<void(int process, int pid)> spawned;
    std::function<void(int pid, int status)> exited;
  };

  // `log`: where its own output goes.
  static Result<std::unique_ptr<ZygoteClient>> Start(Guardian* guardian, const SlotJob& job,
                                                     const std::string& log);
  ~ZygoteClient();

  int socket() const { return socket_.get(); }
  int pid() const { return pid_; }
  Status Spawn(const ProcessRequest& request);
  // SIGKILL to the group of `pid`, a child of the zygote.
  Status Kill(int pid, LastWords words = LastWords::kNone);
  // Handles all that has come. False: the zygote is dead.
  bool Receive(const Handler& handler);

 private:
  ZygoteClient(Guardian* guardian, UniqueFd socket, int pid)
      : guardian_(guardian), socket_(std::move(socket)), pid_(pid) {}

  Guardian* guardian_;
  UniqueFd socket_;
  int pid_;
};

}  // namespace pj::worker
