#include "worker/host_facts.h"

#include <dirent.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>

#include "worker/process_tree.h"

namespace pj::worker {
namespace {

uint32_t MachineCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<uint32_t>(std::max(1, CPU_COUNT(&set)));
}

// /dev/nvidia0, /dev/nvidia3 …: CUDA counts those that are there from 0.
size_t NvidiaDevices() {
  size_t count = 0;
  DIR* stream = ::opendir("/dev");
  if (stream == nullptr) return 0;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string name = entry->d_name;
    if (name.starts_with("nvidia") && name.size() > 6 &&
        std::all_of(name.begin() + 6, name.end(),
                    [](unsigned char c) { return std::isdigit(c); })) {
      ++count;
    }
  }
  ::closedir(stream);
  return count;
}

std::vector<std::string> Gpus() {
  std::vector<std::string> out;
  if (const char* given = std::getenv("CUDA_VISIBLE_DEVICES"); given != nullptr) {
    std::istringstream list(given);
    for (std::string device; std::getline(list, device, ',');) out.push_back(device);
    return out;
  }
  for (size_t i = 0; i < NvidiaDevices(); ++i) out.push_back(std::to_string(i));
  return out;
}

}  // namespace

uint32_t CoresOf(int64_t quota, int64_t period, uint32_t machine) {
  if (quota <= 0 || period <= 0) return machine;
  const int64_t wanted = (quota + period - 1) / period;
  return static_cast<uint32_t>(std::clamp<int64_t>(wanted, 1, machine));
}

HostFacts OwnFacts() {
  const CpuLimit limit = OwnCpuLimit();
  return {.pid = ::getpid(),
          .oom_kills = OutOfMemoryKills(),
          .cores = CoresOf(limit.quota, limit.period, MachineCores()),
          .gpus = Gpus(),
          .threads_set = std::getenv("OMP_NUM_THREADS") != nullptr};
}

}  // namespace pj::worker
