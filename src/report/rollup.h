// Rollup: what each process and each node did, summed over attempt records.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "output/segment.h"

namespace pj::report {

struct Totals {
  std::string address;
  uint64_t processes = 0;  // set for nodes
  uint64_t attempts = 0, retries = 0;
  uint64_t succeeded = 0, failed = 0;                        // mini-batches that ended here
  uint64_t items_total = 0, items_ok = 0, items_failed = 0;  // of those
  int64_t elapsed_ns = 0, process_ns = 0, run_ns = 0;
  int64_t first_start_ns = INT64_MAX, last_end_ns = 0;
  Totals& operator+=(const Totals& other);
};

// Not thread-safe. One entry a process, however many attempts.
class Rollup {
 public:
  void Add(const output::AttemptRecord& record);

  using Processes = std::map<std::pair<std::string, uint32_t>, Totals>;
  const Processes& processes() const { return processes_; }
  std::map<std::string, Totals> Nodes() const;

  // Contents of node_summary.csv and process_summary.csv.
  std::string NodeCsv() const;
  std::string ProcessCsv() const;

 private:
  Processes processes_;
};

}  // namespace pj::report
