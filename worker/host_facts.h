// HostFacts: what the dispatcher must know of the machine, or container, that its slots run in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pj::worker {

struct HostFacts {
  int pid = 0;                    // of the process above zygotes and slots, in its own numbering
  uint64_t oom_kills = 0;         // by the memory controller so far (process_tree.h)
  uint32_t cores = 1;             // that may be used: the control group's limit, rounded up
  std::vector<std::string> gpus;  // values for CUDA_VISIBLE_DEVICES, one for each device
  bool threads_set = false;       // OMP_NUM_THREADS is in its environment: somebody's wish
};

// Of this process.
HostFacts OwnFacts();

// Cores by a control group's quota and period in microseconds, at most `machine`; quota <= 0: none.
uint32_t CoresOf(int64_t quota, int64_t period, uint32_t machine);

}  // namespace pj::worker
