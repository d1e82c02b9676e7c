// sim: runs seeds. `sim --seed N [--plant X] [--verbose]` repeats one; `--gate` looks for every
// plant.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.h"
#include "ledger/plants.h"
#include "tests/sim/cluster/cluster_world.h"
#include "tests/sim/explore/explorer.h"
#include "tests/sim/plants.h"
#include "tests/sim/world.h"

namespace {

using pj::sim::NamedPlant;
using pj::sim::Outcome;
using pj::sim::Plants;

constexpr uint64_t kGateSeeds = 1000;
constexpr uint64_t kClusterGateSeeds = 600;  // where none is likely any more; seconds end it, too

struct Arguments {
  std::optional<uint64_t> seed;
  uint64_t seeds = 100;
  uint64_t least = 1;
  uint64_t first = 1;
  uint64_t seconds = 0;  // 0: no limit
  std::string plant;
  bool cluster = false;
  bool explore = false;
  std::string kind;           // of a cluster's scenarios: "", "hangs", "tail"
  uint64_t states = 400'000;  // a model
  bool gate = false;
  bool twice = false;
  bool verbose = false;
  bool help = false;
  bool bad = false;
};

uint64_t Number(const char* text, bool* bad) {
  uint64_t value = 0;
  const auto end = std::from_chars(text, text + std::strlen(text), value);
  if (end.ec != std::errc() || *end.ptr != '\0') *bad = true;
  return value;
}

Arguments Parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--help")
      a.help = true;
    else if (flag == "--gate")
      a.gate = true;
    else if (flag == "--cluster")
      a.cluster = true;
    else if (flag == "--explore")
      a.explore = true;
    else if (flag == "--hangs" || flag == "--tail")
      a.kind = flag.substr(2);
    else if (flag == "--twice")
      a.twice = true;
    else if (flag == "--verbose")
      a.verbose = true;
    else if (i + 1 == argc)
      a.bad = true;
    else if (flag == "--seed")
      a.seed = Number(argv[++i], &a.bad);
    else if (flag == "--seeds")
      a.seeds = Number(argv[++i], &a.bad);
    else if (flag == "--first")
      a.first = Number(argv[++i], &a.bad);
    else if (flag == "--seconds")
      a.seconds = Number(argv[++i], &a.bad);
    else if (flag == "--least")
      a.least = Number(argv[++i], &a.bad);
    else if (flag == "--states")
      a.states = Number(argv[++i], &a.bad);
    else if (flag == "--plant")
      a.plant = argv[++i];
    else
      a.bad = true;
  }
  return a;
}

Outcome RunSeed(const Arguments& a, uint64_t seed, bool verbose) {
  if (a.cluster) {
    const auto draw = a.kind == "hangs"  ? pj::sim::DrawHangs
                      : a.kind == "tail" ? pj::sim::DrawTail
                                         : pj::sim::DrawCluster;
    return pj::sim::ClusterWorld(draw(seed), verbose).Run();
  }
  return pj::sim::World(pj::sim::Draw(seed), verbose).Run();
}

constexpr char kHelp[] =
    R"(Seeded simulation of the protocol, in virtual time. A seed decides everything.

  sim --seeds 1000 [--first N]  runs so many seeds: agents, and the controller of a local run
  sim --seed 7 --verbose        repeats one, with its trace
  sim --gate                    looks for each planted bug: it must be found
  sim --seed 7 --plant NAME     repeats one with a planted bug

  sim --cluster …               the same for a whole cluster: the operator's reconciler, caches and
                                election, Kubernetes' Job controller and kubelets, pods that die,
                                nodes that go, a user who changes their mind
  sim --cluster --hangs …       with operators that often hang while the user changes the job
  sim --cluster --tail …        the end of a job: idle agents around one that works
  sim --explore [--plant NAME]  every interleaving of small models of the agent's transition
       [--states N]             function; gives up after N states of a model
  sim --explore --gate          planted bugs that it must find

  --seconds S                   ends after that time
  --least N                     but not before so many seeds were run, however slow the machine
  --twice                       runs each seed twice: its trace must be the same

Exit code 0: all invariants held; 1: a violation, with the command that repeats it; 2: usage.
)";

