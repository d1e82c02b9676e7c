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
  // A call as `as` went like this: 401, or a server that was not one to trust (kForbidden). Files
  // and plugins are asked again at once. True if the call may go better with what Get() gives now.
  bool Renewed(const Now& as, const Result<HttpAnswer>& answer);

 private:
  bool Refused(const std::string& token);
  bool Distrusted(const std::shared_ptr<const TlsIdentity>& tls);
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
