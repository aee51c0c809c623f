#include "net/pinned_authority.h"

#include <poll.h>
#include <unistd.h>

#include <memory>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/hash.h"
#include "net/dial.h"
#include "net/openssl_owner.h"

namespace sp::net {
namespace {

using Context = std::unique_ptr<SSL_CTX, FreeBy<&SSL_CTX_free>>;
using Ssl = std::unique_ptr<SSL, FreeBy<&SSL_free>>;
using Store = std::unique_ptr<X509_STORE, FreeBy<&X509_STORE_free>>;
using Verification = std::unique_ptr<X509_STORE_CTX, FreeBy<&X509_STORE_CTX_free>>;
using Bio = std::unique_ptr<BIO, FreeBy<&BIO_free_all>>;

struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { ::close(fd); }
  int fd;
};

std::string reason() {
  const auto code = ERR_get_error();
  ERR_clear_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  return text == nullptr ? "the connection ended" : text;
}

std::string keyHash(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return {};
  const std::string bytes(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return sha256Hex(bytes);
}

Result<void> shakeHands(SSL* ssl, int fd, const std::string& peer, SteadyTime deadline) {
  while (true) {
    ERR_clear_error();
    const int done = SSL_connect(ssl);
    if (done == 1) return {};
    const int why = SSL_get_error(ssl, done);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) return fail("net.tls", fmt::format("{}: {}", peer, reason()));
    if (!waitFor(fd, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline))
      return fail("net.timeout", fmt::format("{} did not finish the TLS handshake in time", peer));
  }
}

/// The handshake has proved that the server holds its certificate's key; this, that the pinned authority signed it.
Result<std::string> judge(SSL* ssl, const std::string& peer, const std::string& server_name, const std::string& pin) {
  X509* own = SSL_get0_peer_certificate(ssl);
  auto* const chain = SSL_get_peer_cert_chain(ssl);
  X509* authority = nullptr;
  std::string seen;
  for (int i = 1; chain != nullptr && i < sk_X509_num(chain); ++i) {
    X509* const each = sk_X509_value(chain, i);
    const auto hash = keyHash(each);
    if (hash == pin) authority = each;
    else seen += (seen.empty() ? "" : ", ") + hash;
  }
  if (own == nullptr || authority == nullptr)
    return fail("net.pin",
                fmt::format("{} is not the server that the token is of: its authority's key is {}, not {}. Nothing was sent to it. "
                            "Either the address or the token is of another server, or somebody stands between.",
                            peer, seen.empty() ? "not shown" : seen, pin));
  const Store store(X509_STORE_new());
  const Verification verification(X509_STORE_CTX_new());
  if (!store || !verification || X509_STORE_add_cert(store.get(), authority) != 1 ||
      X509_STORE_CTX_init(verification.get(), store.get(), own, nullptr) != 1)
    return fail("net.tls", reason());
  auto* const rules = X509_STORE_CTX_get0_param(verification.get());
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_NO_CHECK_TIME);
  X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM_set1_host(rules, server_name.c_str(), server_name.size());
  if (X509_verify_cert(verification.get()) != 1)
    return fail("net.pin", fmt::format("{} has no certificate of the authority that the token is of: {}. Nothing was sent to it.", peer,
                                       X509_verify_cert_error_string(X509_STORE_CTX_get_error(verification.get()))));
  const Bio out(BIO_new(BIO_s_mem()));
  char* data = nullptr;
  if (!out || PEM_write_bio_X509(out.get(), authority) != 1) return fail("net.tls", reason());
  const long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

}  // namespace

Result<std::string> fetchPinnedAuthority(const std::string& host, std::uint16_t port, const std::string& server_name,
                                         const std::string& pin, int timeout_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  const auto peer = fmt::format("{}:{}", host, port);
  SP_TRY(const int fd, dialTcp(host, port, deadline));
  const Descriptor socket(fd);
  const Context context(SSL_CTX_new(TLS_client_method()));
  if (!context) return fail("net.tls", reason());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  // Nothing is known yet that the chain could be verified against; judge() does it before anything is said.
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  const Ssl ssl(SSL_new(context.get()));
  constexpr std::string_view kOffered = "\x08http/1.1";
  SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(kOffered.data()), static_cast<unsigned>(kOffered.size()));
  std::string name = server_name;
  SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
  SSL_set_fd(ssl.get(), fd);
  SP_CHECK_OK(shakeHands(ssl.get(), fd, peer, deadline));
  return judge(ssl.get(), peer, server_name, pin);
}

}  // namespace sp::net