double Elapsed() {
  static const auto start = std::chrono::steady_clock::now();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// What a person types to see this seed fail once more.
std::string Again(const Arguments& a, uint64_t seed, std::string_view how) {
  return fmt::format("run it again: ./dev sim{}{} --seed {}{} {}", a.cluster ? " --cluster" : "",
                     a.kind.empty() ? "" : " --" + a.kind, seed,
                     a.plant.empty() ? "" : " --plant " + a.plant, how);
}

int RunSeeds(const Arguments& a) {
  uint64_t requests = 0;
  uint64_t done = 0;
  const uint64_t first = a.seed.value_or(a.first);
  const uint64_t count = a.seed ? 1 : a.seeds;
  for (uint64_t seed = first; seed < first + count; ++seed, ++done) {
    const bool late = a.seconds > 0 && Elapsed() > static_cast<double>(a.seconds);
    if (late && done >= a.least) break;
    const Outcome outcome = RunSeed(a, seed, a.verbose);
    requests += outcome.requests;
    if (!outcome.violation.empty()) {
      fmt::print(stderr, "seed {} failed: {}\n{}\n", seed, outcome.violation,
                 Again(a, seed, "--verbose"));
      return 1;
    }
    if (a.twice && RunSeed(a, seed, false).trace != outcome.trace) {
      fmt::print(stderr, "I14: seed {} took another course the second time\n{}\n", seed,
                 Again(a, seed, "--twice"));
      return 1;
    }
  }
  fmt::print("{} seeds clean, {} requests, {:.1f} s\n", done, requests, Elapsed());
  if (done > 0) return 0;
  fmt::print(stderr, "no seed was run: that shows nothing\n");
  return 1;
}

// The explorer, too, must find what it is to find: errors that a few steps bring to light.
int RunExplorerGate(const Arguments& a) {
  int missed = 0;
  for (const std::string_view name :
       {"no-fencing", "merge-keeps-range", "take-over-same-epoch", "raise-before-ack"}) {
    const auto plant = std::find_if(Plants().begin(), Plants().end(),
                                    [name](const NamedPlant& each) { return each.name == name; });
    pj::ledger::active_plant = plant->plant;
    std::string found;
    for (const pj::sim::ModelOptions& model : pj::sim::SmallModels()) {
      if (found.empty()) found = pj::sim::Explore(model, a.states).violation;
    }
    missed += found.empty() ? 1 : 0;
    fmt::print("{:<26} {}\n", name, found.empty() ? "MISSED" : found);
  }
  return missed == 0 ? 0 : 1;
}

// A model that is not seen whole proves less than it says: that is a failure.
int RunExplorer(const Arguments& a) {
  for (const pj::sim::ModelOptions& model : pj::sim::SmallModels()) {
    const pj::sim::Exploration seen = pj::sim::Explore(model, a.states);
    if (!seen.violation.empty()) {
      for (const std::string& step : seen.steps) fmt::print("{}\n", step);
      fmt::print("{}: {}\n", model.name, seen.violation);
      return 1;
    }
    fmt::print("{:<10} {} states{}, {} ends, up to {} steps, {:.1f} s\n", model.name, seen.states,
               seen.complete ? "" : " of more", seen.ends, seen.deepest, Elapsed());
    if (!seen.complete) return 1;
  }
  return 0;
}

// Every plant must be found, or the simulator is too weak.
int RunGate(Arguments a) {
  int missed = 0;
  for (const NamedPlant& plant : Plants()) {
    if (plant.cluster != a.cluster || (!a.plant.empty() && plant.name != a.plant)) continue;
    pj::ledger::active_plant = plant.plant;
    a.kind = plant.kind;
    std::string found;
    uint64_t seed = plant.likely;
    if (seed > 0) found = RunSeed(a, seed++, false).violation;
    if (found.empty()) seed = a.first;
    const uint64_t end = a.first + (a.cluster ? kClusterGateSeeds : kGateSeeds);
    for (; seed < end && found.empty(); ++seed) {
      if (a.seconds > 0 && Elapsed() > static_cast<double>(a.seconds)) break;
      found = RunSeed(a, seed, false).violation;
    }
    if (found.empty()) {
      ++missed;
      fmt::print("MISSED {}: {} seeds were clean\n", plant.name, seed - a.first);
    } else {
      fmt::print("{:<26} seed {:>4}: {}\n", plant.name, seed - 1, found);
    }
  }
  fmt::print("{} plants missed, {:.1f} s\n", missed, Elapsed());
  return missed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Elapsed();  // begins now
  const Arguments arguments = Parse(argc, argv);
  pj::log::Init(arguments.verbose ? pj::log::Level::kDebug : pj::log::Level::kError);
  bool known = arguments.plant.empty();
  for (const NamedPlant& plant : Plants()) {
    if (plant.name != arguments.plant) continue;
    known = true;
    if (!arguments.gate) pj::ledger::active_plant = plant.plant;
  }
  if (arguments.bad || !known) {
    fmt::print(stderr, "{}\nplants:", kHelp);
    for (const NamedPlant& plant : Plants()) fmt::print(stderr, " {}", plant.name);
    fmt::print(stderr, "\n");
    return 2;
  }
  if (arguments.help) {
    fmt::print("{}", kHelp);
    return 0;
  }
  if (arguments.explore) {
    return arguments.gate ? RunExplorerGate(arguments) : RunExplorer(arguments);
  }
  return arguments.gate ? RunGate(arguments) : RunSeeds(arguments);
}
