// ProcessLogs: the log files of one process (contract §6), and the agent's own lines about it.
#pragma once

#include <cstdint>
#include <string>

#include "base/fs.h"
#include "base/result.h"

namespace pj::worker {

// Opened for appending. One that cannot be opened (full disk) is /dev/null: logs never stop a job.
struct ProcessLogs {
  UniqueFd out, err, log;
};

// What the process writes itself ends there (python/paralleljob/streams.py); what C code and its
// children write, with TrimLogs().
inline constexpr uint64_t kLogBytes = 64 << 20;
// Cuts those that are larger back to kLogBytes and a last line that says so.
void TrimLogs(const ProcessLogs& logs);

// Makes the folders of `node` below `logs_dir`; failures show when the files are opened.
void MakeLogFolders(const std::string& logs_dir, const std::string& node);
Result<ProcessLogs> OpenProcessLogs(const std::string& logs_dir, const std::string& node,
                                    int process);
// "user/stderr/instance-0/process003.stderr.txt": below logs_dir.
std::string StderrLog(const std::string& node, int process);
// "process003"
std::string ProcessName(int process);

// One line in sys/node/<node>/<name>.txt; dropped when it cannot be written.
void AppendSystemLog(const std::string& logs_dir, const std::string& node, const std::string& name,
                     const std::string& line);
std::string SystemLogPath(const std::string& logs_dir, const std::string& node,
                          const std::string& name);

}  // namespace pj::worker
