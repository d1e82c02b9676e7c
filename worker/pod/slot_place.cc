#include "worker/pod/slot_place.h"

#include <time.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "base/fs.h"
#include "base/log.h"
#include "base/process.h"
#include "job/pod_contract.h"

namespace pj::worker {
namespace {

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
  PJ_ASSIGN(const HostFacts facts, place.guardian->Facts());
  place.cores = facts.cores;
  PJ_TRY(MakeDirs(place.scratch_dir));
  return side;
}

Result<std::unique_ptr<SlotSide>> HostSlots(const PodFolders& folders, const sigset_t& stop) {
  auto side = std::make_unique<SlotSide>();
  side->guardian = Guardian::Remote(folders.run + "/host.sock");
  bool told = false;
  while (!side->guardian->Ready()) {
    if (!std::exchange(told, true)) PJ_INFO("waits for the slot host");
    const timespec moment{.tv_sec = 0, .tv_nsec = 20'000'000};
    if (::sigtimedwait(&stop, nullptr, &moment) > 0) {
      return Fail(Code::kCancelled, "told to stop while there was no slot host");
    }
  }
  PJ_ASSIGN(const HostFacts facts, side->guardian->Facts());
  SlotPlace& place = side->place;
  place.guardian = side->guardian.get();
  place.python = "python3";
  place.runtime_dir = job::kPythonDir;
  place.scratch_dir = job::kTmpDir;
  place.cores = facts.cores;
  return side;
}

}  // namespace pj::worker
