#include "cli/packed_files.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/made_folder.h"
#include "base/utf8.h"
#include "cli/console.h"
#include "job/pod_contract.h"

namespace pj::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kExecutableMode = 0755;
constexpr size_t kHashDigits = 10;
constexpr size_t kKeyBytes = 200;  // the API server allows 253

Error TooLarge(const std::string& what, const PackOptions& options) {
  return {Code::kTooLarge, what, options.where, options.way_out};
}

// Collects the files of one folder, within the limits.
class TreeReader {
 public:
  TreeReader(fs::path root, const std::vector<std::string>& exclude, const PackOptions& options)
      : root_(std::move(root)), options_(options) {
    std::error_code ignored;
    for (const std::string& path : exclude) exclude_.insert(fs::weakly_canonical(path, ignored));
  }

  Result<std::vector<LocalFile>> Read() {
    std::error_code error;
    fs::recursive_directory_iterator it(root_, error);
    if (error) return FailErrno(error.value(), "cannot read the folder", options_.where);
    while (it != fs::recursive_directory_iterator()) {
      if (LeftOut(*it)) {
        it.disable_recursion_pending();
      } else {
        PJ_TRY(Take(*it));
      }
      it.increment(error);
      if (error) return FailErrno(error.value(), "cannot read the folder", options_.where);
    }
    std::sort(files_.begin(), files_.end(),
              [](const LocalFile& a, const LocalFile& b) { return a.path < b.path; });
    return std::move(files_);
  }

 private:
  bool LeftOut(const fs::directory_entry& entry) const {
    const std::string name = entry.path().filename().string();
    std::error_code ignored;
    if (entry.is_directory(ignored) && (name == "__pycache__" || name == ".git")) return true;
    if (!entry.is_symlink(ignored) && IsMadeFolder(entry.path().string())) return true;
    return exclude_.contains(fs::weakly_canonical(entry.path(), ignored));
  }

  Status Take(const fs::directory_entry& entry) {
    std::error_code error;
    const std::string path = entry.path().lexically_relative(root_).string();
    if (entry.is_symlink(error) && entry.is_directory(error)) {
      return Fail(Code::kInvalid, "a link to a folder cannot be packed",
                  options_.where + "/" + path,
                  "put the folder itself there, or " + options_.way_out);
    }
    if (entry.is_directory(error)) return {};
    if (!entry.is_regular_file(error)) {
      return Fail(Code::kInvalid, "is no regular file: pods cannot get it",
                  options_.where + "/" + path, "remove it from the folder");
    }
    if (files_.size() == options_.most_files) {
      return std::unexpected(
          TooLarge(fmt::format("holds more than {} files", options_.most_files), options_));
    }
    bytes_ += entry.file_size(error);
    if (bytes_ > options_.most_bytes) {
      return std::unexpected(TooLarge(
          fmt::format("holds more than the {} MiB that can be packed", options_.most_bytes >> 20),
          options_));
    }
    PJ_ASSIGN(std::string content, ReadFile(entry.path().string(), options_.most_bytes));
    const bool executable =
        (entry.status(error).permissions() & fs::perms::owner_exec) != fs::perms::none;
    files_.push_back({path, std::move(content), executable});
    return {};
  }

  const fs::path root_;
  const PackOptions& options_;
  std::set<fs::path> exclude_;
  std::vector<LocalFile> files_;
  uint64_t bytes_ = 0;
};

// Text that every YAML reader gives back unchanged; anything else travels as base64.
bool IsText(std::string_view content) {
  for (size_t at = 0; at < content.size();) {
    const CodePoint c = DecodeUtf8(content, at);
    if (c.size == 0) return false;
    const bool control = (c.value < 0x20 && c.value != '\n' && c.value != '\t') ||
                         (c.value >= 0x7F && c.value < 0xA0);
    const bool line_end = c.value == 0x2028 || c.value == 0x2029;
    const bool no_character = c.value == 0xFEFF || (c.value & 0xFFFE) == 0xFFFE;
    if (control || line_end || no_character) return false;
    at += c.size;
  }
  return true;
}

// The key of a file: its path with what keys may not hold replaced; never ".." in front.
std::string KeyOf(const std::string& path, const std::set<std::string>& taken) {
  std::string key;
  for (const char c : path) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
    key += fits ? c : '.';
  }
  const bool changed = key.size() > kKeyBytes || key.starts_with("..") || key == ".";
  if (!changed && !taken.contains(key)) return key;
  return "f-" + Sha256Hex(path).substr(0, 16) + "-" +
         key.substr(key.size() - std::min<size_t>(key.size(), 40));
}

// How many bytes `kubectl apply` writes into the annotation that remembers the object.
size_t EncodedSize(const std::string& key, const std::string& content, bool text) {
  constexpr size_t kAround = 8;
  if (!text) return key.size() + (content.size() + 2) / 3 * 4 + kAround;
  return key.size() + DumpJson(Json(content)).size() + kAround;
}

std::string HashOf(const kube::ConfigMap& map, size_t index) {
  Sha256 sha;
  for (const auto* part : {&map.data, &map.binary_data}) {
    for (const auto& [key, content] : *part) {
      sha.Update(fmt::format("{} {}\n", key, content.size()));
      sha.Update(content);
    }
    sha.Update(fmt::format("{}\n", index));
  }
  return sha.HexDigest().substr(0, kHashDigits);
}

