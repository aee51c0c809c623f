// Hashes, checksums and byte encodings. Bytes travel as std::string / std::string_view.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sp {

enum class HashKind { md5, sha1, sha256, sha384, sha512 };

/// A running hash. Not thread-safe; move-only.
class Hasher {
 public:
  explicit Hasher(HashKind kind);
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();
  void update(std::string_view bytes);
  /// Raw digest; afterwards the hasher starts anew.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Raw digests.
std::string sha256(std::string_view bytes);
std::string md5(std::string_view bytes);
std::string digest(HashKind kind, std::string_view bytes);
std::string hmacSha256(std::string_view key, std::string_view bytes);
inline std::string sha256Hex(std::string_view bytes);

/// Checksums as S3 and DynamoDB use them; `so_far` continues a running one.
std::uint32_t crc32(std::string_view bytes, std::uint32_t so_far = 0);
std::uint32_t crc32c(std::string_view bytes, std::uint32_t so_far = 0);
/// CRC-64/NVME.
std::uint64_t crc64nvme(std::string_view bytes, std::uint64_t so_far = 0);
std::string bigEndian32(std::uint32_t value);
std::string bigEndian64(std::uint64_t value);

std::string toHex(std::string_view bytes);
std::optional<std::string> fromHex(std::string_view text);
std::string toBase64(std::string_view bytes);
/// Standard alphabet with padding; nullopt for anything else.
std::optional<std::string> fromBase64(std::string_view text);

/// Equal or not, in a time that depends on the lengths alone.
bool equalConstantTime(std::string_view a, std::string_view b);

inline std::string sha256Hex(std::string_view bytes) { return toHex(sha256(bytes)); }

}  // namespace sp
