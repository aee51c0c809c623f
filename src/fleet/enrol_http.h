// Certificates over HTTP on the agents' port: POST /enrol takes a token and a certificate request, POST /renew a certificate
// that may have expired. Both answer JSON; a refusal is {"error", "message"} with one of agentwire's codes.
#pragma once
#include "fleet/agent_http.h"
#include "fleet/attempts.h"
#include "runtime/agent_registry.h"
#include "runtime/core.h"

namespace sp::fleet {

/// Body {"token", "request": PKCS #10 in PEM, "facts": {…}}, at most 16 KiB; answer {"agent", "certificate"}. For anyone; an
/// address that is wrong too often waits.
class EnrolHttp final : public AgentHttpRoute {
 public:
  /// All given outlive it.
  EnrolHttp(runtime::Core& core, const Clock& clock) : core_(core), attempts_(clock) {}
  /// Before the port starts.
  void setRegistry(runtime::AgentRegistry& registry) { registry_ = &registry; }
  void serve(AgentHttpStream& stream) override;

 private:
  runtime::Core& core_;
  Attempts attempts_;
  runtime::AgentRegistry* registry_ = nullptr;
};

/// No body; the handshake has proved the key. Answer {"certificate", "renewInMs"}.
class RenewHttp final : public AgentHttpRoute {
 public:
  RenewHttp(runtime::Core& core, const Clock& clock) : core_(core), clock_(clock) {}
  void setRegistry(runtime::AgentRegistry& registry) { registry_ = &registry; }
  void serve(AgentHttpStream& stream) override;

 private:
  runtime::Core& core_;
  const Clock& clock_;
  runtime::AgentRegistry* registry_ = nullptr;
};

/// The public key (DER SubjectPublicKeyInfo) of a certificate request in PEM whose signature holds; ECDSA P-256 only. Error
/// "enrol.request". Its subject is nobody's business.
Result<std::string> readCertificateRequest(const std::string& pem);

/// The body of POST /enrol. Errors "json.…", "enrol.request". The token is unchecked.
Result<runtime::AgentRegistry::Request> readEnrolRequest(const std::string& body);

/// When a certificate is renewed: at two thirds of its life, some before others so that a fleet enrolled at once does not renew
/// at once. `lot` in [0, 1).
Duration renewIn(Duration left, Duration life, double lot);

}  // namespace sp::fleet
