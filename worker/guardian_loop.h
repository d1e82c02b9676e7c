// GuardianLoop: what guardian and slot host do: answer one program's requests, reap, kill orphans.
// Single-threaded; the process has no other child of its own.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/fs.h"
#include "worker/guardian_wire.h"

namespace pj::worker {

class GuardianLoop {
 public:
  // `environment`: what every process gets under what its request says.
  explicit GuardianLoop(std::map<std::string, std::string> environment = {});

  enum class Event { kNone, kProgramGone, kNewcomer };
  struct Sockets {
    int program = -1;   // -1: there is none
    int listener = -1;  // readable: kNewcomer
  };
  // Waits for one thing to happen, at most `millis` (-1: without end), and does what is to be done.
  // kProgramGone: its socket is closed, or said what no program of ours says.
  Event Round(Sockets sockets, int millis);
  // SIGTERM has come, which has no other effect.
  bool asked_to_end() const { return asked_to_end_; }
  // SIGKILL to everything below, until nothing is left.
  void KillAll();

 private:
  bool HandleMessage(int socket);
  GuardianReply Answer(const GuardianRequest& request, std::vector<UniqueFd>* fds,
                       std::string* body);
  GuardianReply Spawn(const GuardianRequest& request, std::string_view body,
                      std::vector<UniqueFd>* fds);
  GuardianReply Copy(std::string_view body, const std::vector<UniqueFd>& fds);
  void DrainSignals();
  bool Reap();
  void KillOrphans();

  const std::map<std::string, std::string> environment_;
  UniqueFd signals_;
  std::set<int> children_;  // that we started
  bool asked_to_end_ = false;
};

}  // namespace pj::worker
