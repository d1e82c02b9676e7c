#include "worker/pod/plan.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/fs.h"
#include "base/hash.h"
#include "base/limits.h"
#include "ledger/record.h"
#include "output/shared_volume.h"
#include "worker/deflate.h"

namespace pj::worker {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kPieceBytes = 1 << 20;
// A table that deflates to what fits into an object is no larger than this.
constexpr uint64_t kInlineRawBytes = 16 * limits::kInlinePlanBytes;

Result<std::string> HashFile(const std::string& path, uint64_t size) {
  PJ_ASSIGN(const UniqueFd fd, OpenFile(path, O_RDONLY));
  Sha256 sha;
  for (uint64_t at = 0; at < size; at += kPieceBytes) {
    PJ_ASSIGN(const std::string piece,
              ReadAt(fd.get(), at, std::min(kPieceBytes, size - at), path));
    sha.Update(piece);
  }
  return sha.HexDigest();
}

// True when the table went into `facts`.
Result<bool> PutInline(const std::string& file, uint64_t size, job::PlanFacts* facts) {
  if (size > kInlineRawBytes) return false;
  PJ_ASSIGN(const std::string raw, ReadFile(file, kInlineRawBytes));
  PJ_ASSIGN(std::string deflated, Deflate(raw));
  if (deflated.size() > limits::kInlinePlanBytes) return false;
  facts->inline_table = std::move(deflated);
  return true;
}

}  // namespace

Result<job::PlanFacts> BuildPodPlan(const plan::PlanRequest& request, uint64_t instances,
                                    const PlanPlaces& places) {
  const std::string folder = places.shared ? places.plans : places.tmp;
  PJ_TRY(MakeDirs(folder));
  const std::string name = places.unique + ".plan";
  const std::string file = folder + "/" + name;
  PJ_ASSIGN(const std::unique_ptr<plan::Plan> plan, plan::BuildPlan(request, file));
  job::PlanFacts facts{.hash = plan->hash(),
                       .mini_batches = plan->size(),
                       .roots = ledger::RootCount(plan->size(), std::max<uint64_t>(1, instances)),
                       .items = plan->total_items()};
  std::error_code ignored;
  const uint64_t size = fs::file_size(file, ignored);
  PJ_ASSIGN(const bool is_inline, PutInline(file, size, &facts));
  if (is_inline) {
    fs::remove(file, ignored);
    return facts;
  }
  if (!places.shared) {
    fs::remove(file, ignored);
    return Fail(Code::kTooLarge,
                fmt::format("PlanTooLarge: the plan of {} mini-batches takes {} bytes, and there "
                            "is no volume that all workers share",
                            facts.mini_batches, size),
                "spec.work.volume", "give a work volume, or larger mini-batches");
  }
  facts.file = name;
  facts.file_bytes = size;
  PJ_ASSIGN(facts.file_sha256, HashFile(file, size));
  PJ_TRY(SyncDir(folder));
  return facts;
}

Result<std::unique_ptr<plan::Plan>> OpenPodPlan(const job::PlanFacts& facts,
                                                const PlanPlaces& places, output::FileOps* files) {
  std::string file = places.tmp + "/plan-" + facts.hash;
  if (!facts.inline_table.empty()) {
    PJ_ASSIGN(const std::string raw, Inflate(facts.inline_table, kInlineRawBytes));
    PJ_TRY(WriteFileAtomic(file, raw));
  } else {
    file = places.plans + "/" + facts.file;
    PJ_ASSIGN(const UniqueFd fd, output::OpenCommitted(*files, file, facts.file_bytes));
    PJ_ASSIGN(const uint64_t size, output::FileSize(fd.get(), file));
    PJ_ASSIGN(const std::string sha256, HashFile(file, facts.file_bytes));
    if (size != facts.file_bytes || sha256 != facts.file_sha256) {
      return Fail(Code::kCorrupt, "LedgerCorrupt: the plan's file is not the one that was made",
                  file, "start the job anew");
    }
  }
  PJ_ASSIGN(std::unique_ptr<plan::Plan> plan, plan::OpenPlan(file));
  if (plan->hash() != facts.hash || plan->size() != facts.mini_batches) {
    return Fail(Code::kCorrupt, "LedgerCorrupt: the plan is not the one that was made", file,
                "start the job anew");
  }
  return plan;
}

}  // namespace pj::worker
