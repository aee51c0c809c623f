#include "fleet/enrol_http.h"

#include <openssl/ec.h>
#include <openssl/pem.h>

#include <algorithm>
#include <future>

#include <fmt/format.h>

#include "agentwire/messages.h"
#include "base/log.h"
#include "fleet/openssl.h"

namespace sp::fleet {
namespace {

constexpr std::size_t kBodyMost = 16 * 1024;
constexpr int kKeyBits = 256;
/// Up to this part of its life a certificate is renewed early.
constexpr double kSpread = 0.05;

void answer(AgentHttpStream& stream, int status, const json::Object& body, net::Headers headers = {}) {
  headers.push_back({"Content-Type", "application/json"});
  (void)stream.respond(status, headers, json::toText(body) + "\n");
}

void refuse(AgentHttpStream& stream, int status, std::string_view code, std::string_view message, net::Headers headers = {}) {
  answer(stream, status, {{"error", code}, {"message", message}}, std::move(headers));
}

/// Runs `part` as a job of the core and waits until what it wrote is durable.
template <class Outcome>
Result<Outcome> onCore(runtime::Core& core, const std::function<Outcome(store::Txn&)>& part) {
  std::promise<Result<Outcome>> done;
  std::optional<Outcome> outcome;
  core.post(
      [&](store::Txn& txn) {
        outcome.emplace(part(txn));
        return outcome->has_value();
      },
      [&](const Error* error) {
        if (error != nullptr) done.set_value(std::unexpected(*error));
        else done.set_value(std::move(*outcome));
      });
  return done.get_future().get();
}

Result<std::string> wholeBody(AgentHttpStream& stream) {
  std::string body;
  while (true) {
    SP_TRY(const auto piece, stream.readBody(kBodyMost));
    if (piece.empty()) return body;
    body += piece;
    if (body.size() > kBodyMost) return fail("enrol.too_large", fmt::format("a request to enrol has at most {} bytes", kBodyMost));
  }
}

}  // namespace

Result<std::string> readCertificateRequest(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const RequestPtr request(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
  if (!request) return fail("enrol.request", "\"request\" is not a certificate request in PEM: " + opensslError());
  EVP_PKEY* const key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr || EVP_PKEY_get_id(key) != EVP_PKEY_EC || EVP_PKEY_get_bits(key) != kKeyBits) {
    ERR_clear_error();
    return fail("enrol.request", "the certificate request's key must be ECDSA P-256");
  }
  if (X509_REQ_verify(request.get(), key) != 1)
    return fail("enrol.request", "the certificate request is not signed by its own key: " + opensslError());
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return fail("enrol.request", "the certificate request's key cannot be read: " + opensslError());
  std::string bytes(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

Result<runtime::AgentRegistry::Request> readEnrolRequest(const std::string& body) {
  SP_TRY(auto parsed, json::parse(body, 8));
  if (!parsed.is_object()) return fail("enrol.request", "the body is not a JSON object");
  const auto& object = parsed.get_object();
  runtime::AgentRegistry::Request request;
  request.token = json::textOr(object, "token");
  SP_TRY(request.public_key, readCertificateRequest(json::textOr(object, "request")));
  if (const auto* facts = json::find(object, "facts"); facts != nullptr && facts->is_object()) request.facts = facts->get_object();
  return request;
}

Duration renewIn(Duration left, Duration life, double lot) {
  const auto third = life / 3;
  const auto early = Duration(static_cast<Duration::rep>(static_cast<double>(life.count()) * kSpread * lot));
  return std::max(Duration::zero(), left - third - early);
}

void EnrolHttp::serve(AgentHttpStream& stream) {
  const auto remote = stream.head().remote;
  const auto address = addressPart(remote);
  if (stream.head().method != "POST") return refuse(stream, 405, "method", "enrol by POST");
  if (const auto wait = attempts_.wait(address); wait > Duration::zero()) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
    return refuse(stream, 429, agentwire::kTooManyAttempts,
                  fmt::format("too many failed attempts from {}: the next may be made in {} s", address, seconds),
                  {{"Retry-After", std::to_string(seconds)}});
  }
  const auto body = wholeBody(stream);
  if (!body) return refuse(stream, body.error().code == "enrol.too_large" ? 413 : 400, "request", body.error().message);
  auto request = readEnrolRequest(*body);
  if (!request) {
    attempts_.failed(address);
    return refuse(stream, 400, "request", request.error().message);
  }
  request->remote = remote;
  using Outcome = std::expected<runtime::AgentRegistry::Granted, runtime::AgentRefusal>;
  const auto outcome = onCore<Outcome>(core_, [&](store::Txn& txn) { return registry_->enrol(txn, *request); });
  if (!outcome) return refuse(stream, 503, "store", outcome.error().message);
  if (!*outcome) {
    const auto& why = outcome->error();
    log::warn("a machine was not enrolled", {{"remote", remote}, {"why", why.code}, {"message", why.message}});
    if (why.code == agentwire::kBadToken) attempts_.failed(address);
    return refuse(stream, 403, why.code, why.message);
  }
  answer(stream, 200, {{"agent", (*outcome)->agent}, {"certificate", (*outcome)->certificate}});
}

void RenewHttp::serve(AgentHttpStream& stream) {
  if (stream.head().method != "POST") return refuse(stream, 405, "method", "renew by POST");
  using Outcome = std::expected<runtime::SignedCertificate, runtime::AgentRefusal>;
  const auto key = stream.publicKey();
  const auto outcome =
      onCore<Outcome>(core_, [&](store::Txn& txn) { return registry_->renew(txn, stream.agent(), stream.enrolment(), key); });
  if (!outcome) return refuse(stream, 503, "store", outcome.error().message);
  if (!*outcome) return refuse(stream, 403, outcome->error().code, outcome->error().message);
  const auto left = (*outcome)->expires - clock_.now();
  answer(stream, 200,
         {{"certificate", (*outcome)->certificate},
          {"renewInMs", std::chrono::duration_cast<std::chrono::milliseconds>(renewIn(left, left, 0)).count()}});
}

}  // namespace sp::fleet
