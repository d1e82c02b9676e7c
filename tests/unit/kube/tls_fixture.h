// TlsFixture: an authority of the test's own, a certificate for 127.0.0.1 by it, and a client that
// trusts that authority only.
#pragma once

#include <gtest/gtest.h>

#include "kube/client_config.h"
#include "tls_server.h"

namespace pj::kube {

class TlsFixture : public testing::Test {
 protected:
  ClientConfig Config(const TlsServer& server) const {
    ClientConfig config;
    config.server = server.url();
    config.ca.text = ca_.certificate_pem;
    return config;
  }

  const TestCertificate ca_ = MakeCertificate("authority", "", nullptr, true);
  const TestCertificate own_ = MakeCertificate("server", "IP:127.0.0.1,DNS:api.test", &ca_);
};

}  // namespace pj::kube
