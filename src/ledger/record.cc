#include "ledger/record.h"

namespace pj::ledger {

Counters& Counters::operator+=(const Counters& other) {
  items_ok += other.items_ok;
  items_failed += other.items_failed;
  mini_batches_failed += other.mini_batches_failed;
  retries += other.retries;
  infrastructure_losses += other.infrastructure_losses;
  busy_ns += other.busy_ns;
  return *this;
}

}  // namespace pj::ledger
