#include "base/fault_point.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

namespace pj {
#ifdef PJ_FAULT_POINTS
namespace {

struct Armed {
  std::string name;
  long at = 0;
  int signal = SIGKILL;
};

const Armed& Target() {
  static const Armed armed = [] {
    Armed made;
    const char* text = std::getenv("PARALLELJOB_FAULT");
    if (text == nullptr) return made;
    const std::string value = text;
    const size_t colon = value.rfind(':');
    if (colon == std::string::npos) return made;
    made.name = value.substr(0, colon);
    made.at = std::strtol(value.c_str() + colon + 1, nullptr, 10);
    if (const char* other = std::getenv("PARALLELJOB_FAULT_SIGNAL")) {
      made.signal = static_cast<int>(std::strtol(other, nullptr, 10));
    }
    return made;
  }();
  return armed;
}

}  // namespace

void HitFaultPoint(const char* name) {
  static std::atomic<long> passes{0};
  if (Target().name != name) return;
  if (passes.fetch_add(1) + 1 == Target().at) ::kill(::getpid(), Target().signal);
}

#else

void HitFaultPoint(const char* /*name*/) {}

#endif
}  // namespace pj
