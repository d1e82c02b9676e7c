// What the kernel says about processes: children, exit status in words, limits of and kills by the
// control group.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pj::worker {

// Direct children of `pid`, all its threads' included.
std::vector<int> ChildrenOf(int pid);

// "killed by signal 9 (SIGKILL)", "exited with code 3" from waitpid's status word.
std::string DescribeExit(int status);

// How often the kernel has killed a process of our own memory cgroup so far (v2 memory.events, v1
// memory.oom_control); 0 where it cannot be read.
uint64_t OutOfMemoryKills();

// The CPU quota of our own cgroup, in microseconds for each period (v2 cpu.max, v1 cpu.cfs_*);
// quota 0: none.
struct CpuLimit {
  int64_t quota = 0, period = 0;
};
CpuLimit OwnCpuLimit();

// True when `pid` is `ancestor` or has it above itself.
bool IsBelow(int pid, int ancestor);

}  // namespace pj::worker
