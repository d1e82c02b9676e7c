// Outcome: what became of one seed.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace pj::sim {

struct Outcome {
  std::string violation;  // empty: all invariants held
  uint32_t trace = 0;     // checksum of everything that happened
  uint64_t requests = 0;
  Nanos end{0};
};

}  // namespace pj::sim
