#include "tests/sim/workload.h"

#include "ledger/record.h"

namespace pj::sim {

void DrawSize(Rng* rng, Workload* work) {
  work->instances = 1 + static_cast<uint32_t>(rng->Below(4));
  work->slots = 1 + static_cast<uint32_t>(rng->Below(3));
  constexpr uint64_t kSizes[] = {8, 24, 24, 120, 300};
  work->shape.mini_batches = 1 + rng->Below(kSizes[rng->Below(5)]);
  work->frame = rng->Below(2) == 0 ? 1 : 1 + static_cast<uint32_t>(rng->Below(8));
  // More roots than instances, as very large jobs have.
  const uint64_t wanted = work->instances + (rng->Below(2) == 0 ? 0 : rng->Below(8));
  work->shape.roots = ledger::RootCount(work->shape.mini_batches, wanted);
  work->shape.max_retries = static_cast<int64_t>(rng->Below(3));
  work->shape.items_each = 1 + rng->Below(3);
  if (rng->Below(3) == 0)
    work->thresholds.mini_batch_error_threshold = static_cast<int64_t>(rng->Below(4));
  if (rng->Below(5) == 0) work->thresholds.error_threshold = static_cast<int64_t>(rng->Below(6));
  // Not drawn: what is drawn after it stays as it was.
  if (work->shape.mini_batches % 8 == 5) {
    work->thresholds.allowed_failed_percent = static_cast<int64_t>(work->shape.mini_batches % 40);
  }
}

void DrawFates(Rng* rng, Workload* work) {
  work->longest_run =
      Millis(1) +
      Nanos(static_cast<int64_t>(rng->Below(rng->Below(2) == 0 ? 20'000'000 : 200'000'000)));
  // Quick ones first and slow ones later: horizons must come back down.
  if (rng->Below(3) == 0) {
    work->slow_from = rng->Below(work->shape.mini_batches / 2 + 1);
    work->longest_run = Millis(3);
  }
  for (uint64_t i = 0; i < work->shape.mini_batches; ++i) {
    if (rng->Below(8) == 0) work->bad[i] = 1 + static_cast<uint32_t>(rng->Below(4));
    if (rng->Below(60) == 0) work->poison.insert(i);
  }
  if (rng->Below(4) == 0) work->large_rows = 0.05;
}

}  // namespace pj::sim
