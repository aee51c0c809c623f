// What is known of a machine's enrolment: which certificate it has, by which token, of which hardware, and whether it still counts.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "store/store.h"

namespace sp::services::ssm {

/// A record of kind "registration", key `instance`. Machines that the server made have one only once they were revoked.
struct Registration {
  std::string instance;
  /// Names this enrolment: stands in its certificates. Empty: those that the server handed out itself.
  std::string enrolment;
  /// Id of the token, and SHA-256 of the machine's public key (hex): both the same again get the same certificate again.
  std::string token;
  std::string key_hash;
  /// PEM of the newest certificate.
  std::string certificate;
  Instant certificate_expires;
  Instant enrolled;
  /// Hash of what names the hardware; empty: it has no such name, or did not tell yet.
  std::string machine;
  bool by_activation = false;
  std::string role;
  /// Empty unless it was taken back: by whom, and when.
  std::string revoked_by;
  Instant revoked;

  bool isRevoked() const { return !revoked_by.empty(); }
};

void saveRegistration(store::Txn& txn, const Registration& registration);
std::optional<Registration> findRegistration(store::Txn& txn, std::string_view instance);
/// By token and key.
std::optional<Registration> findRegistration(store::Txn& txn, std::string_view token, std::string_view key_hash);
/// Strictly after that instance, in their order.
std::vector<Registration> registrationsAfter(store::Txn& txn, std::string_view instance, std::size_t limit);
void eraseRegistration(store::Txn& txn, std::string_view instance);

}  // namespace sp::services::ssm
