// The texts for people in the logs folder, made from a summary: cause first, then where to look.
#pragma once

#include <string>

#include "report/report.h"
#include "report/rollup.h"

namespace pj::report {

std::string JobResultText(const JobSummary& summary);
std::string ReadmeText();
std::string ErrorOverviewText(const JobSummary& summary);  // user/error.txt
std::string ProgressOverviewText(const JobSummary& summary,
                                 const std::map<std::string, Totals>& nodes, WallTime now);

}  // namespace pj::report
