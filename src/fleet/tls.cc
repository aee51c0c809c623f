#include "fleet/tls.h"

#include <openssl/pem.h>

#include "agentwire/messages.h"

namespace sp::fleet {
namespace {

constexpr std::string_view kHttp = "http/1.1";

int chooseProtocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned int in_size,
                   void* /*arg*/) {
  for (const auto wanted : {agentwire::kAlpn, kHttp}) {
    for (unsigned int at = 0; at < in_size;) {
      const unsigned char size = in[at];
      if (at + 1U + size > in_size) break;
      if (std::string_view(reinterpret_cast<const char*>(in + at + 1), size) == wanted) {
        *out = in + at + 1;
        *out_size = size;
        return SSL_TLSEXT_ERR_OK;
      }
      at += 1U + size;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Whose certificate has expired may renew it, which is for the port to see to: here only the signature counts.
int judgeClient(int good, X509_STORE_CTX* store) {
  if (good == 1) return 1;
  const int error = X509_STORE_CTX_get_error(store);
  if (error != X509_V_ERR_CERT_HAS_EXPIRED && error != X509_V_ERR_CERT_NOT_YET_VALID) return 0;
  X509_STORE_CTX_set_error(store, X509_V_OK);
  return 1;
}

std::string nameField(const X509* cert, int nid) {
  const auto* subject = X509_get_subject_name(cert);
  const int at = X509_NAME_get_index_by_NID(subject, nid, -1);
  if (at < 0) return {};
  const auto* text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), static_cast<std::size_t>(ASN1_STRING_length(text))};
}

}  // namespace

Result<SslContextPtr> makeServerContext(const IssuedCertificate& own, const std::string& ca_pem) {
  SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (!context) return fail("tls.context", "cannot make a TLS context: " + opensslError());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  // A session's buffers live only while a record is under way: 14 KiB an idle agent instead of 50.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Agents stay connected for days: resumption would only keep certificates in tickets.
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);

  const BioPtr cert_bio(BIO_new_mem_buf(own.cert.data(), static_cast<int>(own.cert.size())));
  const BioPtr key_bio(BIO_new_mem_buf(own.key.data(), static_cast<int>(own.key.size())));
  const BioPtr ca_bio(BIO_new_mem_buf(ca_pem.data(), static_cast<int>(ca_pem.size())));
  const X509Ptr cert(PEM_read_bio_X509(cert_bio.get(), nullptr, nullptr, nullptr));
  const PkeyPtr key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  const X509Ptr ca(PEM_read_bio_X509(ca_bio.get(), nullptr, nullptr, nullptr));
  if (!cert || !key || !ca || SSL_CTX_use_certificate(context.get(), cert.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1 || X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), ca.get()) != 1 ||
      SSL_CTX_add_client_CA(context.get(), ca.get()) != 1 ||
      // The authority goes along: a host that enrols knows it by its hash alone.
      SSL_CTX_ctrl(context.get(), SSL_CTRL_CHAIN_CERT, 1, ca.get()) != 1)
    return fail("tls.context", "cannot use the agents' port's certificate: " + opensslError());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, judgeClient);
  SSL_CTX_set_verify_depth(context.get(), 1);
  SSL_CTX_set_alpn_select_cb(context.get(), chooseProtocol, nullptr);
  return context;
}

std::string_view negotiatedProtocol(const SSL* ssl) {
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

PeerCertificate peerCertificate(const SSL* ssl, Instant now) {
  const X509* cert = SSL_get0_peer_certificate(ssl);
  if (cert == nullptr) return {};
  const auto begin = timeOf(X509_get0_notBefore(cert));
  const auto end = timeOf(X509_get0_notAfter(cert));
  return {nameField(cert, NID_commonName), nameField(cert, NID_organizationalUnitName), end - now, end - begin - kCertificateLead,
          now >= begin};
}

std::string peerPublicKey(const SSL* ssl) {
  const X509* cert = SSL_get0_peer_certificate(ssl);
  unsigned char* der = nullptr;
  const int size = cert == nullptr ? 0 : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
  if (size <= 0) return {};
  std::string bytes(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

}  // namespace sp::fleet
