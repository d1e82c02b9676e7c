// PodEnd: how a job in a cluster comes to its `result` (protocol rule 10): an agent that finds the
// job decided, or the finaliser pod when no agent lives, seals, publishes and reports.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "api/parallel_job.h"
#include "job/run_store.h"
#include "ledger/record.h"
#include "output/file_ops.h"
#include "policy/verdict.h"
#include "worker/pod/config.h"

namespace pj::worker {

struct PodEndOptions {
  const job::RunStore* store = nullptr;
  const api::ParallelJob* job = nullptr;
  const PodFolders* folders = nullptr;
  std::string incarnation;           // who seals
  output::FileOps* files = nullptr;  // that the segments are read with; EndTogether has its own
};

// Seals, publishes, reports, creates `result`; safe to repeat, and if two do it at a time.
// `control` tells why the job was stopped, if it was. A job without a plan has nothing to seal.
Result<job::StoredResult> EndJob(const PodEndOptions& options,
                                 const std::optional<ledger::Control>& control);

// The result of a job that cannot run at all: its input is empty, or not there.
Result<job::StoredResult> FailJob(const PodEndOptions& options, const policy::Verdict& verdict);

// The reason that an error's message begins with: "EmptyInput" of "EmptyInput: no files …".
std::string_view NamedReason(const Error& error);
// What the status calls it: that, or the kind of error.
std::string TroubleReason(const Error& error);
// And what it says of it: without that reason, and with the claim of the path that it names.
std::string TroubleMessage(const Error& error, const api::ParallelJobSpec& spec,
                           const job::JobObjects& objects);

// Of all that may end the job one does it, agreed on by the Lease `fin`. Returns when `result` is
// there, or nothing when `stopped` says so (asked each `poll`). Errors of EndJob are told to
// `trouble` and stand in the Lease, for the operator, and it is tried again.
struct EndTurn {
  Nanos tick{Seconds(5)};
  Nanos poll{Millis(500)};
  std::function<bool(Nanos)> wait_stopped;  // waits so long; true: to stop
  std::function<void(const Error&)> trouble;
};
std::optional<job::StoredResult> EndTogether(PodEndOptions options, const EndTurn& turn);

}  // namespace pj::worker
