// TLS of the agents' port: 1.3 only, only client certificates of our authority, ALPN tells frames from HTTP.
#pragma once
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "fleet/authority.h"
#include "fleet/openssl.h"

namespace sp::fleet {

/// Error "tls.context".
Result<SslContextPtr> makeServerContext(const IssuedCertificate& own, const std::string& ca_pem);

/// What ALPN settled on; empty if the client offered nothing.
std::string_view negotiatedProtocol(const SSL* ssl);

/// What the client's certificate says, which the handshake has verified but for its time.
struct PeerCertificate {
  /// CN and OU; an empty agent: it showed no certificate.
  std::string agent;
  std::string enrolment;
  /// What is left of its life; negative: it has expired. `begun` is false if it is not valid yet: the server's clock went back.
  Duration left{0};
  Duration life{0};
  bool begun = true;

  bool valid() const { return !agent.empty() && begun && left > Duration::zero(); }
};
PeerCertificate peerCertificate(const SSL* ssl, Instant now);

/// DER SubjectPublicKeyInfo of the client's certificate; empty if there is none.
std::string peerPublicKey(const SSL* ssl);

}  // namespace sp::fleet
