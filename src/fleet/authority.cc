#include "fleet/authority.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <sys/stat.h>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/strings.h"
#include "fleet/openssl.h"
#include "os/file.h"

namespace sp::fleet {
namespace {

constexpr long kDay = 24L * 3600;
// The authority is replaced by hand only, so it must outlive every installation.
constexpr long kAuthoritySeconds = 20 * 365 * kDay;
// The port's own certificate, new at every start, whose key never leaves the process: the longest that TLS libraries commonly accept.
constexpr long kServerSeconds = 825 * kDay;

struct CertificateSpec {
  std::string common_name;
  long seconds = kServerSeconds;
  std::string basic_constraints = "critical,CA:FALSE";
  std::string key_usage = "critical,digitalSignature";
  std::string extended_key_usage;
  std::string alternative_names;
  std::string organizational_unit;
};

Result<void> addExtension(X509* cert, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) return fail("ca.issue", fmt::format("cannot write extension {}: {}", OBJ_nid2sn(nid), opensslError()));
  const int added = X509_add_ext(cert, extension, -1);
  X509_EXTENSION_free(extension);
  if (added != 1) return fail("ca.issue", "cannot add an extension: " + opensslError());
  return {};
}

Result<void> setSerial(X509* cert, Random& random) {
  std::array<std::uint8_t, 16> bytes{};
  random.fill(bytes);
  bytes[0] = static_cast<std::uint8_t>((bytes[0] & 0x7fU) | 0x40U);  // positive, and of one length
  BIGNUM* number = BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr);
  const bool set = number != nullptr && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != nullptr;
  BN_free(number);
  if (!set) return fail("ca.issue", "cannot set a serial number: " + opensslError());
  return {};
}

/// A certificate for `key`, signed by `issuer_key`; `issuer` null: by itself.
Result<X509Ptr> makeCertificate(const CertificateSpec& spec, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key, Random& random) {
  X509Ptr cert(X509_new());
  if (!cert) return fail("ca.issue", "cannot make a certificate: " + opensslError());
  X509_set_version(cert.get(), 2);
  SP_CHECK_OK(setSerial(cert.get(), random));
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -kCertificateLead.count());
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), spec.seconds);
  auto* subject = X509_get_subject_name(cert.get());
  for (const auto& [field, text] : {std::pair{"CN", &spec.common_name}, {"OU", &spec.organizational_unit}}) {
    if (text->empty()) continue;
    const auto* bytes = reinterpret_cast<const unsigned char*>(text->data());
    if (X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8, bytes, static_cast<int>(text->size()), -1, 0) != 1)
      return fail("ca.issue", fmt::format("'{}' cannot stand in a certificate's name: {}", *text, opensslError()));
  }
  X509* signer = issuer == nullptr ? cert.get() : issuer;
  X509_set_issuer_name(cert.get(), X509_get_subject_name(signer));
  X509_set_pubkey(cert.get(), key);
  SP_CHECK_OK(addExtension(cert.get(), signer, NID_basic_constraints, spec.basic_constraints));
  SP_CHECK_OK(addExtension(cert.get(), signer, NID_key_usage, spec.key_usage));
  SP_CHECK_OK(addExtension(cert.get(), signer, NID_subject_key_identifier, "hash"));
  if (issuer != nullptr) SP_CHECK_OK(addExtension(cert.get(), signer, NID_authority_key_identifier, "keyid:always"));
  if (!spec.extended_key_usage.empty()) SP_CHECK_OK(addExtension(cert.get(), signer, NID_ext_key_usage, spec.extended_key_usage));
  if (!spec.alternative_names.empty()) SP_CHECK_OK(addExtension(cert.get(), signer, NID_subject_alt_name, spec.alternative_names));
  if (X509_sign(cert.get(), issuer_key, EVP_sha256()) == 0) return fail("ca.issue", "cannot sign a certificate: " + opensslError());
  return cert;
}

std::string bioText(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string toPem(X509* cert) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), cert);
  return bioText(bio.get());
}

std::string toPem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return bioText(bio.get());
}

Result<PkeyPtr> makeKey() {
  PkeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return fail("ca.issue", "cannot make a key: " + opensslError());
  return key;
}

/// Hash of the public key: the same for as long as the key is.
std::string publicKeyId(X509* cert) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
  if (size <= 0) return {};
  const std::string bytes(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return sha256Hex(bytes);
}

bool exists(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0;
}

bool isIpAddress(const std::string& text) {
  ASN1_OCTET_STRING* address = a2i_IPADDRESS(text.c_str());
  if (address == nullptr) {
    ERR_clear_error();
    return false;
  }
  ASN1_OCTET_STRING_free(address);
  return true;
}

}  // namespace

struct Authority::Keys {
  X509Ptr cert;
  PkeyPtr key;
};

Authority::Authority(std::unique_ptr<Keys> keys, std::string certificate, std::string pin, Random& random)
    : keys_(std::move(keys)), certificate_(std::move(certificate)), pin_(std::move(pin)), random_(random) {}

Authority::~Authority() = default;

