#include "cli/run_identity.h"

#include <fmt/core.h>

#include <sstream>

#include "api/load.h"

namespace pj::cli {

std::string ImmutableManifest(const api::ParallelJob& job) {
  api::ParallelJob fixed;
  fixed.name = job.name;
  fixed.spec = job.spec;
  const api::ParallelJobSpec defaults;
  fixed.spec.suspend = defaults.suspend;
  fixed.spec.instance_count = defaults.instance_count;
  fixed.spec.active_deadline_seconds = defaults.active_deadline_seconds;
  fixed.spec.ttl_seconds_after_finished = defaults.ttl_seconds_after_finished;
  fixed.spec.rerun = defaults.rerun;
  fixed.spec.rerun_policy = defaults.rerun_policy;
  return api::ToManifest(fixed);
}

std::string FirstDifference(const std::string& before, const std::string& now) {
  std::istringstream a(before);
  std::istringstream b(now);
  std::string was;
  std::string is;
  while (true) {
    const bool more_a = static_cast<bool>(std::getline(a, was));
    const bool more_b = static_cast<bool>(std::getline(b, is));
    if (!more_a) was = "(nothing)";
    if (!more_b) is = "(nothing)";
    if (was != is || (!more_a && !more_b)) return fmt::format("was `{}`, is `{}`", was, is);
  }
}

}  // namespace pj::cli
