#include "plan/walk.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/log.h"
#include "base/made_folder.h"
#include "plan/folder.h"
#include "plan/glob.h"

namespace pj::plan {
namespace {

constexpr size_t kMaxDepth = 512;

// Where a walk begins: a folder or one file.
struct Base {
  std::string sort_key;  // the path; of a folder with a slash at its end
  std::vector<std::string> components;
  bool folder = false;
};

// A folder covers what lies in it; a file only itself: `part1` says nothing about `part10`.
bool Covers(const Base& walked, const Base& other) {
  return walked.folder ? other.sort_key.starts_with(walked.sort_key)
                       : other.sort_key == walked.sort_key;
}

const char* KindName(uint32_t mode) {
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "not a regular file";
}

Status CheckFile(uint32_t mode, int error, const std::string& path) {
  if (error == ENOENT) {
    return Fail(Code::kNotFound, "symbolic link leads nowhere", path, "mend or remove it");
  }
  if (error != 0) return FailErrno(error, "cannot read input file", path);
  if (S_ISREG(mode)) return {};
  return Fail(Code::kInvalid, fmt::format("{} is no input data", KindName(mode)), path,
              "remove it, or name the files in an MLTable's paths");
}

class Walker {
 public:
  Walker(const SourceSpec& source, const std::string& scratch_dir, const FileSink& sink)
      : source_(source), scratch_dir_(scratch_dir), sink_(sink) {
    excluded_ = source.exclude;
    std::sort(excluded_.begin(), excluded_.end());
  }

  Status Run() {
    std::error_code error;
    const std::string root = std::filesystem::absolute(source_.root, error).string();
    if (error) return FailErrno(error.value(), "cannot resolve", source_.root);
    if (source_.paths.empty()) {
      PJ_TRY(AddPlain(PathComponents(root), source_.root, {}));
    }
    for (const PathSpec& spec : source_.paths) {
      PJ_TRY(AddPath(spec, spec.path.starts_with('/') ? spec.path : root + "/" + spec.path));
    }
    std::sort(bases_.begin(), bases_.end(),
              [](const Base& a, const Base& b) { return a.sort_key < b.sort_key; });
    const Base* walked = nullptr;
    for (const Base& base : bases_) {
      if (walked != nullptr && Covers(*walked, base)) continue;
      PJ_TRY(WalkBase(base));
      walked = &base;
    }
    return {};
  }

 private:
  // A file or folder by its name. `want` is 'f', 'd' or 0 for either.
  Status AddPlain(std::vector<std::string> components, const std::string& shown, char want) {
    const std::string path = JoinComponents(components);
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) return FailErrno(errno, "cannot find input", path);
    const bool folder = S_ISDIR(info.st_mode);
    if ((want == 'f' && folder) || (want == 'd' && !folder)) {
      return Fail(Code::kInvalid, folder ? "is a folder, not a file" : "is not a folder", shown,
                  folder ? "write it as folder:" : "write it as file:");
    }
    AddBase(components, folder);
    globs_.AddLiteral(std::move(components), folder);
    return {};
  }

  Status AddPath(const PathSpec& spec, const std::string& path) {
    std::vector<std::string> components = PathComponents(path);
    if (spec.kind == PathSpec::Kind::kFile) return AddPlain(components, spec.path, 'f');
    if (spec.kind == PathSpec::Kind::kFolder) return AddPlain(components, spec.path, 'd');
    const auto first = std::find_if(components.begin(), components.end(), HasGlobCharacters);
    if (first == components.end()) return AddPlain(components, spec.path, 0);
    const std::vector<std::string> fixed(components.begin(), first);
    const std::string base = JoinComponents(fixed);
    struct stat info{};
    if (::stat(base.c_str(), &info) != 0) {
      return FailErrno(errno, "cannot find the folder of pattern " + spec.path, base);
    }
    AddBase(fixed, true);
    globs_.AddPattern(std::move(components));
    return {};
  }

