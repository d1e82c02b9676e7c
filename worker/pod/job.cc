#include "worker/pod/job.h"

#include <filesystem>
#include <utility>

#include "api/load.h"
#include "base/diagnostics.h"
#include "base/fs.h"
#include "base/limits.h"
#include "job/volumes.h"
#include "worker/input_copy.h"

namespace pj::worker {
namespace {

namespace fs = std::filesystem;

// A uri_file's folder is mounted, and the file stands in it under its own name.
std::string PlaceOf(const std::string& folder, const std::string& name, api::DataType type,
                    const std::string& path) {
  const std::string place = folder + "/" + name;
  return job::IsFolder(type) ? place : place + "/" + job::FileNameOf(path, name);
}

}  // namespace

Result<api::ParallelJob> LoadPodManifest(const std::string& file) {
  PJ_ASSIGN(const std::string text, ReadFile(file, limits::kConfigMapBytes));
  Diagnostics found;
  api::ParallelJob job = api::LoadStoredJob(text, &found);
  for (const Diagnostic& each : found.all()) {
    if (each.severity != Severity::kError) continue;
    return Fail(Code::kInvalid, "the job's manifest cannot be used: " + each.ToString(), file);
  }
  return job;
}

Result<job::ResolvedJob> ResolvePodJob(const api::ParallelJob& job, const PodFolders& folders) {
  job::ResolvedJob made;
  const api::Code& code = job.spec.task.code;
  made.code_dir = code.source == api::Code::Source::kImage ? code.local : folders.code;
  for (const api::Input& input : job.spec.inputs) {
    made.inputs[input.name] = input.type == api::DataType::kLiteral
                                  ? input.value
                                  : PlaceOf(folders.inputs, input.name, input.type, input.path);
  }
  for (const api::Output& output : job.spec.outputs) {
    const std::string place = PlaceOf(folders.outputs, output.name, output.type, output.path);
    made.outputs[output.name] = place;
    PJ_TRY(MakeDirs(job::IsFolder(output.type) ? place : fs::path(place).parent_path().string()));
  }
  job::ResolveTask(job.spec, &made);
  return made;
}

Status FetchInputs(const api::ParallelJob& job, const PodFolders& folders, job::ResolvedJob* made) {
  for (const api::Input& input : job.spec.inputs) {
    if (input.type == api::DataType::kLiteral) continue;
    if (made->copied_from.contains(input.name)) continue;  // by a try before this one
    std::string& path = made->inputs[input.name];
    std::error_code error;
    if (!fs::exists(path, error)) {
      return Fail(Code::kNotFound, "InputNotFound: the input does not exist on its volume",
                  "spec.inputs[" + input.name + "].path: " + input.path,
                  "write the path below the volume's root");
    }
    if (input.mode != api::InputMode::kDownload) continue;
    PJ_ASSIGN(std::string copy, CopyInput(path, folders.run + "/inputs/" + input.name));
    made->copied_from[input.name] = std::exchange(path, std::move(copy));
  }
  job::ResolveTask(job.spec, made);  // the arguments name the copies
  return {};
}

PodFolders FoldersFor(const api::ParallelJobSpec& spec, PodFolders folders) {
  if (spec.logs == api::LogsPolicy::kNone) folders.logs = folders.tmp + "/logs";
  return folders;
}

bool SharesWork(const api::ParallelJobSpec& spec) {
  return !spec.work_volume.empty() || !spec.outputs.empty();
}

}  // namespace pj::worker
