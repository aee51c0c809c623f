#include "fleet/enrol_http.h"

#include <gtest/gtest.h>

#include "net/certificate_request.h"

namespace sp::fleet {
namespace {

using std::chrono::hours;

TEST(RenewIn, TwoThirdsOfALifeAndSomeEarlier) {
  EXPECT_EQ(renewIn(hours(30), hours(30), 0), Duration(hours(20)));
  EXPECT_EQ(renewIn(hours(15), hours(30), 0), Duration(hours(5)));
  EXPECT_LT(renewIn(hours(30), hours(30), 0.9), Duration(hours(20)));
  EXPECT_GT(renewIn(hours(30), hours(30), 0.9), Duration(hours(18)));
  EXPECT_EQ(renewIn(hours(5), hours(30), 0), Duration::zero());
  EXPECT_EQ(renewIn(-hours(5), hours(30), 0.5), Duration::zero());
}

TEST(CertificateRequest, IsReadBackWithItsKey) {
  const auto key = *net::makePrivateKey();
  const auto one = readCertificateRequest(*net::makeCertificateRequest(key, "host"));
  ASSERT_TRUE(one) << one.error().text();
  // Its name is nobody's business.
  EXPECT_EQ(*one, *readCertificateRequest(*net::makeCertificateRequest(key, "i-0123456789abcdef0")));
  EXPECT_NE(*one, *readCertificateRequest(*net::makeCertificateRequest(*net::makePrivateKey(), "host")));
}

TEST(CertificateRequest, NonsenseIsRefused) {
  for (const auto* text : {"", "nonsense", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"}) {
    const auto read = readCertificateRequest(text);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, "enrol.request");
  }
}

}  // namespace
}  // namespace sp::fleet
