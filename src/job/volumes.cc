#include "job/volumes.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "job/pod_contract.h"

namespace pj::job {

namespace fs = std::filesystem;

namespace {

std::string ClaimOf(const api::KubeJson& volume) {
  const Result<Json> source = ParseJson(volume);
  if (!source || !source->is_object()) return {};
  const auto claim = source->find("persistentVolumeClaim");
  if (claim == source->end() || !claim->is_object()) return {};
  const auto name = claim->find("claimName");
  return name != claim->end() && name->is_string() ? name->get<std::string>() : std::string();
}

std::optional<ClaimPlace> On(const api::KubeJson& volume, const std::string& folder,
                             std::string_view rest) {
  const std::string claim = ClaimOf(volume);
  if (claim.empty()) return std::nullopt;
  return ClaimPlace{claim, BelowVolume(folder + "/" + std::string(rest))};
}

// What of `path` lies below `folder`, without the slash between; nothing if it is elsewhere.
std::optional<std::string_view> Below(std::string_view path, std::string_view folder) {
  if (!path.starts_with(folder)) return std::nullopt;
  path.remove_prefix(folder.size());
  if (path.empty()) return path;
  return path.front() == '/' ? std::optional(path.substr(1)) : std::nullopt;
}

template <class Place>
std::optional<ClaimPlace> Among(const std::vector<Place>& places, std::string_view below) {
  const std::string_view name = below.substr(0, below.find('/'));
  for (const Place& place : places) {
    if (place.name != name) continue;
    below.remove_prefix(std::min(name.size() + 1, below.size()));
    return On(place.volume, MountedFolder(place.path, place.type), below);
  }
  return std::nullopt;
}

}  // namespace

std::string BelowVolume(const std::string& path) {
  std::string text = fs::path(path).relative_path().lexically_normal().string();
  while (text.ends_with('/')) text.pop_back();
  return text == "." ? "" : text;
}

std::string MountedFolder(const std::string& path, api::DataType type) {
  const std::string below = BelowVolume(path);
  const bool file = type == api::DataType::kUriFile && !path.ends_with('/');
  return file ? fs::path(below).parent_path().string() : below;
}

std::string FileNameOf(const std::string& path, const std::string& name) {
  if (path.ends_with('/')) return name;
  const std::string base = fs::path(BelowVolume(path)).filename().string();
  return base.empty() || base == ".." ? name : base;
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

std::optional<ClaimPlace> PlaceOf(const api::ParallelJobSpec& spec, const JobObjects& objects,
                                  const std::string& pod_path) {
  if (const auto below = Below(pod_path, kOutputsDir)) return Among(spec.outputs, *below);
  if (const auto below = Below(pod_path, kInputsDir)) return Among(spec.inputs, *below);
  const auto below = Below(pod_path, kWorkDir);
  if (!below) return std::nullopt;
  return On(WorkVolume(spec), WorkFolder(objects.job, objects.identity), *below);
}

std::string WithPlace(const api::ParallelJobSpec& spec, const JobObjects& objects,
                      std::string text) {
  for (size_t at = text.find("/paralleljob/"); at != std::string::npos;
       at = text.find("/paralleljob/", at + 1)) {
    const size_t end = std::min(text.find_first_of(" ,;:\"'()\n", at), text.size());
    const auto place = PlaceOf(spec, objects, text.substr(at, end - at));
    if (place) return text.insert(end, " (" + place->Text() + ")");
  }
  return text;
}

}  // namespace pj::job
