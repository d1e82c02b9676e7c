#include "worker/pod/slot_place.h"

#include <time.h>

#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "job/pod_contract.h"

namespace pj::worker {
namespace {

constexpr Nanos kBetweenQuestions = Seconds(5);

}  // namespace

Result<std::unique_ptr<SlotSide>> HostSlots(const PodFolders& folders, const sigset_t& stop,
                                            const std::function<bool()>& over) {
  auto side = std::make_unique<SlotSide>();
  side->guardian = Guardian::Remote(folders.run + "/host.sock");
  std::optional<Nanos> ask_at;
  while (!side->guardian->Ready()) {
    const Nanos now = SystemClock().Monotonic();
    if (!ask_at) PJ_INFO("waits for the slot host");
    if (now >= ask_at.value_or(Nanos(0))) {
      if (over()) return nullptr;
      ask_at = now + kBetweenQuestions;
    }
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
  place.threads_set = facts.threads_set;
  return side;
}

}  // namespace pj::worker
