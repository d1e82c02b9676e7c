#include "report/error_files.h"
#include "report/job_texts.h"
#include "report/report.h"
#include "report/report_folder.h"
#include "report/rollup.h"

namespace pj::report {

Status WriteReports(const std::string& logs_dir, JobSummary* summary,
                    const AttemptSource& attempts) {
  ReportFolder folder(logs_dir);
  Rollup rollup;
  summary->more_rows = 0;
  ErrorFiles errors(logs_dir + "/user/error");
  folder.Note(attempts([&](const output::AttemptRecord& record) {
    rollup.Add(record);
    if (record.terminal && record.rows > record.items_total) ++summary->more_rows;
    errors.Add(record);
  }));
  folder.Note(errors.Finish());
  const WallTime now = SystemClock().Wall();
  folder.Write(kJobResultFile, JobResultText(*summary));
  folder.Write("readme.txt", ReadmeText());
  folder.Write(kErrorOverviewFile, ErrorOverviewText(*summary));
  folder.Write(ProgressOverviewName(now), ProgressOverviewText(*summary, rollup.Nodes(), now));
  folder.Write(kNodeSummaryCsv, rollup.NodeCsv());
  folder.Write(kProcessSummaryCsv, rollup.ProcessCsv());
  return folder.status();
}

}  // namespace pj::report
