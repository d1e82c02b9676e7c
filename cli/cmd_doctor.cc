// `paralleljob doctor`: why jobs do not run on this cluster, if they do not.

#include <algorithm>

#include "base/json.h"
#include "cli/check_up.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/print.h"

namespace pj::cli {
namespace {

using Outcome = Check::Outcome;

const char* NameOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kGood:
      return "ok";
    case Outcome::kUnsure:
      return "unsure";
    case Outcome::kBad:
      break;
  }
  return "bad";
}

void PrintChecks(const std::vector<Check>& checks) {
  for (const Check& check : checks) {
    Print("{:<7}{}: {}\n", NameOf(check.outcome), check.what, check.message);
    if (!check.way_out.empty()) Print("       {}\n", check.way_out);
  }
}

Json ToJson(const std::vector<Check>& checks) {
  Json list = Json::array();
  for (const Check& check : checks) {
    list.push_back({{"check", check.what},
                    {"outcome", NameOf(check.outcome)},
                    {"message", check.message},
                    {"wayOut", check.way_out}});
  }
  return list;
}

}  // namespace

int DoctorCommand(const DoctorOptions& options) {
  std::vector<Check> checks;
  const Result<ClusterTarget> cluster = OpenCluster(options.cluster);
  if (cluster) {
    checks = CheckUp(*cluster, options.operator_namespace);
  } else {
    const Error& error = cluster.error();
    checks.push_back(
        {.what = "cluster",
         .outcome = Outcome::kBad,
         .message = error.where.empty() ? error.message : error.message + ": " + error.where,
         .way_out = error.hint});
  }
  const bool bad = std::any_of(checks.begin(), checks.end(),
                               [](const Check& check) { return check.outcome == Outcome::kBad; });
  if (options.json) {
    Print("{}\n", DumpJson({{"healthy", !bad}, {"checks", ToJson(checks)}}));
  } else {
    PrintChecks(checks);
  }
  return bad ? kExitCouldNotRun : kExitDone;
}

}  // namespace pj::cli
