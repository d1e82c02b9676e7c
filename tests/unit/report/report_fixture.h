// What the tests of reports share.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/fs.h"
#include "report/report.h"
#include "unit/temp_dir.h"

namespace pj::report {

inline output::AttemptRecord Good(uint64_t mini_batch, uint32_t attempt = 1) {
  output::AttemptRecord r;
  r.mini_batch = mini_batch;
  r.attempt = attempt;
  r.terminal = true;
  r.node = "instance-0";
  r.address = "127.0.0.1";
  r.process = 2;
  r.start_wall_ns = 1'769'860'800'123'456'789;
  r.elapsed_ns = 1'500'000'000;
  r.process_ns = 250'000'000;
  r.run_ns = 1'000'000;
  r.items_total = r.items_ok = 5;
  r.rows = 5;
  r.detail = "a.csv";
  r.log = "user/stdout/instance-0/process002.stdout.txt";
  return r;
}

inline output::AttemptRecord Bad(uint64_t mini_batch, uint32_t attempt, const std::string& message,
                                 bool terminal = false) {
  output::AttemptRecord r = Good(mini_batch, attempt);
  r.terminal = terminal;
  r.status = ledger::AttemptStatus::kRunException;
  r.items_ok = 0;
  r.items_failed = 5;
  r.rows = 0;
  r.category = "ValueError";
  r.message = message;
  r.traceback =
      "Traceback (most recent call last):\n  File \"x.py\", line 1\nValueError: " + message;
  return r;
}

inline AttemptSource From(std::vector<output::AttemptRecord> records) {
  return [records](const std::function<void(const output::AttemptRecord&)>& each) -> Status {
    for (const output::AttemptRecord& record : records) each(record);
    return {};
  };
}

}  // namespace pj::report
