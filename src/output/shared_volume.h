// SharedVolume: a volume that other machines write to. On NFS a file that was synced there may be
// missing here, or short, until this machine's cache of names and sizes has run out.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "base/fs.h"
#include "base/result.h"
#include "output/file_ops.h"

namespace pj::output {

// For one reader of one ledger; not thread-safe. What was committed before the reading began is to
// be seen within kPatience of its first miss: all waits share that time.
class SharedVolume : public FileOps {
 public:
  static constexpr Seconds kPatience{90};
  // Pauses for so long; true when told to stop.
  using Wait = std::function<bool(Nanos)>;

  explicit SharedVolume(Wait wait) : wait_(std::move(wait)) {}
  Late WaitFor(const std::string& path, int looks) override;

 private:
  const Wait wait_;
  Nanos left_ = kPatience;
};

// To read a file of which `size` bytes were committed: opened anew for as long as `files` waits for
// it. Missing or short after that, it is damaged (kCorrupt); kCancelled when told to stop.
Result<UniqueFd> OpenCommitted(FileOps& files, const std::string& path, uint64_t size);

}  // namespace pj::output
