// ReaderPod: a short-lived pod that serves a job's outputs and logs, and the requests to it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "kube/http_api.h"

namespace pj::cli {

struct ReaderOptions {
  std::string ns;
  std::string job;
  std::string image;  // empty: that of the job's pods
  bool outputs = true;
  bool logs = true;
  Seconds start_within{180};
  std::function<bool(Millis wait)> stop;  // waits so long; true: give up (Ctrl-C)
};

struct RemoteFile {
  std::string path;  // outputs/<name>/… or logs/…; never absolute, never with ".."
  uint64_t size = 0;
};

// Requests go through the API server to the pod (pods/proxy): plain HTTP, no second tool. The pod
// is deleted with the object; one that is left behind by a killed program ends by itself. For one
// thread.
class ReaderPod {
 public:
  // Returns when the pod answers. An error says why it does not start; kCancelled: it was stopped.
  static Result<std::unique_ptr<ReaderPod>> Start(kube::HttpApi* api, const ReaderOptions& options);
  ReaderPod(const ReaderPod&) = delete;
  ReaderPod& operator=(const ReaderPod&) = delete;
  ~ReaderPod();

  Result<std::vector<RemoteFile>> List();
  // The first file.size bytes from `offset` on, piece by piece.
  Status Read(const RemoteFile& file, uint64_t offset, const kube::RawReceiver& receiver);
  // The same as a text.
  Result<std::string> ReadText(const RemoteFile& file);
  // SHA-256 of the first file.size bytes, as the pod sees them.
  Result<std::string> Digest(const RemoteFile& file);
  // Outputs that lie on volumes which are gone with the job's pods.
  const std::vector<std::string>& unreadable() const { return unreadable_; }

 private:
  ReaderPod(kube::HttpApi* api, std::string ns) : api_(api), ns_(std::move(ns)) {}
  Status Create(const ReaderOptions& options);
  Status WaitUntilRunning(const ReaderOptions& options);
  Status WaitUntilServing(const ReaderOptions& options);
  Error Refused(const kube::Response& answer) const;
  Result<kube::Response> Get(const std::string& what, const kube::RawReceiver& receiver = {});

  kube::HttpApi* const api_;
  const std::string ns_;
  std::string name_;
  std::string token_;
  std::vector<std::string> foreign_;
  std::vector<std::string> unreadable_;
  bool created_ = false;
};

}  // namespace pj::cli
