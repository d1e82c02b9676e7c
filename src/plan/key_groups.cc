#include "plan/key_groups.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace pj::plan {

size_t KeyGroups::Find(std::string_view packed) {
  const auto [at, added] = by_keys_.try_emplace(std::string(packed), groups_.size());
  if (added) {
    groups_.emplace_back();
    groups_.back().keys = &at->first;
  }
  return at->second;
}

Status KeyGroups::AddFiles(size_t group, uint64_t first, uint64_t count) {
  const uint64_t before = groups_[group].pieces.bytes().size();
  groups_[group].pieces.AddFiles(first, count);
  return Account(before, groups_[group]);
}

Status KeyGroups::AddRange(size_t group, uint64_t file, const RecordRun& run) {
  const uint64_t before = groups_[group].pieces.bytes().size();
  groups_[group].pieces.AddRange(file, run.begin, run.end - run.begin, run.records);
  return Account(before, groups_[group]);
}

Status KeyGroups::Account(uint64_t before, const Group& group) {
  used_bytes_ += group.pieces.bytes().size() - before;
  return used_bytes_ > memory_bytes_ ? Spill() : Status{};
}

// Each group's bytes go to the end of the file; a group's parts are put together again when it is
// written.
Status KeyGroups::Spill() {
  if (!spill_.valid()) {
    PJ_ASSIGN(spill_, OpenScratchFile(dir_));
  }
  for (Group& group : groups_) {
    const std::string bytes = group.pieces.TakeBytes();
    if (bytes.empty()) continue;
    PJ_TRY(WriteAll(spill_.get(), bytes, dir_));
    group.spilled.push_back({spill_size_, bytes.size()});
    group.spilled_bytes += bytes.size();
    spill_size_ += bytes.size();
  }
  used_bytes_ = 0;
  return {};
}

Status KeyGroups::WriteGroup(const Group& group, uint32_t source, PlanWriter* writer) const {
  const PieceList& pieces = group.pieces;
  PJ_TRY(writer->BeginMiniBatch({source, *group.keys, pieces.items(), pieces.count(),
                                 group.spilled_bytes + pieces.bytes().size()}));
  for (const Spilled& part : group.spilled) {
    PJ_ASSIGN(const std::string bytes, ReadAt(spill_.get(), part.offset, part.size, dir_));
    PJ_TRY(writer->Append(bytes));
  }
  return writer->Append(pieces.bytes());
}

Status KeyGroups::Write(uint32_t source, PlanWriter* writer) {
  for (const Group& group : groups_) PJ_TRY(WriteGroup(group, source, writer));
  groups_.clear();
  by_keys_.clear();
  used_bytes_ = 0;
  return {};
}

}  // namespace pj::plan
