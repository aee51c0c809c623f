// How agents become known and stay so: what the agents' port asks of the services that keep the records, and what these ask of
// the port. Certificates name an agent (CN) and one enrolment of it (OU, empty for those the server hands out itself): with
// another enrolment all earlier certificates of that agent are worth nothing.
#pragma once
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "json/json.h"
#include "store/store.h"

namespace sp::runtime {

/// Why an agent is not let in. `code` is one of agentwire's kRejected… words; `message` is for its log.
struct AgentRefusal {
  std::string code;
  std::string message;
};

struct SignedCertificate {
  /// PEM.
  std::string certificate;
  /// Hex.
  std::string serial;
  Instant expires;
};

/// The port's side. Made before the services.
class AgentAuthority {
 public:
  virtual ~AgentAuthority() = default;
  /// A certificate of that public key (DER SubjectPublicKeyInfo). Any thread; half a millisecond. Error "ca.issue".
  virtual Result<SignedCertificate> certify(std::string_view agent, std::string_view enrolment, const std::string& public_key) const = 0;
  /// SHA-256 of the authority's public key, 64 hex digits: what a token carries so that a new host knows its server.
  virtual const std::string& pin() const = 0;
  /// "HOST:PORT" of the agents' port as it is now.
  virtual std::string server() const = 0;

  /// From now on the agent is let in with certificates of this enrolment only; connections that it has by others are cut. Core thread.
  virtual void admit(std::string_view agent, std::string_view enrolment) = 0;
  /// Not let in at all until the next admit(); its connections are cut and told why. Core thread.
  virtual void bar(std::string_view agent, AgentRefusal why) = 0;
};

/// The services' side. Called on the core thread.
class AgentRegistry {
 public:
  virtual ~AgentRegistry() = default;

  struct Request {
    /// As the agent was given it, "ID.SECRET…"; unchecked.
    std::string token;
    /// DER SubjectPublicKeyInfo; the request's signature has been verified.
    std::string public_key;
    /// What the agent says of its machine: the members of "hello".
    json::Object facts;
    /// Where it comes from, for the log.
    std::string remote;
  };
  struct Granted {
    std::string agent;
    /// PEM.
    std::string certificate;
  };
  /// A token for a certificate. The same token with the same key is answered the same again.
  virtual std::expected<Granted, AgentRefusal> enrol(store::Txn& txn, const Request& request) = 0;
  /// A new certificate of the key that the caller has proved to hold.
  virtual std::expected<SignedCertificate, AgentRefusal> renew(store::Txn& txn, std::string_view agent, std::string_view enrolment,
                                                               const std::string& public_key) = 0;
  /// Whether that agent's session may begin.
  virtual std::optional<AgentRefusal> greet(store::Txn& txn, const std::string& agent, const json::Object& hello) = 0;
};

}  // namespace sp::runtime
