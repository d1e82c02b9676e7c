#include "cli/run_identity.h"

#include <fmt/core.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "api/load.h"

namespace pj::cli {
namespace {

std::vector<std::string> Lines(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

std::string Trimmed(const std::string& line) {
  return line.substr(std::min(line.find_first_not_of(" -"), line.size()));
}

}  // namespace

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
  const std::vector<std::string> was = Lines(before);
  const std::vector<std::string> is = Lines(now);
  size_t at = 0;
  while (at < was.size() && at < is.size() && was[at] == is[at]) ++at;
  const bool gone = at < was.size();
  const bool added = at < is.size();
  const auto later = [at](const std::vector<std::string>& lines, const std::string& line) {
    return std::find(lines.begin() + static_cast<std::ptrdiff_t>(at), lines.end(), line) !=
           lines.end();
  };
  if (added && (!gone || later(is, was[at]))) return fmt::format("`{}` is new", Trimmed(is[at]));
  if (gone && (!added || later(was, is[at]))) return fmt::format("`{}` is gone", Trimmed(was[at]));
  return fmt::format("was `{}`, is `{}`", Trimmed(was[at]), Trimmed(is[at]));
}

std::string DeadlineText(const api::ParallelJob& job) {
  const auto& deadline = job.spec.active_deadline_seconds;
  return deadline ? fmt::format("{}", *deadline) : "none";
}

std::string JobDifference(const RunIdentity& before, const RunIdentity& now, bool failed) {
  if (now.manifest != before.manifest) return FirstDifference(before.manifest, now.manifest);
  if (failed && now.deadline != before.deadline) {
    return fmt::format("activeDeadlineSeconds was {}, is {}", before.deadline, now.deadline);
  }
  if (failed && !before.environment.empty() && now.environment != before.environment) {
    return fmt::format("--env was {}, is {}", before.environment, now.environment);
  }
  return {};
}

}  // namespace pj::cli
