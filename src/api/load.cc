#include "api/load.h"

#include <fmt/core.h>

#include <filesystem>

#include "api/azure.h"
#include "api/manifest.h"
#include "api/nearest_name.h"
#include "api/overrides.h"
#include "api/validate.h"
#include "api/validate_files.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"

namespace pj::api {
namespace {

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::string ScalarAt(const YamlNode& root, std::string_view key) {
  const YamlNode* node = root.Find(key);
  return node == nullptr ? std::string() : node->scalar;
}

class FileLoader {
 public:
  FileLoader(const std::string& path, const LoadOptions& options, Diagnostics* out)
      : path_(path), options_(options), out_(out) {}

  std::vector<LoadedJob> Load() {
    const auto text = ReadFile(path_, limits::kYamlBytes);
    if (!text) {
      Report({}, "", text.error().message, text.error().hint);
      return {};
    }
    // The front door decides the dialect, and only the tree tells which door it is.
    Diagnostics as_azure;
    const auto azure = ParseYaml(*text, path_, YamlDialect::kPython, &as_azure);
    if (!azure.empty() && LooksLikeAzure(azure[0])) {
      for (const Diagnostic& d : as_azure.all()) out_->Add(d);
      return LoadAzure(azure);
    }
    const auto documents = ParseYaml(*text, path_, YamlDialect::kKubectl, out_);
    if (out_->HasErrors()) return {};
    for (const YamlNode& document : documents) LoadDocument(document);
    if (jobs_.empty() && !out_->HasErrors()) {
      Report({}, "", "holds no ParallelJob",
             fmt::format("begin with apiVersion: {} and kind: {}", kApiVersion, kKind));
    }
    CheckNames();
    if (!out_->HasErrors()) ReportUnusedOverrides(options_, used_, jobs_, out_);
    return std::move(jobs_);
  }

 private:
  void Report(const YamlNode& at, std::string field, std::string message, std::string hint,
              Severity severity = Severity::kError) {
    Diagnostic d;
    d.severity = severity;
    d.file = path_;
    d.line = at.line;
    d.column = at.column;
    d.field = std::move(field);
    if (at.kind == YamlNode::Kind::kScalar) d.value = at.scalar;
    d.message = std::move(message);
    d.hint = std::move(hint);
    out_->Add(std::move(d));
  }

  void LoadDocument(const YamlNode& document) {
    if (document.kind == YamlNode::Kind::kNull) return;
    if (document.kind != YamlNode::Kind::kMapping) {
      return Report(document, "", "is not a manifest",
                    fmt::format("begin with apiVersion: {}", kApiVersion));
    }
    if (!IsParallelJob(document)) return;
    AddJob(document, FolderOf(path_));
  }

  // Reports what is meant as one but is not; other kinds of a file for `kubectl apply` are passed
  // over.
  bool IsParallelJob(const YamlNode& document) {
    const std::string version = ScalarAt(document, "apiVersion");
    const std::string kind = ScalarAt(document, "kind");
    if (version == kApiVersion && kind == kKind) return true;
    const auto at = [&](const char* key) {
      const YamlNode* node = document.Find(key);
      return node == nullptr ? document : *node;
    };
    const bool ours = version.starts_with("paralleljob.dev/");
    const bool like_ours = version.empty() || !NearestName(version, {kApiVersion}).empty();
    if (kind == kKind || (kind.empty() && like_ours && !ours)) {
      Report(at("apiVersion"), "apiVersion", fmt::format("must be {}", kApiVersion),
             "change it, or convert the file");
    }
    if (kind == "ParallelPipeline" && ours) {
      Report(at("kind"), "kind", "pipelines are not supported yet", "write one job each");
    } else if (kind != kKind && (ours || like_ours || !NearestName(kind, {kKind}).empty())) {
      Report(at("kind"), "kind", fmt::format("must be {}", kKind), "");
    } else if (kind != kKind) {
      Report(at("kind"), "kind", fmt::format("is passed over: only {} is read", kKind), "",
             Severity::kNote);
    }
    return false;
  }

  LoadedJob* AddJob(YamlNode document, const std::string& base_dir) {
    Diagnostics found;
    for (const std::string& assignment : options_.set) ApplySet(assignment, &document, &found);
    Places places(path_);
    LoadedJob loaded;
    loaded.job = ReadManifest(document, base_dir, &places, &found);
    ApplyInputsAndImages(options_, &loaded, &used_);
    FinishJob(places, options_, &loaded.job, &found);
    loaded.places = LaterPlaces(places, options_, loaded.job);
    found.SortByPlace();
    for (const Diagnostic& d : found.all()) out_->Add(d);
    jobs_.push_back(std::move(loaded));
    return &jobs_.back();
  }

