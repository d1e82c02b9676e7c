#include "cli/cluster_form.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "base/json.h"
#include "base/limits.h"
#include "base/words.h"
#include "cli/conda.h"
#include "cli/console.h"
#include "cli/packed_files.h"
#include "cli/portable.h"

namespace pj::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kCodeWayOut[] =
    "put it into the image (task.code.image: FOLDER) or on a volume (task.code.volume: "
    "{persistentVolumeClaim: {claimName: NAME}, path: FOLDER})";

// As a part of a Kubernetes name.
std::string NamePart(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!fits) c = '-';
  }
  return text;
}

std::string Below(const std::string& base_dir, const std::string& path) {
  return fs::path(path).is_absolute() ? path
                                      : (fs::path(base_dir) / path).lexically_normal().string();
}

// pvc:CLAIM/path → volume and path.
bool ReadClaim(const std::string& text, api::KubeJson* volume, std::string* path) {
  constexpr std::string_view kScheme = "pvc:";
  if (!text.starts_with(kScheme)) return false;
  const size_t slash = std::min(text.find('/'), text.size());
  const std::string claim = text.substr(kScheme.size(), slash - kScheme.size());
  if (claim.empty()) return false;
  *volume = DumpJson({{"persistentVolumeClaim", {{"claimName", claim}}}});
  *path = slash < text.size() ? text.substr(slash + 1) : std::string();
  return true;
}

// Every package that an environment asks for, as its files name them.
std::vector<std::string> Packages(const api::Environment& environment) {
  std::vector<std::string> out = environment.pip;
  if (environment.conda_file.empty()) return out;
  const Result<CondaFile> conda = ParseCondaFile(environment.conda_file, "condaFile");
  if (!conda) return out;  // its text is no list of packages: said when something installs them
  out.insert(out.begin(), conda->pip.begin(), conda->pip.end());
  out.insert(out.begin(), conda->packages.begin(), conda->packages.end());
  if (!conda->python_pin.empty()) out.insert(out.begin(), "python" + conda->python_pin);
  return out;
}

// The first few, for a message.
std::string Listed(const std::vector<std::string>& packages) {
  constexpr size_t kMost = 12;
  if (packages.empty()) return "the packages of condaFile";
  const size_t shown = std::min(packages.size(), kMost);
  std::string out;
  for (size_t i = 0; i < shown; ++i) out += (i == 0 ? "" : ", ") + packages[i];
  if (packages.size() > shown) out += fmt::format(" and {} more", packages.size() - shown);
  return out;
}

class Former {
 public:
  Former(api::ParallelJob job, const ClusterFormOptions& options, Diagnostics* out)
      : options_(options), out_(out) {
    form_.job = std::move(job);
  }

  ClusterForm Run() {
    if (Status made = MakePortable(options_.file, &form_.job); !made) {
      Add("spec.task.environment.condaFile", made.error());
    }
    if (options_.image_given) ReplaceEnvironment();
    if (form_.job.spec.copy_logs_to_parent.value) {
      out_->Add({.severity = Severity::kNote,
                 .file = options_.file,
                 .field = "spec.copyLogsToParent",
                 .message = "has no effect on a cluster: the job's logs lie in its own folder"});
    }
    PackCode();
    for (api::Input& input : form_.job.spec.inputs) PackInput(&input);
    SetOutputs();
    Check();
    return std::move(form_);
  }

 private:
  void Add(const std::string& field, const Error& error) {
    out_->Add({.file = options_.file,
               .field = field,
               .message = error.where.empty() ? error.message : error.where + " " + error.message,
               .hint = error.hint});
  }

  // Pods install nothing: the image that was asked for is all that the script finds.
  void ReplaceEnvironment() {
    api::Environment& environment = form_.job.spec.task.environment;
    if (environment.conda_file.empty() && environment.pip.empty()) return;
    out_->Add({.severity = Severity::kNote,
               .file = options_.file,
               .field = "spec.task.environment",
               .message = fmt::format("is {} as it is: it must hold {}", environment.image,
                                      Listed(Packages(environment)))});
    environment.conda_file.clear();
    environment.pip.clear();
  }

  // What to type so that there is an image.
  void SayImage(Diagnostic* finding) const {
    const api::Environment& environment = form_.job.spec.task.environment;
    const bool packages = !environment.conda_file.empty() || !environment.pip.empty();
    finding->hint = fmt::format(
        "{}: {} --image {}=REFERENCE",
        packages ? "build an image that holds " + Listed(Packages(environment)) + ", then type"
                 : "name one",
        options_.typed, options_.image_name);
  }

  PackOptions Options(std::string what, const std::string& where, std::string way_out) const {
    return {.job = form_.job.name,
            .what = std::move(what),
            .where = where,
            .way_out = std::move(way_out),
            .ns = form_.job.ns};
  }

  // The volume that holds the files; empty after an error.
  api::KubeJson Volume(const std::string& field, const Result<std::vector<LocalFile>>& files,
                       const PackOptions& pack) {
    if (!files) {
      Add(field, files.error());
      return {};
    }
    Result<Packed> packed = Pack(*files, pack);
    if (!packed) {
      Add(field, packed.error());
      return {};
    }
    std::move(packed->maps.begin(), packed->maps.end(), std::back_inserter(form_.maps));
    for (const std::string& path : packed->oversized) {
      form_.oversized.push_back(fmt::format("{}/{}", pack.where, path));
    }
    return packed->volume;
  }

