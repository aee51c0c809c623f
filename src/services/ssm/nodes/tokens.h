// One-time tokens that make a machine an agent of this server: those of `stillpoint enrol` and SSM's activations. Only a hash of
// the secret is kept.
//
// A token's text is "ID.SECRET.PIN": PIN is the SHA-256 of the authority's public key, by which the new machine knows its server
// before it says anything. An activation's code is "SECRET.PIN", so that its token is "ACTIVATIONID.CODE".
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "store/store.h"

namespace sp::services::ssm {

/// A record of kind "enrolment_token", key `id`.
struct EnrolmentToken {
  /// "et-" and 12 hex digits, or an activation's UUID.
  std::string id;
  /// SHA-256 of the secret, hex.
  std::string secret_hash;
  std::string description;
  /// Given to the machines: the tag Name, unless `tags` has one.
  std::string name;
  std::map<std::string, std::string> tags;
  /// The machine that it is for; empty: each use makes a new one.
  std::string instance;
  /// Machines that may enrol by it (1..1000), and that have.
  std::int64_t limit = 1;
  std::int64_t used = 0;
  Instant created;
  Instant expires;
  /// Activations: name of the machines' role.
  std::string role;
  /// Whose call made it: an ARN.
  std::string by;
  bool activation = false;
};

inline constexpr std::int64_t kTokenUsesMost = 1000;
inline constexpr Duration kTokenLifeMost = std::chrono::hours(24 * 30);

/// Fills in id and hash, keeps it, and returns the secret (64 hex digits), which nobody can tell again.
std::string createToken(store::Txn& txn, Random& random, EnrolmentToken& token);
void saveToken(store::Txn& txn, const EnrolmentToken& token);
std::optional<EnrolmentToken> findToken(store::Txn& txn, std::string_view id);
/// Strictly after that id, in their order.
std::vector<EnrolmentToken> tokensAfter(store::Txn& txn, std::string_view id, std::size_t limit);
/// False if there is none.
bool eraseToken(store::Txn& txn, std::string_view id);

/// ID and secret of a token's text; what follows (the pin) is the agent's. nullopt: it has not that form.
struct TokenText {
  std::string_view id;
  std::string_view secret;
};
std::optional<TokenText> readTokenText(std::string_view text);

}  // namespace sp::services::ssm
