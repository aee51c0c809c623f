#include "base/secret_box.h"

#include <memory>

#include <openssl/evp.h>

#include "base/assert.h"

namespace sp {
namespace {

constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;
constexpr char kVersion = 1;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

unsigned char* bytesOf(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytesOf(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
int sizeOf(std::string_view text) { return static_cast<int>(text.size()); }

}  // namespace

SecretBox::SecretBox(std::string key) : key_(std::move(key)) { SP_ASSERT(key_.size() == kKeyBytes); }

std::string SecretBox::seal(std::string_view text, std::string_view about, Random& random) const {
  std::string nonce(kNonceBytes, '\0');
  random.fill({bytesOf(nonce), nonce.size()});
  std::string hidden(text.size(), '\0');
  std::string tag(kTagBytes, '\0');
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int size = 0;
  const bool done = cipher &&
                    EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytesOf(std::string_view(key_)), bytesOf(nonce)) == 1 &&
                    EVP_EncryptUpdate(cipher.get(), nullptr, &size, bytesOf(about), sizeOf(about)) == 1 &&
                    EVP_EncryptUpdate(cipher.get(), bytesOf(hidden), &size, bytesOf(text), sizeOf(text)) == 1 &&
                    EVP_EncryptFinal_ex(cipher.get(), bytesOf(hidden) + size, &size) == 1 &&
                    EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag.data()) == 1;
  // Of memory alone: there is no input that it refuses.
  SP_ASSERT(done);
  return kVersion + nonce + hidden + tag;
}

Result<std::string> SecretBox::open(std::string_view sealed, std::string_view about) const {
  const auto broken = [] {
    return fail("secret.sealed", "it was sealed with another key or for something else, or has been changed since");
  };
  if (sealed.size() < 1 + kNonceBytes + kTagBytes || sealed.front() != kVersion) return broken();
  const auto nonce = sealed.substr(1, kNonceBytes);
  const auto hidden = sealed.substr(1 + kNonceBytes, sealed.size() - 1 - kNonceBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  std::string text(hidden.size(), '\0');
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int size = 0;
  const bool done = cipher &&
                    EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytesOf(std::string_view(key_)), bytesOf(nonce)) == 1 &&
                    EVP_DecryptUpdate(cipher.get(), nullptr, &size, bytesOf(about), sizeOf(about)) == 1 &&
                    EVP_DecryptUpdate(cipher.get(), bytesOf(text), &size, bytesOf(hidden), sizeOf(hidden)) == 1 &&
                    EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
                    EVP_DecryptFinal_ex(cipher.get(), bytesOf(text) + size, &size) == 1;
  if (!done) return broken();
  return text;
}

}  // namespace sp
