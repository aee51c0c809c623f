#include "net/certificate_request.h"

#include <memory>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "net/openssl_owner.h"

namespace sp::net {
namespace {

using Bio = std::unique_ptr<BIO, FreeBy<&BIO_free_all>>;
using Pkey = std::unique_ptr<EVP_PKEY, FreeBy<&EVP_PKEY_free>>;
using Request = std::unique_ptr<X509_REQ, FreeBy<&X509_REQ_free>>;
using Certificate = std::unique_ptr<X509, FreeBy<&X509_free>>;

std::unexpected<Error> failed(std::string_view what) {
  const auto code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return fail("net.key", fmt::format("{}: {}", what, reason == nullptr ? "no reason given" : reason));
}

Bio reading(const std::string& text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

std::string written(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

Result<Pkey> readKey(const std::string& text) {
  Pkey key(PEM_read_bio_PrivateKey(reading(text).get(), nullptr, nullptr, nullptr));
  if (!key) return failed("this is no private key in PEM");
  return key;
}

}  // namespace

Result<std::string> makePrivateKey() {
  const Pkey key(EVP_EC_gen("P-256"));
  const Bio out(BIO_new(BIO_s_mem()));
  if (!key || !out || PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return failed("cannot make a key");
  return written(out.get());
}

Result<std::string> makeCertificateRequest(const std::string& private_key, const std::string& name) {
  SP_TRY(const auto key, readKey(private_key));
  const Request request(X509_REQ_new());
  const Bio out(BIO_new(BIO_s_mem()));
  if (!request || !out) return failed("cannot make a certificate request");
  const auto* bytes = reinterpret_cast<const unsigned char*>(name.data());
  // A CN has at most 64 characters.
  const auto length = static_cast<int>(std::min<std::size_t>(name.size(), 64));
  if (X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request.get()), "CN", MBSTRING_ASC, bytes, length, -1, 0) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.get()) != 1 || X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0 ||
      PEM_write_bio_X509_REQ(out.get(), request.get()) != 1)
    return failed("cannot make a certificate request");
  return written(out.get());
}

Result<void> checkCertificateKey(const std::string& certificate, const std::string& private_key) {
  SP_TRY(const auto key, readKey(private_key));
  const Certificate read(PEM_read_bio_X509(reading(certificate).get(), nullptr, nullptr, nullptr));
  if (!read) return failed("this is no certificate in PEM");
  if (X509_check_private_key(read.get(), key.get()) != 1) return failed("the certificate is not of this machine's key");
  return {};
}

}  // namespace sp::net
