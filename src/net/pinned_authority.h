// A server's authority, known by nothing but the hash of its public key.
#pragma once
#include <cstdint>
#include <string>

#include "base/result.h"

namespace sp::net {

/// Connects by TLS 1.3 without sending anything of ours, and takes from the server's chain the authority whose public key has
/// this SHA-256 (`pin`: 64 lower-case hex digits of the DER SubjectPublicKeyInfo). The server must hold a certificate of that
/// authority for `server_name`, and its key. Returns the authority's certificate (PEM): what every later connection verifies against.
/// No clock is asked. Errors "net.connect", "net.timeout", "net.tls"; "net.pin": another authority, or an impostor.
Result<std::string> fetchPinnedAuthority(const std::string& host, std::uint16_t port, const std::string& server_name,
                                         const std::string& pin, int timeout_ms);

}  // namespace sp::net
