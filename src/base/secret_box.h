// Texts that lie sealed in the store: AES-256-GCM with a key of this installation. https://csrc.nist.gov/pubs/sp/800/38/d/final
#pragma once
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"

namespace sp {

/// Immutable; any thread.
class SecretBox {
 public:
  static constexpr std::size_t kKeyBytes = 32;
  /// `key`: kKeyBytes bytes.
  explicit SecretBox(std::string key);

  /// Raw bytes: a version, a nonce, the hidden text and its tag. `about` names what the text belongs to: it is not in there, and the
  /// bytes open for nothing else. A nonce of chance is good for 2^32 texts.
  std::string seal(std::string_view text, std::string_view about, Random& random) const;
  /// Error "secret.sealed": not sealed with this key for that, or changed since.
  Result<std::string> open(std::string_view sealed, std::string_view about) const;

 private:
  const std::string key_;
};

}  // namespace sp