  // Inputs are data, whatever folder they lie in; but not one in which the script itself lies.
  std::vector<std::string> NoCode(const std::string& code) const {
    std::vector<std::string> out = options_.exclude;
    std::vector<std::string> data = options_.replaced_inputs;
    for (const api::Input& input : form_.job.spec.inputs) {
      const bool here = input.type != api::DataType::kLiteral && input.volume.empty();
      if (here && !input.path.empty()) data.push_back(Below(FolderOfFile(), input.path));
    }
    std::string script = form_.job.spec.task.entry_script;
    if (!script.ends_with(".py")) std::ranges::replace(script, '.', '/');
    std::error_code ignored;  // of a path that cannot be: then nothing lies there
    const fs::path entry = fs::weakly_canonical(fs::path(code) / script, ignored);
    for (std::string& path : data) {
      const fs::path way = entry.lexically_relative(fs::weakly_canonical(path, ignored));
      if (way.empty() || *way.begin() == "..") out.push_back(std::move(path));
    }
    return out;
  }

  void CountCode(const std::vector<LocalFile>& files) {
    form_.code_files = files.size();
    for (const LocalFile& file : files) form_.code_bytes += file.content.size();
  }

  void PackCode() {
    api::Code& code = form_.job.spec.task.code;
    if (code.source != api::Code::Source::kLocal) return;
    const std::string folder = Below(FolderOfFile(), code.local);
    PackOptions pack = Options("code", code.local, kCodeWayOut);
    pack.most_bytes = limits::kArchivedBytes;
    pack.most_files = limits::kArchivedFiles;
    const auto files = ReadTree(folder, NoCode(folder), pack);
    if (files) CountCode(*files);
    if (files && !FitsVolume(*files)) return ArchiveCode(*files, pack);
    const api::KubeJson volume = Volume("spec.task.code", files, pack);
    if (volume.empty()) return;
    Result<Json> reference = ParseJson(volume);
    (*reference)["path"] = kPackedFolder;
    code = {.source = api::Code::Source::kVolume, .local = {}, .reference = DumpJson(*reference)};
  }

  void ArchiveCode(const std::vector<LocalFile>& files, const PackOptions& pack) {
    Result<PackedArchive> packed = PackArchive(files, pack);
    if (!packed) return Add("spec.task.code", packed.error());
    std::move(packed->maps.begin(), packed->maps.end(), std::back_inserter(form_.maps));
    form_.job.spec.task.code = {.source = api::Code::Source::kArchive,
                                .local = {},
                                .reference = std::move(packed->archive)};
  }

  void PackInput(api::Input* input) {
    if (input->type == api::DataType::kLiteral || !input->volume.empty()) return;
    const std::string field = fmt::format("spec.inputs[{}]", input->name);
    const std::string path = Below(FolderOfFile(), input->path);
    const bool file = input->type == api::DataType::kUriFile;
    const PackOptions pack =
        Options("in-" + NamePart(input->name), input->path,
                fmt::format("name a volume: --input {}=pvc:CLAIM/path", input->name));
    const api::KubeJson volume =
        Volume(field, file ? ReadSingle(path, pack) : ReadTree(path, options_.exclude, pack), pack);
    if (volume.empty()) return;
    input->volume = volume;
    input->path = file ? fmt::format("{}/{}", kPackedFolder, fs::path(path).filename().string())
                       : kPackedFolder;
  }

  void SetOutputs() {
    for (const auto& [name, where] : options_.outputs) {
      const auto output = std::find_if(form_.job.spec.outputs.begin(), form_.job.spec.outputs.end(),
                                       [&](const api::Output& o) { return o.name == name; });
      if (output == form_.job.spec.outputs.end()) {
        Add("--output " + name, {Code::kInvalid, "is no output of this job", "", ""});
      } else if (!ReadClaim(where, &output->volume, &output->path)) {
        Add("--output " + name,
            {Code::kInvalid, fmt::format("\"{}\" is no place in a cluster", where), "",
             "write pvc:CLAIM/path"});
      }
    }
  }

  // As the operator will check it.
  void Check() {
    if (out_->HasErrors()) return;
    Diagnostics found;
    api::LoadStoredJob(api::ToManifestJson(form_.job), &found);
    for (Diagnostic finding : found.all()) {
      if (finding.severity != Severity::kError) continue;  // told when the file was read
      finding.file = options_.file;
      const bool image = finding.field == "spec.task.environment.image";
      if (image || finding.field == "spec.task.environment") SayImage(&finding);
      if (finding.field.starts_with("spec.outputs[")) {
        const std::string name = finding.field.substr(13, finding.field.find(']') - 13);
        finding.hint += fmt::format(", or --output {}=pvc:CLAIM/path", name);
      }
      out_->Add(std::move(finding));
    }
  }

  // MakePortable has made all paths relative to it.
  std::string FolderOfFile() const {
    const std::string folder = fs::path(options_.file).parent_path().string();
    return folder.empty() ? "." : folder;
  }

  const ClusterFormOptions& options_;
  Diagnostics* out_;
  ClusterForm form_;
};

}  // namespace

ClusterFormOptions FormOptions(const FileOptions& file, const api::LoadedJob& loaded) {
  return {.file = file.files.at(0),
          .replaced_inputs = loaded.replaced_inputs,
          .image_given = !file.images.empty(),
          .image_name = loaded.step.empty() ? loaded.job.name : loaded.step,
          .typed = file.typed.empty() ? "paralleljob submit -f " + file.files[0] : file.typed};
}

std::string CodeText(const ClusterForm& form) {
  if (form.code_files == 0) return {};
  return fmt::format("code: {}, {}", Count(form.code_files, "file"), HumanBytes(form.code_bytes));
}

ClusterForm ToClusterForm(api::ParallelJob job, const ClusterFormOptions& options,
                          Diagnostics* out) {
  return Former(std::move(job), options, out).Run();
}

}  // namespace pj::cli
