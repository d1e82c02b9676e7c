// CodeArchive: a folder of code as one compressed tar file, small enough for objects of the API.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pj::worker {

struct CodeFile {
  std::string path;  // relative, '/' between the parts, at most 255 bytes
  std::string content;
  bool executable = false;
};

// A gzipped ustar file. Same files, same bytes (of one version of zlib): no times, no owners.
Result<std::string> PackCode(const std::vector<CodeFile>& files);

// Writes the files below `folder`. kCorrupt for what PackCode did not make: other kinds of entries,
// paths that lead out of the folder, more than limits allow.
Status UnpackArchive(std::string_view archive, const std::string& folder);

// The files of `parts`, in the order of their names, make one archive, unpacked to `folder`.
Status UnpackCode(const std::string& parts, const std::string& folder);

}  // namespace pj::worker
