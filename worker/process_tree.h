// What the kernel says about processes: children, exit status in words, kills by the memory
// controller.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pj::worker {

// Direct children of `pid`, all its threads' included.
std::vector<int> ChildrenOf(int pid);

// "killed by signal 9 (SIGKILL)", "exited with code 3 by os._exit" from waitpid's status word.
std::string DescribeExit(int status);

// How often the kernel has killed a process of our own memory cgroup so far (v2 memory.events, v1
// memory.oom_control); 0 where it cannot be read.
uint64_t OutOfMemoryKills();

}  // namespace pj::worker
