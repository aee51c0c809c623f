#include "fleet/vault/repository_key.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <memory>
#include <system_error>

#include <fmt/format.h>

#include "base/hash.h"
#include "json/json.h"
#include "os/file.h"

namespace sp::fleet {
namespace {

constexpr std::size_t kLeastPassword = 64;
constexpr std::size_t kSaltSize = 64;
constexpr std::size_t kNonceSize = 16;
constexpr std::size_t kTagSize = 16;
constexpr std::uint64_t kMostMemory = 1ULL << 30U;

/// scrypt's cost: 1 MiB and 2 ms.
constexpr std::int64_t kN = 1024;
constexpr std::int64_t kR = 8;
constexpr std::int64_t kP = 1;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};
using CipherPtr = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

const unsigned char* bytesOf(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytesOf(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

std::unexpected<Error> broken(std::string what) { return fail("vault.key", std::move(what)); }

/// What scrypt makes of the password: 32 bytes for AES-256, then 16 each for Poly1305-AES.
struct Derived {
  std::string cipher;
  std::string mac_k;
  std::string mac_r;
};

Result<Derived> derive(std::string_view password, std::string_view salt, std::int64_t n, std::int64_t r, std::int64_t p) {
  std::string out(64, '\0');
  if (n <= 1 || r < 1 || p < 1 ||
      EVP_PBE_scrypt(password.data(), password.size(), bytesOf(salt), salt.size(), static_cast<std::uint64_t>(n),
                     static_cast<std::uint64_t>(r), static_cast<std::uint64_t>(p), kMostMemory, bytesOf(out), out.size()) != 1)
    return broken(fmt::format("scrypt does not take N={} r={} p={}", n, r, p));
  return Derived{out.substr(0, 32), out.substr(32, 16), out.substr(48)};
}

/// AES over whole bytes: CTR both ways, or one block of ECB.
Result<std::string> aes(const EVP_CIPHER* kind, std::string_view key, std::string_view iv, std::string_view text) {
  const CipherPtr context(EVP_CIPHER_CTX_new());
  std::string out(text.size(), '\0');
  int size = 0;
  if (!context || EVP_EncryptInit_ex(context.get(), kind, nullptr, bytesOf(key), iv.empty() ? nullptr : bytesOf(iv)) != 1 ||
      EVP_EncryptUpdate(context.get(), bytesOf(out), &size, bytesOf(text), static_cast<int>(text.size())) != 1 ||
      static_cast<std::size_t>(size) != text.size())
    return broken("AES failed");
  return out;
}

/// Poly1305-AES: the one-time key is r and the encrypted nonce.
Result<std::string> tagOf(const Derived& keys, std::string_view nonce, std::string_view text) {
  SP_TRY(const auto pad, aes(EVP_aes_128_ecb(), keys.mac_k, "", nonce));
  const auto key = keys.mac_r + pad;
  const std::unique_ptr<EVP_MAC, FreeCipher> mac(EVP_MAC_fetch(nullptr, "POLY1305", nullptr));
  const std::unique_ptr<EVP_MAC_CTX, FreeCipher> context(mac ? EVP_MAC_CTX_new(mac.get()) : nullptr);
  std::string tag(kTagSize, '\0');
  std::size_t size = 0;
  if (!context || EVP_MAC_init(context.get(), bytesOf(key), key.size(), nullptr) != 1 ||
      EVP_MAC_update(context.get(), bytesOf(text), text.size()) != 1 ||
      EVP_MAC_final(context.get(), bytesOf(tag), &size, tag.size()) != 1 || size != kTagSize)
    return broken("Poly1305 failed");
  return tag;
}

std::string randomBytes(Random& random, std::size_t size) {
  std::string out(size, '\0');
  random.fill({bytesOf(out), size});
  return out;
}

Result<std::string> seal(const Derived& keys, std::string_view text, Random& random) {
  const auto nonce = randomBytes(random, kNonceSize);
  SP_TRY(const auto hidden, aes(EVP_aes_256_ctr(), keys.cipher, nonce, text));
  SP_TRY(const auto tag, tagOf(keys, nonce, hidden));
  return nonce + hidden + tag;
}

Result<std::string> unseal(const Derived& keys, std::string_view sealed) {
  if (sealed.size() < kNonceSize + kTagSize) return broken("the sealed master key is too short");
  const auto nonce = sealed.substr(0, kNonceSize);
  const auto hidden = sealed.substr(kNonceSize, sealed.size() - kNonceSize - kTagSize);
  SP_TRY(const auto tag, tagOf(keys, nonce, hidden));
  if (!equalConstantTime(tag, sealed.substr(sealed.size() - kTagSize))) return broken("the password is not this key's");
  return aes(EVP_aes_256_ctr(), keys.cipher, nonce, hidden);
}

Result<json::Object> parseKey(std::string_view file) {
  SP_TRY(auto value, json::parse(file));
  if (!value.is_object() || json::textOr(value.get_object(), "kdf") != "scrypt") return broken("the key's file is not one of scrypt");
  return std::move(value.get_object());
}

/// The one file in keys/.
Result<std::string> onlyKey(const std::string& folder) {
  std::string found;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (!found.empty()) return broken(folder + " holds more than one key");
    found = at->path().string();
  }
  if (error) return failErrno("vault.key", "cannot list " + folder, error.value());
  if (found.empty()) return broken(folder + " holds no key");
  return found;
}

}  // namespace

Result<std::string> openKey(std::string_view file, std::string_view password) {
  SP_TRY(const auto key, parseKey(file));
  const auto salt = fromBase64(json::textOr(key, "salt"));
  const auto sealed = fromBase64(json::textOr(key, "data"));
  if (!salt || !sealed) return broken("the key's file holds no base64");
  SP_TRY(const auto keys, derive(password, *salt, json::intOr(key, "N", 0), json::intOr(key, "r", 0), json::intOr(key, "p", 0)));
  return unseal(keys, *sealed);
}

Result<void> quickenKey(const std::string& path, std::string_view password, Random& random) {
  if (password.size() < kLeastPassword)
    return broken(fmt::format("a password of {} characters needs restic's key derivation; {} random hex digits do not", password.size(),
                              kLeastPassword));
  const auto folder = path + "/keys";
  SP_TRY(const auto old_path, onlyKey(folder));
  SP_TRY(const auto old_text, os::readFile(old_path, 65536));
  SP_TRY(const auto master, openKey(old_text, password));
  SP_TRY(auto key, parseKey(old_text));
  const auto salt = randomBytes(random, kSaltSize);
  SP_TRY(const auto keys, derive(password, salt, kN, kR, kP));
  SP_TRY(const auto sealed, seal(keys, master, random));
  key["N"] = kN;
  key["r"] = kR;
  key["p"] = kP;
  key["salt"] = toBase64(salt);
  key["data"] = toBase64(sealed);
  const auto text = json::toText(key);
  // Nothing is removed before what replaces it has been read as restic would.
  SP_TRY(const auto again, openKey(text, password));
  if (again != master) return broken("the key that was sealed anew opens to something else");
  SP_CHECK_OK(os::writeFileDurably(fmt::format("{}/{}", folder, sha256Hex(text)), text, 0400));
  if (::unlink(old_path.c_str()) != 0) return failErrno("vault.key", "cannot remove " + old_path, errno);
  return os::fsyncDirectory(folder);
}

}  // namespace sp::fleet