  void AddBase(const std::vector<std::string>& components, bool folder) {
    std::string key = JoinComponents(components);
    if (folder && !key.ends_with('/')) key.push_back('/');
    bases_.push_back({std::move(key), components, folder});
  }

  Status WalkBase(const Base& base) {
    std::string path = JoinComponents(base.components);
    if (!base.folder) return EmitSingle(path);
    GlobSet::States states = globs_.Start();
    for (const std::string& part : base.components) states = globs_.Enter(states, part);
    if (path == "/") path.clear();
    return WalkFolder(path, states);
  }

  Status EmitSingle(const std::string& path) {
    if (Excluded(path)) return {};
    struct stat info{};
    int error = ::stat(path.c_str(), &info) == 0 ? 0 : errno;
    if (error == 0 && ::access(path.c_str(), R_OK) != 0) error = errno;
    PJ_TRY(CheckFile(info.st_mode, error, path));
    file_.path = path;
    file_.size = static_cast<uint64_t>(info.st_size);
    SetTime(int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec);
    return sink_(file_);
  }

  Status WalkFolder(const std::string& path, const GlobSet::States& states) {
    if (above_.size() >= kMaxDepth) {
      return Fail(Code::kTooLarge, fmt::format("folders nested deeper than {}", kMaxDepth), path);
    }
    Folder folder(path.empty() ? "/" : path, scratch_dir_);
    const bool all = globs_.MatchesAll(states);
    PJ_TRY(folder.Load([&](std::string_view name, bool is_folder) {
      if (is_folder) return !globs_.Enter(states, name).empty();
      return (all && !name.starts_with('.')) || globs_.MatchesFile(states, name);
    }));
    const std::pair id(folder.device(), folder.inode());
    if (std::find(above_.begin(), above_.end(), id) != above_.end()) {
      PJ_WARN("left out a symbolic link that leads back to a folder above it: {}", path);
      return {};
    }
    above_.push_back(id);
    while (true) {
      PJ_ASSIGN(const std::vector<Folder::Entry> entries, folder.Next());
      if (entries.empty()) break;
      PJ_TRY(EmitEntries(entries, path, states));
    }
    above_.pop_back();
    return {};
  }

  Status EmitEntries(const std::vector<Folder::Entry>& entries, const std::string& path,
                     const GlobSet::States& states) {
    for (const Folder::Entry& entry : entries) {
      if (entry.folder) {
        std::string below = path;
        below.append("/").append(entry.name);
        if (!excluded_.empty() && Excluded(below)) continue;
        if (IsMadeFolder(below)) {
          PJ_WARN("left out a folder that paralleljob made: {}", below);
          continue;
        }
        PJ_TRY(WalkFolder(below, globs_.Enter(states, entry.name)));
        continue;
      }
      file_.path.assign(path).append("/").append(entry.name);
      if (!excluded_.empty() && Excluded(file_.path)) continue;
      PJ_TRY(CheckFile(entry.mode, entry.error, file_.path));
      file_.size = entry.bytes;
      SetTime(entry.mtime_ns);
      PJ_TRY(sink_(file_));
    }
    return {};
  }

  void SetTime(int64_t mtime_ns) { file_.mtime_ns = source_.unknown_times ? 0 : mtime_ns; }

  bool Excluded(const std::string& path) const {
    return std::binary_search(excluded_.begin(), excluded_.end(), path);
  }

  const SourceSpec& source_;
  const std::string& scratch_dir_;
  const FileSink& sink_;
  std::vector<std::string> excluded_;
  GlobSet globs_;
  std::vector<Base> bases_;
  std::vector<std::pair<dev_t, ino_t>> above_;
  FileRef file_;
};

}  // namespace

Status WalkSource(const SourceSpec& source, const std::string& scratch_dir, const FileSink& sink) {
  return Walker(source, scratch_dir, sink).Run();
}

}  // namespace pj::plan
