#include "worker/slot_place.h"

#include <sched.h>
#include <unistd.h>

#include <string>

#include "base/fs.h"
#include "base/process.h"

namespace pj::worker {
namespace {

uint32_t Cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? static_cast<uint32_t>(CPU_COUNT(&set)) : 1;
}

// What an entry script may see of our own environment: nothing that is ours.
std::map<std::string, std::string> Environment() {
  std::map<std::string, std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const size_t equals = text.find('=');
    if (text.starts_with("PARALLELJOB_") || text.starts_with("KUBERNETES_")) continue;
    if (equals != std::string::npos) out[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<SlotSide>> OwnSlots(const PodFolders& folders) {
  auto side = std::make_unique<SlotSide>();
  PJ_ASSIGN(side->guardian, Guardian::Start());
  SlotPlace& place = side->place;
  place.guardian = side->guardian.get();
  place.python = GetEnv("PARALLELJOB_PYTHON");
  if (place.python.empty()) place.python = FindProgram("python3");
  place.runtime_dir = GetEnv("PARALLELJOB_RUNTIME");
  if (place.python.empty() || place.runtime_dir.empty()) {
    return Fail(Code::kInvalid, "there is no python3, or PARALLELJOB_RUNTIME is not set",
                "slots of our own");
  }
  place.scratch_dir = folders.run + "/slots";
  place.env = Environment();
  place.cores = Cores();
  place.same_processes = true;
  PJ_TRY(MakeDirs(place.scratch_dir));
  return side;
}

}  // namespace pj::worker
