#include "report/rollup.h"

#include <algorithm>

#include "base/clock.h"
#include "report/text.h"

namespace pj::report {
namespace {

constexpr const char* kColumns =
    "Mini-batches,Succeeded,Failed,Attempts,Retries,Items,Items Succeeded,Items Failed,"
    "Elapsed Seconds,Process Seconds,Run Method Seconds,First Start,Last End\n";

void AppendTotals(const Totals& t, std::string* out) {
  for (const uint64_t number : {t.succeeded + t.failed, t.succeeded, t.failed, t.attempts,
                                t.retries, t.items_total, t.items_ok, t.items_failed}) {
    AppendNumber(number, out);
    out->push_back(',');
  }
  for (const int64_t nanos : {t.elapsed_ns, t.process_ns, t.run_ns}) {
    AppendSeconds(nanos, out);
    out->push_back(',');
  }
  out->append(FormatRfc3339(WallTime(Nanos(t.first_start_ns)))).push_back(',');
  out->append(FormatRfc3339(WallTime(Nanos(t.last_end_ns)))).push_back('\n');
}

}  // namespace

Totals& Totals::operator+=(const Totals& o) {
  if (address.empty()) address = o.address;
  processes += o.processes;
  attempts += o.attempts;
  retries += o.retries;
  succeeded += o.succeeded;
  failed += o.failed;
  items_total += o.items_total;
  items_ok += o.items_ok;
  items_failed += o.items_failed;
  elapsed_ns += o.elapsed_ns;
  process_ns += o.process_ns;
  run_ns += o.run_ns;
  first_start_ns = std::min(first_start_ns, o.first_start_ns);
  last_end_ns = std::max(last_end_ns, o.last_end_ns);
  return *this;
}

void Rollup::Add(const output::AttemptRecord& r) {
  Totals one;
  one.address = r.address;
  one.attempts = 1;
  one.retries = r.attempt > 1 ? 1 : 0;
  if (r.terminal) {
    const bool good = r.status == ledger::AttemptStatus::kRunDone;
    one.succeeded = good ? 1 : 0;
    one.failed = good ? 0 : 1;
    one.items_total = r.items_total;
    one.items_ok = r.items_ok;
    one.items_failed = r.items_failed;
  }
  one.elapsed_ns = r.elapsed_ns;
  one.process_ns = r.process_ns;
  one.run_ns = r.run_ns;
  one.first_start_ns = r.start_wall_ns;
  one.last_end_ns = r.start_wall_ns + r.elapsed_ns;
  processes_[{r.node, r.process}] += one;
}

std::map<std::string, Totals> Rollup::Nodes() const {
  std::map<std::string, Totals> nodes;
  for (const auto& [key, totals] : processes_) {
    Totals& node = nodes[key.first] += totals;
    ++node.processes;
  }
  return nodes;
}

std::string Rollup::NodeCsv() const {
  std::string out = std::string("Node,Ip Address,Processes,") + kColumns;
  for (const auto& [node, totals] : Nodes()) {
    AppendCsvText(node, &out);
    out.push_back(',');
    AppendCsvText(totals.address, &out);
    out.push_back(',');
    AppendNumber(totals.processes, &out);
    out.push_back(',');
    AppendTotals(totals, &out);
  }
  return out;
}

std::string Rollup::ProcessCsv() const {
  std::string out = std::string("Node,Ip Address,Process,") + kColumns;
  for (const auto& [key, totals] : processes_) {
    AppendCsvText(key.first, &out);
    out.push_back(',');
    AppendCsvText(totals.address, &out);
    out.append("," + ProcessName(key.second) + ",");
    AppendTotals(totals, &out);
  }
  return out;
}

}  // namespace pj::report
