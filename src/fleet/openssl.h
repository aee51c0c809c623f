// OpenSSL's objects as owners, and its error queue as text. Only for fleet's own .cc files.
#pragma once
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>
#include <string>

#include "base/clock.h"
#include "net/openssl_owner.h"

namespace sp::fleet {

using BioPtr = std::unique_ptr<BIO, net::FreeBy<&BIO_free_all>>;
using PkeyPtr = std::unique_ptr<EVP_PKEY, net::FreeBy<&EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, net::FreeBy<&X509_free>>;
using RequestPtr = std::unique_ptr<X509_REQ, net::FreeBy<&X509_REQ_free>>;
using SslPtr = std::unique_ptr<SSL, net::FreeBy<&SSL_free>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, net::FreeBy<&SSL_CTX_free>>;

/// A certificate's moment.
inline Instant timeOf(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return Instant(std::chrono::seconds(::timegm(&parts)));
}

/// What OpenSSL says went wrong; empties its queue of this thread.
inline std::string opensslError() {
  std::string text;
  while (const auto code = ERR_get_error()) {
    char line[256];
    ERR_error_string_n(code, line, sizeof line);
    if (!text.empty()) text += "; ";
    text += line;
  }
  return text.empty() ? "no reason given" : text;
}

}  // namespace sp::fleet
