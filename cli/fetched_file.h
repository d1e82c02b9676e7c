// FetchedFile: one file of a job brought here whole: length and SHA-256 checked, then renamed.
#pragma once

#include <functional>
#include <string>

#include "cli/reader_pod.h"

namespace pj::cli {

struct Fetched {
  std::string sha256;
  bool kept = false;  // the file was here already
};

// Writes `folder`/`file.path`. A broken connection is taken up where it broke off; bytes that do
// not add up to the digest are fetched once more, then kCorrupt. What is here already stays
// untouched. kCancelled when `stop` says so.
Result<Fetched> FetchFile(ReaderPod* pod, const RemoteFile& file, const std::string& folder,
                          const std::function<bool()>& stop);

}  // namespace pj::cli
