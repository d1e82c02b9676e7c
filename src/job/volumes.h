// Where a job's data and work lie on its volumes: the operator mounts them, `paralleljob fetch`
// reads them.
#pragma once

#include <optional>
#include <string>

#include "api/parallel_job.h"
#include "job/job_objects.h"
#include "ledger/record.h"

namespace pj::job {

// A path of the manifest below its volume: "./a//b/" → "a/b"; empty for the volume's own root.
std::string BelowVolume(const std::string& path);
// What of it is mounted: a file's folder, or the folder itself.
std::string MountedFolder(const std::string& path, api::DataType type);
// A file's name in that folder; `name` (of the input or output) when the path names a folder.
std::string FileNameOf(const std::string& path, const std::string& name);
// The output on whose volume the work lies when there is no work volume: the appended one, else the
// first. Null with a work volume, and without any output.
const api::Output* WorkOutput(const api::ParallelJobSpec& spec);
// The work volume, else the appended output's, else the first output's; empty without any.
api::KubeJson WorkVolume(const api::ParallelJobSpec& spec);
// The run's own folder of the work volume: kWorkDir of its pods.
std::string WorkFolder(const std::string& job, const ledger::JobIdentity& identity);

// Where a path of a pod (below kOutputsDir, kInputsDir or kWorkDir) lies for people.
struct ClaimPlace {
  std::string claim;
  std::string path;  // below the claim's root; empty: that root
  std::string Text() const { return "claim " + claim + ": " + (path.empty() ? "." : path); }
};
// Nothing for other paths, and for volumes that are no claims.
std::optional<ClaimPlace> PlaceOf(const api::ParallelJobSpec& spec, const JobObjects& objects,
                                  const std::string& pod_path);
// The text with its place behind the first path of a pod that has one: "…/outputs/a (claim x: b)".
std::string WithPlace(const api::ParallelJobSpec& spec, const JobObjects& objects,
                      std::string text);

}  // namespace pj::job
