// The server's own certificate authority: made on the first start, kept in DIR/ca, known to nobody outside this fleet.
// It signs the certificate of the agents' port and one for each agent. ECDSA P-256 throughout.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"

namespace sp::fleet {

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

  /// For an agent: CN=name, for TLS clients only, 825 days. Any thread. Error "ca.issue".
  Result<IssuedCertificate> issueAgent(std::string_view name) const;
  /// For the agents' port: the names "stillpoint" and localhost, 127.0.0.1, ::1 and `address`. Any thread. Error "ca.issue".
  Result<IssuedCertificate> issueServer(std::string_view address) const;
  /// PEM of the authority's certificate.
  const std::string& certificate() const { return certificate_; }
  /// Names this authority for ever: 32 hex digits of its public key's hash.
  const std::string& id() const { return id_; }

 private:
  struct Keys;
  Authority(std::unique_ptr<Keys> keys, std::string certificate, std::string id, Random& random);

  std::unique_ptr<Keys> keys_;
  std::string certificate_;
  std::string id_;
  Random& random_;
};

}  // namespace sp::fleet
