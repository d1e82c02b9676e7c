// Explorer: every interleaving of a small model, each state once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/explore/model.h"

namespace pj::sim {

struct Exploration {
  std::string violation;           // empty: none was found
  std::vector<std::string> steps;  // that lead to it
  uint64_t states = 0;
  uint64_t ends = 0;      // states in which nothing can happen any more
  uint64_t cut = 0;       // states that were not followed: too many take-overs
  size_t deepest = 0;     // steps
  bool complete = false;  // every state was seen
};

// Depth first; gives up after `most` states.
Exploration Explore(const ModelOptions& options, uint64_t most);

// The models that are explored, small enough to be seen whole.
const std::vector<ModelOptions>& SmallModels();

}  // namespace pj::sim
