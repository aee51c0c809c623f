#include "agent/renewal.h"

#include <thread>

#include <fmt/format.h>

#include "agent/identity.h"
#include "base/log.h"
#include "net/certificate_request.h"
#include "net/http_client.h"
#include "os/file.h"

namespace sp::agent {
namespace {

constexpr int kAnswerSeconds = 20;
constexpr std::size_t kAnswerMost = 64 * 1024;
constexpr std::chrono::seconds kAgain{60};
constexpr std::chrono::hours kNotTold{24};

std::int64_t nowMs(const Clock& clock) { return std::chrono::duration_cast<std::chrono::milliseconds>(clock.boottime()).count(); }

}  // namespace

void Renewal::setDue(std::chrono::milliseconds in) { due_ms_ = nowMs(clock_) + std::max<std::int64_t>(0, in.count()); }

std::chrono::milliseconds Renewal::untilDue() const {
  const std::int64_t due = due_ms_;
  if (due == 0) return kNotTold;
  return std::chrono::milliseconds(std::max<std::int64_t>(0, due - nowMs(clock_)));
}

void Renewal::startIfDue() {
  if (untilDue().count() > 0 || busy_.exchange(true)) return;
  std::thread([this] {
    if (const auto done = renewNow(); !done) {
      log::warn("the certificate was not renewed: tries again", {{"in_s", kAgain.count()}, {"why", done.error().text()}});
      setDue(kAgain);
    }
    busy_ = false;
  }).detach();
}

Result<void> Renewal::renewNow() {
  SP_TRY(const auto endpoint, identity_.endpoint());
  SP_TRY(const auto address, parseHostPort(endpoint));
  const auto tls = identity_.tls();
  const auto client = net::makeHttpClient(address.host, address.port, tls, kAnswerSeconds);
  net::ClientRequest post;
  post.method = "POST";
  post.target = "/renew";
  SP_TRY(const auto response, client->send(post, kAnswerMost));
  SP_TRY(const auto parsed, withContext(json::parse(response.body, 8), fmt::format("read the server's answer {}", response.status)));
  if (!parsed.is_object()) return fail("net.protocol", fmt::format("the server answered {} and no object", response.status));
  const auto& answer = parsed.get_object();
  if (response.status != 200) return fail("agent." + json::textOr(answer, "error"), json::textOr(answer, "message"));
  const auto certificate = json::textOr(answer, "certificate");
  SP_TRY(const auto key, os::readFile(tls.key_file, kAnswerMost));
  SP_CHECK_OK(net::checkCertificateKey(certificate, key));
  SP_CHECK_OK(os::writeFileDurably(tls.cert_file, certificate, 0644));
  setDue(std::chrono::milliseconds(json::intOr(answer, "renewInMs", std::chrono::milliseconds(kAgain).count())));
  log::info("certificate renewed");
  return {};
}

}  // namespace sp::agent
