#include "tests/sim/explore/explorer.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <unordered_set>
#include <utility>

namespace pj::sim {
namespace {

// One state on the path that is being followed.
struct Level {
  std::unique_ptr<Model> model;
  size_t choices = 0;
  size_t next = 0;
};

}  // namespace

Exploration Explore(const ModelOptions& options, uint64_t most) {
  Exploration out;
  std::unordered_set<size_t> seen;
  std::vector<Level> path;
  const auto enter = [&](std::unique_ptr<Model> model) {
    if (!seen.insert(std::hash<std::string>()(model->Fingerprint())).second) return;
    ++out.states;
    const bool beyond = model->BeyondEpochs();
    const size_t choices = beyond ? 0 : model->Choices();
    out.cut += beyond ? 1 : 0;
    out.deepest = std::max(out.deepest, path.size());
    if (choices == 0 && !beyond) {
      ++out.ends;
      model->CheckEnd();
    }
    path.push_back({std::move(model), choices, 0});
  };
  enter(std::make_unique<Model>(options));
  while (!path.empty() && out.states < most) {
    Level& top = path.back();
    if (!top.model->violation().empty()) {
      out.violation = top.model->violation();
      break;
    }
    if (top.next == top.choices) {
      path.pop_back();
      continue;
    }
    auto model = std::make_unique<Model>(*top.model);
    model->Do(top.next++);
    if (!model->violation().empty()) {
      out.violation = model->violation();
      break;
    }
    enter(std::move(model));
  }
  out.complete = path.empty();
  if (!out.violation.empty()) {
    for (const Level& level : path) {
      if (level.next > 0) out.steps.push_back(level.model->Describe(level.next - 1));
    }
  }
  return out;
}

// Crashes amid splits are too many to be seen whole: the seeds have them.
const std::vector<ModelOptions>& SmallModels() {
  static const std::vector<ModelOptions> models = {
      {.name = "split", .mini_batches = 2, .agents = 2, .losses = 1, .timers = 1},
      {.name = "crash", .mini_batches = 1, .agents = 2, .crashes = 1, .timers = 1},
      {.name = "take-over", .agents = 2, .strangers = true, .losses = 1, .timers = 1},
      {.name = "retry", .mini_batches = 2, .agents = 2, .timers = 1, .failures = 1},
      {.name = "splits", .agents = 2, .timers = 1},
  };
  return models;
}

}  // namespace pj::sim
