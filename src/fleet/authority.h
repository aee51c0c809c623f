// The server's own certificate authority: made on the first start, kept in DIR/ca, known to nobody outside this fleet.
// It signs the certificate of the agents' port and one for each agent. ECDSA P-256 throughout.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"
#include "runtime/agent_registry.h"

namespace sp::fleet {

/// Certificates begin this much before they are made: a machine's clock may be behind the server's.
inline constexpr std::chrono::seconds kCertificateLead{3600};

struct IssuedCertificate {
  /// PEM. `key` is a secret.
  std::string cert;
  std::string key;
};

class Authority {
 public:
  /// Loads DIR/ca.pem and DIR/ca.key, or makes them. Errors: "os.…", "ca.broken" (files that do not belong together).
  static Result<std::unique_ptr<Authority>> open(const std::string& directory, Random& random);
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  /// What agents' certificates last from now on; 30 days unless told. Before anything is issued.
  void setAgentLife(std::chrono::seconds life) { agent_life_ = life; }
  /// For an agent: CN=name, for TLS clients only, with a new key. Any thread. Error "ca.issue".
  Result<IssuedCertificate> issueAgent(std::string_view name) const;
  /// The same of a key that only the agent knows (DER SubjectPublicKeyInfo), OU=enrolment.
  Result<runtime::SignedCertificate> signAgent(std::string_view name, std::string_view enrolment, const std::string& public_key) const;
  /// For the agents' port: the names "stillpoint" and localhost, 127.0.0.1, ::1 and `address`. Any thread. Error "ca.issue".
  Result<IssuedCertificate> issueServer(std::string_view address) const;
  /// PEM of the authority's certificate.
  const std::string& certificate() const { return certificate_; }
  /// Names this authority for ever: 32 hex digits of its public key's hash.
  std::string id() const { return pin_.substr(0, 32); }
  /// SHA-256 of its public key (DER SubjectPublicKeyInfo), 64 hex digits.
  const std::string& pin() const { return pin_; }

 private:
  struct Keys;
  Authority(std::unique_ptr<Keys> keys, std::string certificate, std::string pin, Random& random);

  std::unique_ptr<Keys> keys_;
  std::string certificate_;
  std::string pin_;
  Random& random_;
  std::chrono::seconds agent_life_{30 * 24 * 3600};
};

}  // namespace sp::fleet