  void CheckNames() {
    std::set<std::string> names;
    for (const LoadedJob& loaded : jobs_) {
      const std::string name = loaded.job.ns + "/" + loaded.job.name;
      if (loaded.job.name.empty() || names.insert(name).second) continue;
      Diagnostic d;
      d.file = path_;
      d.field = "metadata.name";
      d.value = loaded.job.name;
      d.message = "two documents have this name";
      d.hint = "give each job its own";
      out_->Add(std::move(d));
    }
  }

  std::vector<LoadedJob> LoadAzure(const std::vector<YamlNode>& documents) {
    if (documents.size() > 1) {
      Report(documents[1], "", "an Azure file holds one document", "use one file each");
      return {};
    }
    std::vector<LoadedJob> jobs = LoadAzureFile(documents[0], path_, options_, out_);
    if (options_.set.empty() || out_->HasErrors()) return jobs;
    std::vector<LoadedJob> changed;
    for (const LoadedJob& job : jobs) changed.push_back(SetInAzure(job));
    return changed;
  }

  // --set speaks of the manifest: so the job becomes one, is changed, and is read again.
  LoadedJob SetInAzure(const LoadedJob& from) {
    const auto documents = ParseYaml(ToManifest(from.job), path_, YamlDialect::kKubectl, out_);
    if (documents.size() != 1) return from;
    LoadedJob out = from;
    YamlNode document = documents[0];
    for (const std::string& assignment : options_.set) ApplySet(assignment, &document, out_);
    Places places("--set");
    out.job = ReadManifest(document, FolderOf(path_), &places, out_);
    for (Input& input : out.job.spec.inputs) {
      if (const Input* old = from.job.spec.FindInput(input.name)) input.base_dir = old->base_dir;
    }
    out.job.spec.task.code.base_dir = from.job.spec.task.code.base_dir;
    out.job.spec.task.environment.base_dir = from.job.spec.task.environment.base_dir;
    FinishJob(places, options_, &out.job, out_);
    return out;
  }

  const std::string& path_;
  const LoadOptions& options_;
  Diagnostics* out_;
  std::vector<LoadedJob> jobs_;
  std::set<std::string> used_;
};

}  // namespace

namespace {

// Name and spec of a stored object, read as a manifest without other metadata.
ParallelJob ReadStored(std::string_view json, Places* places, Diagnostics* out) {
  const Result<Json> object = ParseJson(json, "ParallelJob");
  if (!object || !object->is_object()) {
    out->Add({.field = "ParallelJob", .message = "is no JSON object"});
    return {};
  }
  Json manifest{{"apiVersion", kApiVersion}, {"kind", kKind}};
  if (object->contains("metadata") && (*object)["metadata"].contains("name")) {
    manifest["metadata"]["name"] = (*object)["metadata"]["name"];
  }
  if (object->contains("spec")) manifest["spec"] = (*object)["spec"];
  const auto documents = ParseYaml(DumpJson(manifest), "", YamlDialect::kKubectl, out);
  if (out->HasErrors()) return {};
  return ReadManifest(documents.at(0), "", places, out);
}

}  // namespace

Result<ParallelJob> FromStoredJson(std::string_view json) {
  Diagnostics found;
  Places places;
  ParallelJob job = ReadStored(json, &places, &found);
  if (!found.HasErrors()) return job;
  return Fail(pj::Code::kCorrupt, found.all().front().ToString(), "ParallelJob");
}

ParallelJob LoadStoredJob(std::string_view json, Diagnostics* out) {
  Places places;
  ParallelJob job = ReadStored(json, &places, out);
  if (out->HasErrors()) return job;
  LoadOptions options;
  options.check_files = false;
  FinishJob(places, options, &job, out);
  if (!out->HasErrors()) CheckRunsInCluster(job, out);
  return job;
}

std::vector<LoadedJob> LoadJobFile(const std::string& path, const LoadOptions& options,
                                   Diagnostics* out) {
  std::vector<LoadedJob> jobs = FileLoader(path, options, out).Load();
  if (options.strict) out->PromoteWarnings();
  return jobs;
}

}  // namespace pj::api
