// KeyGroups: collects, in one pass, the pieces of data that belong to each combination of keys. The
// data itself stays where it is; a piece costs a few bytes, and goes to a scratch file when these
// become many.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fs.h"
#include "base/result.h"
#include "plan/plan_file.h"

namespace pj::plan {

// Consecutive records of one file.
struct RecordRun {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t records = 0;
};

// Not thread-safe. Groups come in the order in which their keys were first seen.
class KeyGroups {
 public:
  // Pieces over `memory_bytes` go to an unnamed file in `dir`.
  explicit KeyGroups(std::string dir, uint64_t memory_bytes = 256 << 20)
      : dir_(std::move(dir)), memory_bytes_(memory_bytes) {}

  // The group of these packed keys (see PackKey), made if it is new.
  size_t Find(std::string_view packed);
  Status AddFiles(size_t group, uint64_t first, uint64_t count);
  Status AddRange(size_t group, uint64_t file, const RecordRun& run);
  // A mini-batch for each group; empties the collection.
  Status Write(uint32_t source, PlanWriter* writer);

 private:
  struct Spilled {
    uint64_t offset;
    uint64_t size;
  };
  struct Group {
    const std::string* keys = nullptr;
    PieceList pieces;
    std::vector<Spilled> spilled;
    uint64_t spilled_bytes = 0;
  };
  Status Account(uint64_t before, const Group& group);
  Status Spill();
  Status WriteGroup(const Group& group, uint32_t source, PlanWriter* writer) const;

  std::string dir_;
  uint64_t memory_bytes_;
  uint64_t used_bytes_ = 0;
  std::unordered_map<std::string, size_t> by_keys_;
  std::vector<Group> groups_;
  UniqueFd spill_;
  uint64_t spill_size_ = 0;
};

}  // namespace pj::plan
