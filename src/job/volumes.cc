#include "job/volumes.h"

#include <fmt/core.h>

#include <filesystem>

#include "job/pod_contract.h"

namespace pj::job {

namespace fs = std::filesystem;

std::string BelowVolume(const std::string& path) {
  std::string text = fs::path(path).relative_path().lexically_normal().string();
  while (text.ends_with('/')) text.pop_back();
  return text == "." ? "" : text;
}

std::string MountedFolder(const std::string& path, api::DataType type) {
  const std::string below = BelowVolume(path);
  return type == api::DataType::kUriFile ? fs::path(below).parent_path().string() : below;
}

const api::Output* WorkOutput(const api::ParallelJobSpec& spec) {
  if (!spec.work_volume.empty()) return nullptr;
  if (const api::Output* append = spec.FindOutput(spec.task.append_row_to)) return append;
  return spec.outputs.empty() ? nullptr : &spec.outputs.front();
}

api::KubeJson WorkVolume(const api::ParallelJobSpec& spec) {
  const api::Output* output = WorkOutput(spec);
  return output == nullptr ? spec.work_volume : output->volume;
}

std::string WorkFolder(const std::string& job, const ledger::JobIdentity& identity) {
  return fmt::format("{}/{}-{}", kWorkFolder, job, identity.ShortHash());
}

}  // namespace pj::job
