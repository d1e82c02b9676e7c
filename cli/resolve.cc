#include "cli/resolve.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/fs.h"
#include "base/hash.h"
#include "base/made_folder.h"
#include "worker/input_copy.h"

namespace pj::cli {
namespace {

namespace fs = std::filesystem;

std::string Absolute(const std::string& path, const std::string& base_dir) {
  fs::path full = path;
  if (full.is_relative() && !base_dir.empty()) full = fs::path(base_dir) / full;
  std::error_code error;  // of a working folder that is gone: the path as it is then leads nowhere
  const fs::path absolute = fs::absolute(full, error);
  std::string text = (error ? full : absolute).lexically_normal().string();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

std::unexpected<Error> CannotSee(const std::error_code& error, const std::string& where,
                                 const std::string& input) {
  return Fail(Code::kInvalid, fmt::format("the input cannot be reached ({})", error.message()),
              where,
              fmt::format("mend the path or its permissions, or say where the input lies: "
                          "--input {}=PATH",
                          input));
}

}  // namespace

Result<std::string> InputPath(const api::Input& input) {
  const std::string field = "spec.inputs[" + input.name + "]";
  if (!input.volume.empty()) {
    return Fail(Code::kInvalid, "the input lies on a volume, which only a cluster has", field,
                fmt::format("say where it lies here: --input {}=PATH", input.name));
  }
  if (input.path.empty()) {
    return Fail(Code::kInvalid, "the input has no path", field + ".path",
                fmt::format("say where it lies: --input {}=PATH", input.name));
  }
  std::string path = Absolute(input.path, input.base_dir);
  std::error_code error;
  const fs::file_type kind = fs::status(path, error).type();
  if (kind == fs::file_type::not_found) {
    return Fail(Code::kNotFound, "the input does not exist", field + ": " + path,
                fmt::format("say where it lies: --input {}=PATH", input.name));
  }
  if (error) return CannotSee(error, field + ": " + path, input.name);
  const bool folder = kind == fs::file_type::directory;
  using api::DataType;
  if (input.type != (folder ? DataType::kUriFile : DataType::kUriFolder)) return path;
  return Fail(Code::kInvalid, fmt::format("the input is a {}", folder ? "folder" : "file"),
              field + ": " + path,
              fmt::format("change its type to {}", folder ? "uri_folder" : "uri_file"));
}

namespace {

// outputs/<name>, for a uri_file with a base name in its path outputs/<name>/<base name>.
Result<std::string> OutputPath(const api::Output& output, const std::string& folder) {
  const std::string place = folder + "/" + output.name;
  if (job::IsFolder(output.type)) {
    PJ_TRY(MakeDirs(place));
    return place;
  }
  const std::string base = fs::path(output.path).filename().string();
  if (base.empty() || base == "." || base == "..") return place;
  PJ_TRY(MakeDirs(place));
  return place + "/" + base;
}

// Azure pipelines: the file lies below outputs/<pipeline output>, and steps/<step>/outputs links to
// it.
Status LinkPipelineOutput(const std::string& real, const std::string& link) {
  std::error_code error;
  if (fs::is_symlink(link, error)) fs::remove(link, error);
  const fs::path target = fs::relative(real, fs::path(link).parent_path(), error);
  if (!error) fs::create_directory_symlink(target, link, error);
  if (error) return FailErrno(error.value(), "cannot link the step's output", link);
  return {};
}

Result<std::string> PlaceOutput(const api::LoadedJob& loaded, const api::Output& output,
                                const JobDir& dir) {
  for (const auto& [pipeline_name, name] : loaded.pipeline_outputs) {
    if (name != output.name || !dir.IsPipeline()) continue;
    api::Output placed = output;
    placed.name = pipeline_name;
    PJ_ASSIGN(std::string path, OutputPath(placed, dir.PipelineOutputs()));
    PJ_TRY(LinkPipelineOutput(dir.PipelineOutputs() + "/" + pipeline_name,
                              dir.Outputs() + "/" + name));
    return path;
  }
  return OutputPath(output, dir.Outputs());
}

uint32_t Cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? static_cast<uint32_t>(CPU_COUNT(&set)) : 1;
}

uint32_t Instances(const api::ParallelJobSpec& spec) {
  return static_cast<uint32_t>(std::max<int64_t>(1, spec.instance_count.value));
}

}  // namespace

Result<std::map<std::string, std::string>> ResolveInputs(const api::ParallelJob& job) {
  std::map<std::string, std::string> paths;
  for (const api::Input& input : job.spec.inputs) {
    if (input.type == api::DataType::kLiteral) {
      paths[input.name] = input.value;
      continue;
    }
    PJ_ASSIGN(paths[input.name], InputPath(input));
  }
  return paths;
}

Status CheckOutputFolder(const api::ParallelJob& job, const JobDir& dir) {
  std::error_code error;
  const fs::path folder = fs::weakly_canonical(dir.root(), error);
  const api::Code& code = job.spec.task.code;
  if (code.source == api::Code::Source::kLocal && !error &&
      fs::weakly_canonical(Absolute(code.local, code.base_dir), error) == folder) {
    return Fail(Code::kInvalid, "this folder is the job's code", dir.root(),
                "choose another --output: results would count as changes of the code");
  }
  for (const api::Input& input : job.spec.inputs) {
    if (input.type == api::DataType::kLiteral || input.path.empty() || !input.volume.empty()) {
      continue;
    }
    const fs::path data = fs::weakly_canonical(Absolute(input.path, input.base_dir), error);
    if (error || data != folder) continue;
    return Fail(Code::kInvalid, fmt::format("this folder is the data of input {}", input.name),
                dir.root(), "choose another --output: results must not lie among the data");
  }
  return {};
}

Status ResolveSources(const api::LoadedJob& loaded, const JobDir& dir, ResolvedJob* made) {
  const api::ParallelJobSpec& spec = loaded.job.spec;
  if (spec.task.code.source != api::Code::Source::kLocal) {
    return Fail(Code::kInvalid, "a local run needs the code in a folder of this machine",
                "spec.task.code", "set task.code.local, e.g. --set spec.task.code.local=./src");
  }
  made->code_dir = Absolute(spec.task.code.local, spec.task.code.base_dir);
  PJ_ASSIGN(made->inputs, ResolveInputs(loaded.job));
  for (const api::Input& input : spec.inputs) {
    if (input.mode == api::InputMode::kDownload && input.type != api::DataType::kLiteral) {
      std::string& path = made->inputs[input.name];
      made->copied_from[input.name] = path;
      PJ_ASSIGN(path, worker::CopyInput(path, dir.Inputs() + "/" + input.name, dir.root()));
    }
  }
  return {};
}

Result<ResolvedJob> ResolveJob(const api::LoadedJob& loaded, const JobDir& dir) {
  const api::ParallelJobSpec& spec = loaded.job.spec;
  ResolvedJob made;
  PJ_TRY(ResolveSources(loaded, dir, &made));
  for (const api::Output& output : spec.outputs) {
    PJ_ASSIGN(made.outputs[output.name], PlaceOutput(loaded, output, dir));
  }
  job::ResolveTask(spec, &made);
  return made;
}

namespace {

std::unexpected<Error> CannotReadCode(const std::error_code& error, const std::string& path) {
  auto failed = FailErrno(error.value(), "cannot read the code", path);
  failed.error().hint = "mend or remove it: all that lies in the code folder is part of the job";
  return failed;
}

// A link that leads nowhere, or in a circle, is no file: the slots get it as it is.
Status AddCodeFile(const fs::directory_entry& entry, std::vector<std::string>* files) {
  std::error_code error, ignored;
  const fs::file_type kind = entry.status(error).type();
  if (kind == fs::file_type::regular) files->push_back(entry.path().string());
  if (!error || kind == fs::file_type::not_found || entry.is_symlink(ignored)) return {};
  return CannotReadCode(error, entry.path().string());
}

// What editors, shells and tools leave beside a script while it runs.
bool IsByTheWay(const std::string& name) {
  return name.starts_with('.') || name.ends_with('~') || name.ends_with(".log") ||
         name == "nohup.out" || name == "__pycache__";
}

bool IsAmong(const fs::path& path, const std::vector<std::string>& others) {
  return std::any_of(others.begin(), others.end(), [&path](const std::string& other) {
    std::error_code error;
    return path.filename() == fs::path(other).filename() && fs::equivalent(path, other, error);
  });
}

// Sorted.
Result<std::vector<std::string>> CodeFiles(const std::string& code_dir,
                                           const std::vector<std::string>& exclude) {
  std::vector<std::string> files;
  std::error_code error;
  fs::recursive_directory_iterator it(code_dir, error);
  if (error) return CannotReadCode(error, code_dir);
  std::string last = code_dir;
  for (fs::recursive_directory_iterator end; it != end; it.increment(error)) {
    last = it->path().string();
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    const bool folder = it->is_directory(ignored);
    const bool no_code = IsByTheWay(name) || IsAmong(it->path(), exclude);
    if (folder && (no_code || IsMadeFolder(last))) it.disable_recursion_pending();
    if (!folder && no_code) continue;
    PJ_TRY(AddCodeFile(*it, &files));
  }
  if (error) return CannotReadCode(error, last);
  std::sort(files.begin(), files.end());
  return files;
}

// A piece at a time: models may lie beside the code.
Status HashContent(const std::string& file, Sha256* sha) {
  PJ_ASSIGN(const UniqueFd in, OpenFile(file, O_RDONLY));
  std::string piece(256 << 10, '\0');
  while (true) {
    const ssize_t size = ::read(in.get(), piece.data(), piece.size());
    if (size < 0) return FailErrno(errno, "cannot read the code", file);
    if (size == 0) return {};
    sha->Update(std::string_view(piece.data(), static_cast<size_t>(size)));
  }
}

}  // namespace

Result<std::string> HashCode(const std::string& code_dir, const std::vector<std::string>& exclude) {
  PJ_ASSIGN(const std::vector<std::string> files, CodeFiles(code_dir, exclude));
  Sha256 sha;
  for (const std::string& file : files) {
    std::error_code error;
    const fs::path name = fs::relative(file, code_dir, error);
    const uint64_t size = error ? 0 : fs::file_size(file, error);
    if (error) return CannotReadCode(error, file);
    sha.Update(fmt::format("{} {}\n", name.string(), size));
    PJ_TRY(HashContent(file, &sha));
  }
  return sha.HexDigest();
}

std::string NewestSince(const std::string& code_dir, const std::vector<std::string>& exclude,
                        int64_t wall_ns) {
  std::string newest;
  int64_t latest = wall_ns;
  const Result<std::vector<std::string>> files = CodeFiles(code_dir, exclude);
  if (!files) return newest;
  for (const std::string& file : *files) {
    struct stat info{};
    if (::stat(file.c_str(), &info) != 0) continue;
    const int64_t changed = info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec;
    if (changed <= latest) continue;
    latest = changed;
    newest = file;
  }
  return newest;
}

uint32_t SlotsPerInstance(const api::ParallelJobSpec& spec) {
  if (spec.max_concurrency_per_instance)
    return static_cast<uint32_t>(*spec.max_concurrency_per_instance);
  return std::max(1U, Cores() / Instances(spec));
}

uint32_t ThreadsPerSlot(const api::ParallelJobSpec& spec) {
  return std::max(1U, Cores() / (SlotsPerInstance(spec) * Instances(spec)));
}

}  // namespace pj::cli
