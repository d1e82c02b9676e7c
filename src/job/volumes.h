// Where a job's data and work lie on its volumes: the operator mounts them, `paralleljob fetch`
// reads them.
#pragma once

#include <string>

#include "api/parallel_job.h"
#include "ledger/record.h"

namespace pj::job {

// A path of the manifest below its volume: "./a//b/" → "a/b"; empty for the volume's own root.
std::string BelowVolume(const std::string& path);
// What of it is mounted: a file's folder, or the folder itself.
std::string MountedFolder(const std::string& path, api::DataType type);
// The output on whose volume the work lies when there is no work volume: the appended one, else the
// first. Null with a work volume, and without any output.
const api::Output* WorkOutput(const api::ParallelJobSpec& spec);
// The work volume, else the appended output's, else the first output's; empty without any.
api::KubeJson WorkVolume(const api::ParallelJobSpec& spec);
// The run's own folder of the work volume: kWorkDir of its pods.
std::string WorkFolder(const std::string& job, const ledger::JobIdentity& identity);

}  // namespace pj::job
