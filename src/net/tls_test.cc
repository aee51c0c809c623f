// The server and the client over TLS, with certificates made on the spot.
#include <cstdio>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "net/http_client.h"
#include "net/http_server.h"

namespace sp::net {
namespace {

class TestDir {
 public:
  TestDir() {
    std::string name = std::filesystem::temp_directory_path() / "stillpoint-tls-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  TestDir(const TestDir&) = delete;
  TestDir& operator=(const TestDir&) = delete;
  ~TestDir() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// A certificate that signs itself, for 127.0.0.1 and the name stillpoint.test.
void writeCertificate(const std::string& cert_file, const std::string& key_file) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* cert = X509_new();
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert), -60);
  X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
  X509_set_pubkey(cert, key);
  auto* name = X509_get_subject_name(cert);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(cert, name);
  X509V3_CTX context;
  X509V3_set_ctx(&context, cert, cert, nullptr, nullptr, 0);
  for (const auto& [kind, value] :
       {std::pair{NID_subject_alt_name, "IP:127.0.0.1,DNS:stillpoint.test"}, std::pair{NID_basic_constraints, "critical,CA:TRUE"}}) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
  }
  X509_sign(cert, key, EVP_sha256());
  FILE* out = std::fopen(cert_file.c_str(), "w");
  PEM_write_X509(out, cert);
  std::fclose(out);
  out = std::fopen(key_file.c_str(), "w");
  PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(out);
  X509_free(cert);
  EVP_PKEY_free(key);
}

class Echo final : public Handler {
  class One final : public Exchange {
   public:
    explicit One(RequestHead head) : head_(std::move(head)) {}
    std::optional<Response> answerEarly() override { return std::nullopt; }
    std::optional<Response> body(std::string_view bytes) override {
      body_.append(bytes);
      return std::nullopt;
    }
    void finish(std::function<void(Response)> reply) override { reply({200, {}, head_.target + " " + body_, nullptr, 0, false}); }

   private:
    RequestHead head_;
    std::string body_;
  };

 public:
  std::unique_ptr<Exchange> begin(RequestHead head) override { return std::make_unique<One>(std::move(head)); }
};

class Tls : public ::testing::Test {
 protected:
  void SetUp() override {
    writeCertificate(dir_.file("cert.pem"), dir_.file("key.pem"));
    auto made = listenHttp({"127.0.0.1", 0}, handler_, {}, TlsFiles{dir_.file("cert.pem"), dir_.file("key.pem")});
    ASSERT_TRUE(made) << made.error().text();
    server_ = std::move(*made);
    server_->start();
  }
  std::unique_ptr<HttpClient> client(const ClientTls& tls) { return makeHttpClient("127.0.0.1", server_->endpoint().port, tls, 5); }

  TestDir dir_;
  Echo handler_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(Tls, LargeBodiesOnAKeptConnection) {
  auto c = client({dir_.file("cert.pem"), "", "", ""});
  const std::string body(1'000'000, 'b');
  for (int i = 0; i < 3; ++i) {
    const auto got = c->send({"PUT", "/x", {}, body, {}, 0});
    ASSERT_TRUE(got) << got.error().text();
    EXPECT_EQ(got->body, "/x " + body);
  }
  auto named = client({dir_.file("cert.pem"), "", "", "stillpoint.test"});
  EXPECT_TRUE(named->send({"GET", "/", {}, "", {}, 0}));
}

TEST_F(Tls, TheServersCertificateMustFit) {
  writeCertificate(dir_.file("other.pem"), dir_.file("other-key.pem"));
  const auto stranger = client({dir_.file("other.pem"), "", "", ""})->send({"GET", "/", {}, "", {}, 0});
  ASSERT_FALSE(stranger);
  EXPECT_EQ(stranger.error().code, "net.tls");
  const auto name = client({dir_.file("cert.pem"), "", "", "wrong.test"})->send({"GET", "/", {}, "", {}, 0});
  ASSERT_FALSE(name);
  EXPECT_THAT(name.error().message, ::testing::HasSubstr("mismatch"));
  const auto missing = client({dir_.file("nowhere.pem"), "", "", ""})->send({"GET", "/", {}, "", {}, 0});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, ::testing::HasSubstr("nowhere.pem"));
}

TEST_F(Tls, PlainTextIsNotAnswered) {
  const auto got = makeHttpClient("127.0.0.1", server_->endpoint().port, std::nullopt, 5)->send({"GET", "/", {}, "", {}, 0});
  ASSERT_FALSE(got);
}

TEST_F(Tls, FilesThatCannotBeUsedAreNamed) {
  const auto no_cert = listenHttp({"127.0.0.1", 0}, handler_, {}, TlsFiles{dir_.file("none.pem"), dir_.file("key.pem")});
  ASSERT_FALSE(no_cert);
  EXPECT_THAT(no_cert.error().message, ::testing::HasSubstr("none.pem"));
  writeCertificate(dir_.file("other.pem"), dir_.file("other-key.pem"));
  const auto no_match = listenHttp({"127.0.0.1", 0}, handler_, {}, TlsFiles{dir_.file("cert.pem"), dir_.file("other-key.pem")});
  ASSERT_FALSE(no_match);
  EXPECT_THAT(no_match.error().message, ::testing::HasSubstr("other-key.pem"));
}

}  // namespace
}  // namespace sp::net
