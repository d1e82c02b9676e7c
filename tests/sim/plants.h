// Names of the deliberate errors, for the command line.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ledger/plants.h"

namespace pj::sim {

struct NamedPlant {
  std::string_view name;
  ledger::Plant plant;
  bool cluster = false;        // found by the cluster mode
  std::string_view kind = {};  // there: of the scenarios' kind, "hangs" or "tail"
  uint64_t likely = 0;         // a seed that found it once: tried first, so that the gate is quick
};
const std::vector<NamedPlant>& Plants();

}  // namespace pj::sim
