// TLS of the agents' port: 1.3 only, client certificates of our authority required, ALPN tells frames from HTTP.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "fleet/authority.h"
#include "fleet/openssl.h"

namespace sp::fleet {

/// Error "tls.context".
Result<SslContextPtr> makeServerContext(const IssuedCertificate& own, const std::string& ca_pem);

/// What ALPN settled on; empty if the client offered nothing.
std::string_view negotiatedProtocol(const SSL* ssl);

/// CN of the client's certificate, which the handshake has verified; empty if there is none.
std::string peerName(const SSL* ssl);

}  // namespace sp::fleet
