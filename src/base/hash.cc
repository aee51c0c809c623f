#include "base/hash.h"

#include <array>
#include <vector>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <zlib.h>

#include "base/assert.h"

namespace sp {
namespace {

// Fetched once: what EVP_sha256() names is looked for in OpenSSL's providers at each use, which takes longer than a short text's hash.
const EVP_MD* algorithm(HashKind kind) {
  static const std::array<const EVP_MD*, 5> fetched = {EVP_MD_fetch(nullptr, "MD5", nullptr), EVP_MD_fetch(nullptr, "SHA1", nullptr),
                                                       EVP_MD_fetch(nullptr, "SHA256", nullptr), EVP_MD_fetch(nullptr, "SHA384", nullptr),
                                                       EVP_MD_fetch(nullptr, "SHA512", nullptr)};
  switch (kind) {
    case HashKind::md5: return fetched[0];
    case HashKind::sha1: return fetched[1];
    case HashKind::sha256: break;
    case HashKind::sha384: return fetched[3];
    case HashKind::sha512: return fetched[4];
  }
  return fetched[2];
}

/// What HMAC() makes and drops at each call; one for each thread.
class Mac {
 public:
  Mac() {
    EVP_MAC* hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    context_ = EVP_MAC_CTX_new(hmac);
    EVP_MAC_free(hmac);
    std::array<char, 7> name = {"SHA256"};
    const std::array<OSSL_PARAM, 2> parameters = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
                                                  OSSL_PARAM_construct_end()};
    SP_ASSERT(EVP_MAC_CTX_set_params(context_, parameters.data()) == 1);
  }
  Mac(const Mac&) = delete;
  Mac& operator=(const Mac&) = delete;
  ~Mac() { EVP_MAC_CTX_free(context_); }
  EVP_MAC_CTX* context() { return context_; }

 private:
  EVP_MAC_CTX* context_;
};

const unsigned char* bytesOf(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

}  // namespace

struct Hasher::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const EVP_MD* algorithm;
  explicit State(HashKind kind) : algorithm(sp::algorithm(kind)) { EVP_DigestInit_ex(context, algorithm, nullptr); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

Hasher::Hasher(HashKind kind) : state_(std::make_unique<State>(kind)) {}
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(std::string_view bytes) { EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()); }

std::string Hasher::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned length = 0;
  EVP_DigestFinal_ex(state_->context, out.data(), &length);
  EVP_DigestInit_ex(state_->context, state_->algorithm, nullptr);
  return {reinterpret_cast<const char*>(out.data()), length};
}

std::string digest(HashKind kind, std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned length = 0;
  SP_ASSERT(EVP_Digest(bytes.data(), bytes.size(), out.data(), &length, algorithm(kind), nullptr) == 1);
  return {reinterpret_cast<const char*>(out.data()), length};
}

std::string sha256(std::string_view bytes) { return digest(HashKind::sha256, bytes); }
std::string md5(std::string_view bytes) { return digest(HashKind::md5, bytes); }

std::string hmacSha256(std::string_view key, std::string_view bytes) {
  thread_local Mac mac;
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  std::size_t length = 0;
  // A null key would mean the one before.
  const auto* secret = key.empty() ? bytesOf("") : bytesOf(key);
  SP_ASSERT(EVP_MAC_init(mac.context(), secret, key.size(), nullptr) == 1);
  SP_ASSERT(EVP_MAC_update(mac.context(), bytesOf(bytes), bytes.size()) == 1);
  SP_ASSERT(EVP_MAC_final(mac.context(), out.data(), &length, out.size()) == 1);
  return {reinterpret_cast<const char*>(out.data()), length};
}

std::uint32_t crc32(std::string_view bytes, std::uint32_t so_far) {
  return static_cast<std::uint32_t>(::crc32_z(so_far, bytesOf(bytes), bytes.size()));
}

std::uint32_t crc32c(std::string_view bytes, std::uint32_t so_far) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> made{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value & 1U) != 0 ? (value >> 1U) ^ 0x82f63b78U : value >> 1U;
      made[i] = value;
    }
    return made;
  }();
  std::uint32_t crc = ~so_far;
  for (const char c : bytes) crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xffU] ^ (crc >> 8U);
  return ~crc;
}

std::uint64_t crc64nvme(std::string_view bytes, std::uint64_t so_far) {
  static const auto table = [] {
    std::array<std::uint64_t, 256> made{};
    for (std::uint64_t i = 0; i < 256; ++i) {
      std::uint64_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value & 1U) != 0 ? (value >> 1U) ^ 0x9a6c9329ac4bc9b5ULL : value >> 1U;
      made[i] = value;
    }
    return made;
  }();
  std::uint64_t crc = ~so_far;
  for (const char c : bytes) crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xffU] ^ (crc >> 8U);
  return ~crc;
}

std::string bigEndian32(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((value >> static_cast<unsigned>(shift)) & 0xffU);
  return out;
}

std::string bigEndian64(std::uint64_t value) {
  return bigEndian32(static_cast<std::uint32_t>(value >> 32U)) + bigEndian32(static_cast<std::uint32_t>(value));
}

std::string toHex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4U];
    out += kDigits[static_cast<unsigned char>(c) & 0xfU];
  }
  return out;
}

std::optional<std::string> fromHex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

std::string toBase64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytesOf(bytes), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

std::optional<std::string> fromBase64(std::string_view text) {
  if (text.empty()) return std::string();
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  if (text.ends_with("==")) padding = 2;
  else if (text.ends_with("=")) padding = 1;
  for (const char c : text.substr(0, text.size() - padding)) {
    const bool in_alphabet = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
    if (!in_alphabet) return std::nullopt;
  }
  std::string out(text.size() / 4 * 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytesOf(text), static_cast<int>(text.size()));
  if (length < 0) return std::nullopt;
  out.resize(static_cast<std::size_t>(length) - padding);
  return out;
}

bool equalConstantTime(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace sp
