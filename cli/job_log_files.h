// JobLogFiles: what the log folder of a job that has ended says, read through a reader pod.
#pragma once

#include <string>

#include "cli/log_output.h"
#include "cli/reader_pod.h"

namespace pj::cli {

// Why the job ended, and what failed: job_result.txt and user/error.txt.
Status PrintJobResult(ReaderPod* pod, LogOutput* out);
// What the entry script printed and logged in the processes of one instance.
Status PrintInstanceLogs(ReaderPod* pod, int64_t instance, LogOutput* out);
// Every attempt of one mini-batch: its rows of processed_mini-batches.csv (once the job has ended)
// and the tracebacks of those that failed. kNotFound if nothing tells of it.
Status PrintMiniBatch(ReaderPod* pod, uint64_t mini_batch, LogOutput* out);

// The entries of an error file (user/error/<node>/processNNN.txt) that tell of the mini-batch.
std::string EntriesOf(const std::string& error_file, uint64_t mini_batch);
// The header and the rows of processed_mini-batches.csv that tell of it; empty without any.
std::string RowsOf(const std::string& csv, uint64_t mini_batch);

}  // namespace pj::cli
