#include "cli/run_identity.h"

#include <fmt/core.h>

#include <sstream>

#include "api/load.h"
#include "base/hash.h"

namespace pj::cli {

std::string ImmutableManifest(const api::ParallelJob& job) {
  api::ParallelJob fixed = job;
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

Result<std::string> HashPaths(const plan::Plan& plan) {
  Sha256 sha;
  std::string last;
  auto add = [&](const std::string& path) {
    if (path == last) return;
    sha.Update(path);
    sha.Update(std::string_view("\0", 1));
    last = path;
  };
  for (uint64_t i = 0; i < plan.size(); ++i) {
    PJ_ASSIGN(plan::MiniBatch batch, plan.Get(i));
    for (const plan::FileRef& file : batch.files) add(file.path);
    for (const plan::TableRange& range : batch.ranges) add(range.file.path);
  }
  return sha.HexDigest();
}

}  // namespace pj::cli
