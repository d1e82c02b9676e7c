// Credentials: the token and certificates to use now. Files and plugins are asked again in time.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "kube/exec_plugin.h"
#include "kube/http_transport.h"

namespace pj::kube {

// Thread-safe.
class Credentials {
 public:
  struct Now {
    std::string token = {};
    std::shared_ptr<const TlsIdentity> tls = {};  // another object when its contents changed
  };

  // `clock` lives longer.
  Credentials(ClientConfig config, const Clock& clock)
      : config_(std::move(config)), clock_(clock) {}

  // What to use for a request. Files are read again after a minute; one that cannot be read any
  // more leaves what we have. A plugin runs when its credential ends within ten seconds, or was
  // refused.
  Result<Now> Get();
  // The server answered 401 to this token: ask for another one at once. True if there is another.
  bool Refused(const std::string& token);
  // The server's certificate was not one to trust: perhaps there is a new authority. True if what
  // the files hold now is another identity than `tls`.
  bool Distrusted(const std::shared_ptr<const TlsIdentity>& tls);

 private:
  Status Refresh();
  Status ReadFiles();
  Status AskPlugin();
  Status ReadToken();

  const ClientConfig config_;
  const Clock& clock_;
  std::mutex mutex_;
  std::optional<Nanos> read_at_;
  std::optional<ExecCredential> plugin_;
  Now now_;
};

}  // namespace pj::kube
