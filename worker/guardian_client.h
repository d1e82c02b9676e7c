// GuardianClient: the program's end of a guardian's socket, local or in another container.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "base/fs.h"
#include "worker/guardian.h"
#include "worker/guardian_wire.h"

namespace pj::worker {

class GuardianClient : public Guardian {
 public:
  void End() override;
  Result<int> Spawn(const SpawnRequest& request) override;
  Status Kill(int pid) override;
  void Sweep() override;
  Result<bool> Copy(const CodeCopy& copy, int done) override;
  Result<HostFacts> Facts() override;
  Samples Sample(const std::vector<int>& pids) override;

 protected:
  // The answer's body goes to *answer. With an error in the reply it fails as `what` (`where`).
  struct Question {
    GuardianRequest request;
    std::string body;
    std::vector<int> fds;
    std::string what, where;
  };
  Result<GuardianReply> Ask(Question question, std::string* answer = nullptr);
  // What to say when nobody is there; called with mutex_ held, after socket_ was closed.
  virtual std::unexpected<Error> Gone() = 0;

  std::mutex mutex_;
  UniqueFd socket_;  // guarded by mutex_
};

}  // namespace pj::worker