// Everything but the content. `index` tells pieces of the same bytes apart.
void Finish(const PackOptions& options, size_t index, kube::ConfigMap* map) {
  map->immutable = true;
  map->meta.ns = options.ns;
  map->meta.labels = {{"app.kubernetes.io/name", "paralleljob"},
                      {"app.kubernetes.io/component", options.what == "code" ? "code" : "input"},
                      {"app.kubernetes.io/part-of", options.job}};
  map->meta.name = fmt::format("{}-{}-{}", options.job, options.what, HashOf(*map, index));
}

class Packer {
 public:
  explicit Packer(const PackOptions& options) : options_(options) {}

  Result<Packed> Run(const std::vector<LocalFile>& files) {
    for (const LocalFile& file : files) PJ_TRY(Add(file));
    CloseMap();
    out_.volume = DumpJson({{"projected", {{"sources", std::move(sources_)}}}});
    return std::move(out_);
  }

 private:
  Status Add(const LocalFile& file) {
    // Keys of 1 MiB and their names must fit an object of the API server.
    if (file.content.size() + kKeyBytes > limits::kConfigMapBytes) {
      return std::unexpected(
          TooLarge(fmt::format("{} has {}, a ConfigMap takes {} MiB", file.path,
                               HumanBytes(file.content.size()), limits::kConfigMapBytes >> 20),
                   options_));
    }
    const bool text = IsText(file.content);
    const std::string key = KeyOf(file.path, keys_);
    const size_t size = EncodedSize(key, file.content, text);
    if (bytes_ > 0 && bytes_ + size > limits::kAppliedBytes) CloseMap();
    if (size > limits::kAppliedBytes) out_.oversized.push_back(file.path);
    keys_.insert(key);
    bytes_ += size;
    (text ? map_.data : map_.binary_data)[key] = file.content;
    Json item{{"key", key}, {"path", fmt::format("{}/{}", kPackedFolder, file.path)}};
    if (file.executable) item["mode"] = kExecutableMode;
    items_.push_back(std::move(item));
    return {};
  }

  void CloseMap() {
    if (items_.empty()) return;
    Finish(options_, 0, &map_);
    sources_.push_back({{"configMap", {{"name", map_.meta.name}, {"items", std::move(items_)}}}});
    out_.maps.push_back(std::move(map_));
    map_ = {};
    items_ = Json::array();
    keys_.clear();
    bytes_ = 0;
  }

  const PackOptions& options_;
  kube::ConfigMap map_;
  Json items_ = Json::array();
  Json sources_ = Json::array();
  std::set<std::string> keys_;
  size_t bytes_ = 0;
  Packed out_;
};

}  // namespace

Result<std::vector<LocalFile>> ReadTree(const std::string& folder,
                                        const std::vector<std::string>& exclude,
                                        const PackOptions& options) {
  std::error_code error;
  const fs::path root = fs::canonical(folder, error);
  if (error) return FailErrno(error.value(), "cannot read the folder", options.where);
  PJ_ASSIGN(auto files, TreeReader(root, exclude, options).Read());
  if (files.empty()) {
    return Fail(Code::kInvalid, "holds no file", options.where, "name the right folder");
  }
  return files;
}

Result<std::vector<LocalFile>> ReadSingle(const std::string& file, const PackOptions& options) {
  std::error_code error;
  const uint64_t size = fs::file_size(file, error);
  if (error) return FailErrno(error.value(), "cannot read the file", options.where);
  if (size > limits::kConfigMapBytes) {
    return std::unexpected(TooLarge(fmt::format("has {}, a ConfigMap takes {} MiB",
                                                HumanBytes(size), limits::kConfigMapBytes >> 20),
                                    options));
  }
  PJ_ASSIGN(std::string content, ReadFile(file, limits::kConfigMapBytes));
  return std::vector<LocalFile>{{fs::path(file).filename().string(), std::move(content), false}};
}

Result<Packed> Pack(const std::vector<LocalFile>& files, const PackOptions& options) {
  return Packer(options).Run(files);
}

bool FitsVolume(const std::vector<LocalFile>& files) {
  if (files.size() > limits::kPackedFiles) return false;
  size_t bytes = 0;
  for (const LocalFile& file : files) {
    bytes += file.content.size();
    const size_t encoded = EncodedSize(file.path, file.content, IsText(file.content));
    if (bytes > limits::kCodeBytes || encoded > limits::kAppliedBytes) return false;
  }
  return true;
}

Result<PackedArchive> PackArchive(const std::vector<LocalFile>& files, const PackOptions& options) {
  constexpr size_t kPiece = limits::kAppliedBytes / 4 * 3;  // base64 makes four of three
  PJ_ASSIGN(const std::string archive, worker::PackCode(files));
  if (archive.size() > limits::kCodeBytes) {
    return std::unexpected(
        TooLarge(fmt::format("has {} when compressed, {} MiB fit", HumanBytes(archive.size()),
                             limits::kCodeBytes >> 20),
                 options));
  }
  PackedArchive out;
  Json names = Json::array();
  for (size_t at = 0; at < archive.size(); at += kPiece) {
    kube::ConfigMap map;
    map.binary_data[job::kCodePartKey] = archive.substr(at, kPiece);
    Finish(options, names.size(), &map);
    names.push_back(map.meta.name);
    out.maps.push_back(std::move(map));
  }
  out.archive = DumpJson({{"configMaps", std::move(names)}});
  return out;
}

}  // namespace pj::cli
