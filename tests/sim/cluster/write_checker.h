// WriteChecker: what must hold of each write of operators and of the status they keep: I4, I5, I7,
// I8, I10, I12.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "tests/sim/cluster/env.h"
#include "tests/sim/cluster/sim_job.h"

namespace pj::sim {

// What the checker asks the world.
struct WorldFacts {
  std::function<SimJob*(const std::string& uid)> job;                     // null: not known
  std::function<int64_t(const std::string& uid)> most_instances;          // ever asked for
  std::function<std::optional<uint64_t>(const std::string&)> turn_began;  // by identity
};

// Not thread-safe.
class WriteChecker {
 public:
  WriteChecker(Env* env, WorldFacts facts) : env_(env), facts_(std::move(facts)) {}
  void OnWrite(const SeenWrite& write);

 private:
  struct Standing {
    std::string terminal;  // condition
    int64_t done = 0;
    int64_t failed = 0;
    bool aborted = false;
  };
  struct Writer {
    std::string actor;
    uint64_t number = 0;
  };

  void NoteResult(const SeenWrite& write);
  void CheckSuperseded(const SeenWrite& write, const std::string& uid);
  void CheckWorkerJob(const SeenWrite& write);
  void CheckStatus(const SeenWrite& write);
  void CheckControl(const SeenWrite& write);

  Env* env_;
  WorldFacts facts_;
  std::map<std::string, Standing> standing_;   // by UID of the ParallelJob
  std::map<std::string, Writer> writers_;      // by UID of the object
  std::map<std::string, uint64_t> result_at_;  // by UID of the ParallelJob: the write's number
};

}  // namespace pj::sim
