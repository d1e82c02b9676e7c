#include "base/json.h"
#include "report/report.h"
#include "report/text.h"

namespace pj::report {
namespace {

Json ErrorsJson(const JobSummary& summary) {
  Json errors = Json::array();
  for (size_t i = 0; i < summary.errors.size(); ++i) {
    const ledger::ErrorGroup& group = summary.errors[i];
    errors.push_back({{"count", group.count},
                      {"message", Escaped(group.text)},
                      {"miniBatches", group.first_ids},
                      {"log", group.log},
                      {"recovered", i < summary.recovered.size() && summary.recovered[i]}});
  }
  return errors;
}

}  // namespace

std::string SummaryJson(const JobSummary& s) {
  Json outputs = Json::object();
  for (const auto& [name, path] : s.outputs) outputs[name] = path;
  const Json json = {
      {"job", s.job},
      {"state", s.state},
      {"reason", s.reason},
      {"message", Escaped(s.message, Lines::kKeep)},
      {"miniBatches",
       {{"total", s.mini_batches_total},
        {"succeeded", s.mini_batches_succeeded},
        {"failed", s.mini_batches_failed},
        {"notRun", s.not_run}}},
      {"items",
       {{"total", s.items_total}, {"succeeded", s.items_succeeded}, {"failed", s.items_failed}}},
      {"retries", s.retries},
      {"durationSeconds", s.duration_seconds},
      {"outputs", std::move(outputs)},
      {"logs", s.logs},
      {"errors", ErrorsJson(s)}};
  return DumpJson(json);
}

}  // namespace pj::report
