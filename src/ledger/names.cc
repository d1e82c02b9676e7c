// Names of a job's children and the arithmetic of its roots.
#include <fmt/core.h>

#include <algorithm>

#include "base/hash.h"
#include "base/limits.h"
#include "ledger/record.h"

namespace pj::ledger {

std::string JobIdentity::ShortHash() const {
  return Sha256Hex(fmt::format("{}/{}", uid, run)).substr(0, 8);
}

uint64_t RootCount(uint64_t mini_batches, uint64_t instances) {
  const uint64_t by_size =
      (mini_batches + limits::kShardMiniBatches - 1) / limits::kShardMiniBatches;
  return std::min(mini_batches, std::max({uint64_t{1}, instances, by_size}));
}

uint64_t RootBegin(uint64_t mini_batches, uint64_t roots, uint64_t i) {
  // i·M overflows 64 bits only beyond 2³² mini-batches in 2³² roots; still, be exact.
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>(Wide{i} * mini_batches / roots);
}

std::string ChildName(const std::string& job, const JobIdentity& id, const std::string& what) {
  return fmt::format("{}-{}-{}", job, id.ShortHash(), what);
}

std::string WorkerName(uint32_t ordinal) { return fmt::format("w-{}", ordinal); }

std::string ShardName(const std::string& job, const JobIdentity& id, uint64_t lo) {
  return ChildName(job, id, fmt::format("s-{}", lo));
}

}  // namespace pj::ledger