Result<std::unique_ptr<Authority>> Authority::open(const std::string& directory, Random& random) {
  SP_CHECK_OK(os::makeDirectories(directory, 0700));
  const auto cert_path = directory + "/ca.pem";
  const auto key_path = directory + "/ca.key";
  auto keys = std::make_unique<Keys>();
  // The key is written first: a crash in between leaves a key that no certificate names yet, and it is used.
  if (!exists(cert_path)) {
    if (exists(key_path)) {
      SP_TRY(const auto text, os::readFile(key_path));
      const BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
      keys->key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
      if (!keys->key) return fail("ca.broken", fmt::format("{} holds no private key: {}", key_path, opensslError()));
    } else {
      SP_TRY(keys->key, makeKey());
      SP_CHECK_OK(os::writeFileDurably(key_path, toPem(keys->key.get()), 0600));
    }
    const CertificateSpec spec{
        "Stillpoint fleet authority", kAuthoritySeconds, "critical,CA:TRUE,pathlen:0", "critical,keyCertSign,cRLSign", "", "", ""};
    SP_TRY(keys->cert, makeCertificate(spec, keys->key.get(), nullptr, keys->key.get(), random));
    SP_CHECK_OK(os::writeFileDurably(cert_path, toPem(keys->cert.get()), 0644));
  } else {
    SP_TRY(const auto cert_text, os::readFile(cert_path));
    SP_TRY(const auto key_text, os::readFile(key_path));
    const BioPtr cert_bio(BIO_new_mem_buf(cert_text.data(), static_cast<int>(cert_text.size())));
    const BioPtr key_bio(BIO_new_mem_buf(key_text.data(), static_cast<int>(key_text.size())));
    keys->cert.reset(PEM_read_bio_X509(cert_bio.get(), nullptr, nullptr, nullptr));
    keys->key.reset(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
    if (!keys->cert || !keys->key || X509_check_private_key(keys->cert.get(), keys->key.get()) != 1)
      return fail("ca.broken",
                  fmt::format("{} and {} do not belong together ({}): restore both from a backup; new ones would cut off every agent",
                              cert_path, key_path, opensslError()));
  }
  auto certificate = toPem(keys->cert.get());
  auto pin = publicKeyId(keys->cert.get());
  return std::unique_ptr<Authority>(new Authority(std::move(keys), std::move(certificate), std::move(pin), random));
}

namespace {

CertificateSpec agentSpec(std::string_view name, std::string_view enrolment, std::chrono::seconds life) {
  return {std::string(name),     static_cast<long>(life.count()), "critical,CA:FALSE", "critical,digitalSignature", "clientAuth", "",
          std::string(enrolment)};
}

std::string serialOf(const X509* cert) {
  BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), nullptr);
  char* text = number == nullptr ? nullptr : BN_bn2hex(number);
  std::string serial = text == nullptr ? "" : text;
  OPENSSL_free(text);
  BN_free(number);
  return toLower(serial);
}

}  // namespace

Result<IssuedCertificate> Authority::issueAgent(std::string_view name) const {
  SP_TRY(const auto key, makeKey());
  SP_TRY(const auto cert, makeCertificate(agentSpec(name, "", agent_life_), key.get(), keys_->cert.get(), keys_->key.get(), random_));
  return IssuedCertificate{toPem(cert.get()), toPem(key.get())};
}

Result<runtime::SignedCertificate> Authority::signAgent(std::string_view name, std::string_view enrolment,
                                                        const std::string& public_key) const {
  const auto* der = reinterpret_cast<const unsigned char*>(public_key.data());
  const PkeyPtr key(d2i_PUBKEY(nullptr, &der, static_cast<long>(public_key.size())));
  if (!key) return fail("ca.issue", "this is no public key: " + opensslError());
  SP_TRY(const auto cert,
         makeCertificate(agentSpec(name, enrolment, agent_life_), key.get(), keys_->cert.get(), keys_->key.get(), random_));
  const auto expires = timeOf(X509_get0_notAfter(cert.get()));
  return runtime::SignedCertificate{toPem(cert.get()), serialOf(cert.get()), expires};
}

Result<IssuedCertificate> Authority::issueServer(std::string_view address) const {
  SP_TRY(const auto key, makeKey());
  // "stillpoint" is what agents verify whatever address they dial.
  std::string names = "DNS:stillpoint,IP:127.0.0.1,IP:::1,DNS:localhost";
  const std::string listen(address);
  if (listen != "127.0.0.1" && listen != "::1" && listen != "localhost" && listen != "0.0.0.0" && listen != "::")
    names += (isIpAddress(listen) ? ",IP:" : ",DNS:") + listen;
  const CertificateSpec spec{
      "Stillpoint server", kServerSeconds, "critical,CA:FALSE", "critical,digitalSignature", "serverAuth", names, ""};
  SP_TRY(const auto cert, makeCertificate(spec, key.get(), keys_->cert.get(), keys_->key.get(), random_));
  return IssuedCertificate{toPem(cert.get()), toPem(key.get())};
}

}  // namespace sp::fleet
