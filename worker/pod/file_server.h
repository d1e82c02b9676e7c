// FileServer: a folder's files over HTTP, for `paralleljob fetch` through the API server's proxy.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace pj::worker {

struct FileServerOptions {
  std::string folder;
  // Files below these paths (of the folder) are there, and "PATH.partial"; empty: all.
  std::vector<std::string> only = {};
  std::string token;  // hexadecimal; the first part of every path: who does not know it gets 404
  int port = 0;       // 0: any
};

// GET /TOKEN/files            {"path":…,"size":…} a line each, sorted
// GET /TOKEN/file?path=P      the bytes from `offset` on
// GET /TOKEN/sha256?path=P    {"size":…,"sha256":…}
//
// The last two take a `size`: only so many bytes from the beginning count (409 if there are fewer),
// so that a log that grows meanwhile can be read and checked.
// Regular files only; links that lead out of the folder are not followed. Serves on threads of its
// own until it is destroyed. Reads, never writes.
class FileServer {
 public:
  static Result<std::unique_ptr<FileServer>> Start(const FileServerOptions& options);
  virtual ~FileServer() = default;
  virtual int port() const = 0;
};

// The subcommand `read`: serves job::kReadDir, with the token of the environment, until it is told
// to stop.
int ReadMain(const std::vector<std::string>& only);

}  // namespace pj::worker
