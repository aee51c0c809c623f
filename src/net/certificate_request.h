// A host's own key, and the request for a certificate of it. ECDSA P-256, PEM.
#pragma once
#include <string>

#include "base/result.h"

namespace sp::net {

/// A new private key (PKCS #8). Error "net.key".
Result<std::string> makePrivateKey();

/// PKCS #10, signed with that key; `name` is its subject's CN, which nobody has to believe. Error "net.key".
Result<std::string> makeCertificateRequest(const std::string& private_key, const std::string& name);

/// Error "net.key" unless the certificate is of that private key.
Result<void> checkCertificateKey(const std::string& certificate, const std::string& private_key);

}  // namespace sp::net
