// Packed files: a local folder or file as immutable ConfigMaps, from which pods get the same tree
// back: by a volume over them, or, where that does not hold it, as a compressed archive.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "api/parallel_job.h"
#include "base/limits.h"
#include "base/result.h"
#include "kube/objects.h"
#include "worker/code_archive.h"

namespace pj::cli {

using LocalFile = worker::CodeFile;

struct PackOptions {
  std::string job;      // the maps are called JOB-WHAT-HASH
  std::string what;     // "code", "in-NAME"
  std::string where;    // what messages call the folder
  std::string way_out;  // of an error about its size
  std::string ns = {};
  size_t most_bytes = limits::kCodeBytes;
  size_t most_files = limits::kPackedFiles;
};

// The folder's regular files, sorted by path; links to files count as the files they lead to. Left
// out: .git, __pycache__, folders of runs and of fetches, what lies at or below a path of
// `exclude`. kTooLarge over the limits of `options`: nothing larger is read.
Result<std::vector<LocalFile>> ReadTree(const std::string& folder,
                                        const std::vector<std::string>& exclude,
                                        const PackOptions& options);
// One file, as a folder that holds nothing else.
Result<std::vector<LocalFile>> ReadSingle(const std::string& file, const PackOptions& options);

struct Packed {
  std::vector<kube::ConfigMap> maps;
  // A projected volume over the maps. The tree lies in its folder kPackedFolder: a mount of that
  // folder holds plain files and folders, none of the links by which a kubelet swaps volumes.
  api::KubeJson volume;
  // Files for which `kubectl apply` must be told --server-side.
  std::vector<std::string> oversized;
};
inline constexpr char kPackedFolder[] = "files";

// Same files, same maps: each is named by a hash of all that it holds, and lists no times.
Result<Packed> Pack(const std::vector<LocalFile>& files, const PackOptions& options);

// Whether Pack takes them all, without a file that is oversized.
bool FitsVolume(const std::vector<LocalFile>& files);

struct PackedArchive {
  std::vector<kube::ConfigMap> maps;
  api::KubeJson archive;  // of task.code.archive
};
// kTooLarge over limits::kCodeBytes, compressed.
Result<PackedArchive> PackArchive(const std::vector<LocalFile>& files, const PackOptions& options);

}  // namespace pj::cli
