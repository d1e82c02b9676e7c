// ClientConfig: which API server to talk to and as whom, whatever file or environment said so.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace pj::kube {

// A credential plugin (client.authentication.k8s.io): a program that prints a token or certificate.
struct ExecPlugin {
  std::string command = {};
  std::vector<std::string> args = {};
  std::vector<std::pair<std::string, std::string>> environment = {};
  std::string api_version = {};
  std::string install_hint = {};
  bool provide_cluster_info = false;
};

// A PEM text, or a file that holds it and may be replaced while we run. Text wins.
struct PemSource {
  std::string text = {};
  std::string file = {};
  bool empty() const { return text.empty() && file.empty(); }
};

// Plain data; files are named by absolute paths.
struct ClientConfig {
  std::string server = {};  // "https://host:port/prefix"
  std::string tls_server_name = {};
  std::string proxy_url = {};  // "http://host:port"; empty: none
  PemSource ca = {};           // empty: the system's
  PemSource certificate = {};
  PemSource key = {};
  std::string token = {};
  std::string token_file = {};  // wins over `token` once it can be read
  std::optional<ExecPlugin> exec = {};
  std::string ns = "default";
};

}  // namespace pj::kube
