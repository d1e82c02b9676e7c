// The API objects of one run of a job (docs: protocol §1): names, metadata and the typed content of
// plan, control, result, job and worker objects. The local run, the worker and the operator read
// and write them through here, so that they are the same everywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "kube/objects.h"
#include "ledger/record.h"

namespace pj::job {

inline constexpr char kRecordKey[] = "record";  // binaryData of shards and control

// What every object of a job's run has in common.
struct JobObjects {
  std::string ns;
  std::string job;
  ledger::JobIdentity identity;
  std::string Name(const std::string& what) const;
  // The metadata of the object `name`: labels, and the ParallelJob as its owner, so that it goes
  // when the ParallelJob is deleted.
  kube::Meta Meta(const std::string& name) const;
};

// --- plan ----------------------------------------------------------------------------------------
struct PlanFacts {
  std::string hash;
  uint64_t mini_batches = 0;
  uint64_t roots = 0;
  uint64_t items = 0;
  // Where the table lies: `inline_table` here (≤ limits::kInlinePlanBytes), or `file` below the
  // work folder's plans/, with its size and SHA-256. A local run leaves both empty: its plan file
  // has a fixed place.
  std::string inline_table = {};
  std::string file = {};
  uint64_t file_bytes = 0;
  std::string file_sha256 = {};
  int64_t started_wall_ns = 0;  // when the planner began; 0: not known
};
kube::ConfigMap EncodePlan(const JobObjects& objects, const PlanFacts& facts);
Result<PlanFacts> DecodePlan(const kube::ConfigMap& map);  // kCorrupt: LedgerCorrupt

// --- control -------------------------------------------------------------------------------------
kube::ConfigMap EncodeControlMap(const JobObjects& objects, const ledger::Control& control);
Result<ledger::Control> DecodeControlMap(const kube::ConfigMap& map);

// --- result --------------------------------------------------------------------------------------
// The outcome, as the `result` object keeps it.
struct StoredResult {
  int exit_code = 0;           // 0 complete, 1 failed
  std::string summary_json;    // what `run -o json` prints
  std::string published_path;  // empty: nothing was appended
  uint64_t published_bytes = 0;
  uint64_t published_rows = 0;
  uint32_t published_crc = 0;
  std::string header;  // bytes before the first row
};
kube::ConfigMap EncodeResult(const JobObjects& objects, const StoredResult& result);
Result<StoredResult> DecodeResult(const kube::ConfigMap& map);  // kCorrupt: LedgerCorrupt

// --- worker Lease --------------------------------------------------------------------------------
// What a worker says of itself: in an annotation of its Lease `w-<ordinal>`, written with the
// Lease. The holder of that Lease is "<pod UID>/<incarnation>"; a drained or finished worker
// empties it.
struct WorkerState {
  bool environment_ready = false;
  bool initialising = false;  // some slot is within init()'s own timeout: the clocks pause
  uint64_t started = 0;       // attempts handed to a running slot
  uint64_t progress = 0;      // as ShardRecord::progress, for workers that hold no shard
  uint32_t slots = 0;
  std::string lost_reason = {};  // every slot retired: EntryScriptFailed, InitFailed …
  std::string lost_message = {};
  // Why the worker does not get on, though it tries again by itself: NoSpace, LedgerCorrupt …
  std::string trouble_reason = {};
  std::string trouble_message = {};
  bool operator==(const WorkerState&) const = default;
};
inline constexpr char kWorkerStateNote[] = "paralleljob.dev/worker-state";
std::string EncodeWorkerState(const WorkerState& state);
Result<WorkerState> DecodeWorkerState(std::string_view json);

}  // namespace pj::job
