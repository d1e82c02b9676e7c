#include <algorithm>
#include <mutex>
#include <utility>

#include "report/log_file.h"
#include "report/report.h"
#include "report/text.h"

namespace pj::report {
namespace {

constexpr const char* kHeader =
    "Mini-batch Id,Picked Count,Ip Address,Process,Start Time,Total,Succeeded,Failed,"
    "Elapsed Seconds,Process Seconds,Run Method Seconds,Status,Error Category,Error Message,"
    "Mini-batch Detail\n";

// Times of neighbours share their second: its date is worked out once.
class TimeFormat {
 public:
  void Append(int64_t wall_ns, std::string* out) {
    const int64_t second = wall_ns / 1'000'000'000;
    if (second != second_ || text_.empty()) {
      second_ = second;
      text_ = FormatRfc3339(WallTime(Seconds(second)));
      text_.resize(text_.find('.') + 1);
    }
    out->append(text_);
    char digits[7];
    WriteSixDigits(static_cast<uint32_t>(wall_ns % 1'000'000'000 / 1000), digits);
    digits[6] = 'Z';
    out->append(digits, sizeof digits);
  }

 private:
  int64_t second_ = 0;
  std::string text_;
};

class RowText {
 public:
  // Valid until the next call.
  const std::string& Of(const output::AttemptRecord& r) {
    row_.clear();
    Number(r.mini_batch);
    Number(r.attempt);
    Text(r.address);
    Process(r.process);
    time_.Append(std::max<int64_t>(r.start_wall_ns, 0), &row_);
    row_.push_back(',');
    Number(r.items_total);
    Number(r.items_ok);
    Number(r.items_failed);
    for (const int64_t nanos : {r.elapsed_ns, r.process_ns, r.run_ns}) {
      AppendSeconds(nanos, &row_);
      row_.push_back(',');
    }
    row_.append(ledger::AttemptStatusName(r.status));
    row_.push_back(',');
    Text(r.category);
    Text(r.message);
    AppendCsvText(r.detail, &row_);
    row_.push_back('\n');
    return row_;
  }

 private:
  void Number(uint64_t number) {
    AppendNumber(number, &row_);
    row_.push_back(',');
  }
  void Text(std::string_view text) {
    AppendCsvText(text, &row_);
    row_.push_back(',');
  }
  void Process(uint32_t process) {
    row_.append("process");
    if (process < 100) row_.append(process < 10 ? "00" : "0");
    Number(process);
  }

  TimeFormat time_;
  std::string row_;
};

class Csv final : public ProcessedCsv {
 public:
  explicit Csv(const std::string& path) : file_(path, kHeader) {}

  void Add(const output::AttemptRecord& record) override {
    const std::lock_guard lock(mutex_);
    file_.Add(row_.Of(record));
  }

  void Flush() override {
    const std::lock_guard lock(mutex_);
    file_.Flush();
  }

  uint64_t Dropped() const override {
    const std::lock_guard lock(mutex_);
    return file_.dropped();
  }

  ~Csv() override { file_.Flush(); }

 private:
  mutable std::mutex mutex_;
  LogFile file_;
  RowText row_;
};

}  // namespace

std::string ProcessedRow(const output::AttemptRecord& record) { return RowText().Of(record); }

std::string ProcessedCsvPath(const std::string& logs_dir) {
  return logs_dir + "/sys/job_report/processed_mini-batches.csv";
}

Result<std::unique_ptr<ProcessedCsv>> ProcessedCsv::Create(const std::string& path) {
  return std::make_unique<Csv>(path);
}

}  // namespace pj::report
