// Credential plugins of kubeconfig files: programs that print an ExecCredential.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "kube/client_config.h"

namespace pj::kube {

// What a plugin gave: a token, or a certificate with its key, or both.
struct ExecCredential {
  std::string token = {};
  std::string certificate = {};
  std::string key = {};
  std::optional<WallTime> expires = {};  // none: until the server refuses it
};

// Runs the plugin (at most a minute) and reads what it prints. Its stderr goes where ours goes.
// `cluster` tells it about the server, if it wants to know. kUnavailable if it fails: it may work
// later.
Result<ExecCredential> RunExecPlugin(const ExecPlugin& plugin, const ClientConfig& cluster);

// The credential in what a plugin printed.
Result<ExecCredential> ParseExecCredential(const std::string& text, const ExecPlugin& plugin);

// "2026-01-31T12:00:00Z", with a fraction or an offset; kInvalid for anything else.
Result<WallTime> ParseRfc3339(const std::string& text);

}  // namespace pj::kube
