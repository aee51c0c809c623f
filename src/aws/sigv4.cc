#include "aws/sigv4.h"

#include <algorithm>

#include <fmt/format.h>

#include "aws/canonical.h"
#include "aws/sigv4_parse.h"
#include "base/hash.h"
#include "base/time_format.h"

namespace sp::aws {
namespace {

constexpr auto kSkew = std::chrono::minutes(15);
constexpr std::size_t kCachedKeys = 256;
constexpr std::string_view kTerminator = "aws4_request";

std::unexpected<AuthProblem> problem(AuthFault fault, std::string message, std::string s3_message = {}, json::Object extra = {}) {
  if (s3_message.empty()) s3_message = message;
  return std::unexpected(AuthProblem{fault, std::move(message), std::move(s3_message), std::move(extra)});
}

bool isHexHash(std::string_view text) {
  return text.size() == 64 && std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string toHexBytes(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!out.empty()) out += ' ';
    fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned char>(c));
  }
  return out;
}

// IAM and STS are global: their clients sign for us-east-1 wherever they are.
bool regionFits(std::string_view region, std::string_view service, const Realm& realm) {
  return region == realm.region || ((service == "iam" || service == "sts") && region == "us-east-1");
}

std::string scopeWords(const SignatureFields& fields, std::string_view part, std::string_view got, std::string_view wanted) {
  return fields.presigned
             ? fmt::format("Error parsing the X-Amz-Credential parameter; the {} '{}' is wrong; expecting '{}'", part, got, wanted)
             : fmt::format("The authorization header is malformed; the {} '{}' is wrong; expecting '{}'", part, got, wanted);
}

std::expected<void, AuthProblem> checkScope(const SignatureFields& fields, std::string_view service, const Realm& realm) {
  json::Object extra;
  if (fields.presigned) extra["presigned"] = true;
  if (fields.terminator != kTerminator)
    return problem(AuthFault::wrongScope, "Credential should be scoped with a valid terminator: 'aws4_request'.",
                   scopeWords(fields, "terminator", fields.terminator, kTerminator), extra);
  if (fields.service != service)
    return problem(AuthFault::wrongScope, fmt::format("Credential should be scoped to correct service: '{}'. ", service),
                   scopeWords(fields, "service", fields.service, service), extra);
  if (!regionFits(fields.region, service, realm)) {
    extra["Region"] = realm.region;
    return problem(AuthFault::wrongScope, fmt::format("Credential should be scoped to a valid region, not '{}'. ", fields.region),
                   scopeWords(fields, "region", fields.region, realm.region), extra);
  }
  if (fields.date != fields.time.substr(0, 8))
    return problem(
        AuthFault::wrongScope,
        fmt::format("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}', from '{}'.",
                    fields.date, fields.time.substr(0, 8), fields.time),
        scopeWords(fields, "date", fields.date, fields.time.substr(0, 8)), extra);
  return {};
}

std::expected<void, AuthProblem> checkAge(const SignatureFields& fields, Instant now) {
  const auto time = *parseBasicIso8601(fields.time);
  const auto server = toBasicIso8601(now);
  if (fields.presigned && now > time + std::chrono::seconds(fields.expires_seconds)) {
    const auto until = time + std::chrono::seconds(fields.expires_seconds);
    return problem(AuthFault::presignExpired, fmt::format("Signature expired: {} is now earlier than {}", toBasicIso8601(until), server),
                   "Request has expired",
                   {{"X-Amz-Expires", std::to_string(fields.expires_seconds)},
                    {"ExpiresDate", toIso8601Seconds(until)},
                    {"ServerTime", toIso8601Seconds(now)}});
  }
  json::Object extra{{"RequestTime", fields.time}, {"ServerTime", toIso8601Seconds(now)}, {"MaxAllowedSkewMilliseconds", "900000"}};
  constexpr std::string_view kS3Words = "The difference between the request time and the current time is too large.";
  if (time > now + kSkew) {
    auto message = fmt::format("Signature not yet current: {} is still later than {} ({} + 15 min.)", fields.time,
                               toBasicIso8601(now + kSkew), server);
    if (fields.presigned) return problem(AuthFault::presignNotYet, std::move(message), "Request is not yet valid", std::move(extra));
    return problem(AuthFault::skew, std::move(message), std::string(kS3Words), std::move(extra));
  }
  if (!fields.presigned && time < now - kSkew)
    return problem(
        AuthFault::skew,
        fmt::format("Signature expired: {} is now earlier than {} ({} - 15 min.)", fields.time, toBasicIso8601(now - kSkew), server),
        std::string(kS3Words), std::move(extra));
  return {};
}

// "host" and every x-amz-* header must be signed, else a person in the middle could add them.
std::expected<void, AuthProblem> checkSignedHeaders(const RequestView& request, const std::vector<std::string_view>& names) {
  const auto is_signed = [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
  if (!is_signed("host")) return problem(AuthFault::malformed, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
  std::string left_out;
  for (const auto& header : request.headers) {
    if (header.name.size() < 6 || !equalsIgnoreCase(header.name.substr(0, 6), "x-amz-")) continue;
    const auto name = toLower(header.name);
    if (!is_signed(name)) left_out.append(left_out.empty() ? "" : ", ").append(name);
  }
  if (left_out.empty()) return {};
  return problem(AuthFault::headersNotSigned, "There were headers present in the request which were not signed: " + left_out,
                 "There were headers present in the request which were not signed", {{"HeadersNotSigned", left_out}});
}

std::expected<void, AuthProblem> readPayload(const RequestView& request, PendingAuth& pending, bool is_s3) {
  auto& made = pending.request;
  const auto header = request.header("x-amz-content-sha256");
  auto word = header ? std::string(trim(*header)) : std::string{};
  if (!header && made.presigned) word = request.parameter("X-Amz-Content-Sha256").value_or(is_s3 ? "UNSIGNED-PAYLOAD" : "");
  if (!is_s3) {
    // Other services hash what they get; a hash in the head only lets the signature be judged early.
    if (isHexHash(word)) made.payload_hash = word;
    pending.head_decides = !made.payload_hash.empty();
    return {};
  }
  pending.head_decides = true;
  if (word.empty()) return problem(AuthFault::payloadHashMissing, "Missing required header for this request: x-amz-content-sha256");
  if (isHexHash(word)) {
    made.payload_hash = word;
  } else if (word == "UNSIGNED-PAYLOAD") {
    made.payload = Payload::open;
  } else if (word == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") {
    made.payload = Payload::chunkedTrailer;
  } else if (word == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") {
    made.payload = Payload::signedChunks;
  } else if (word == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") {
    made.payload = Payload::signedChunksTrailer;
  } else {
    return problem(AuthFault::payloadHashInvalid,
                   "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
                   "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a valid sha256 value.",
                   {}, {{"ArgumentName", "x-amz-content-sha256"}, {"ArgumentValue", word}});
  }
  return {};
}

std::string payloadWord(const VerifiedRequest& request) {
  switch (request.payload) {
    case Payload::hashed: return request.payload_hash;
    case Payload::open: return "UNSIGNED-PAYLOAD";
    case Payload::chunkedTrailer: return "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    case Payload::signedChunks: return "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    case Payload::signedChunksTrailer: return "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
  }
  return {};
}

}  // namespace

std::expected<PendingAuth, AuthProblem> Verifier::begin(const RequestView& request, std::string_view service, Instant now) {
  auto parsed = parseSignature(request);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  auto& fields = *parsed;
  if (keys_.secretOf(fields.access_key) == nullptr)
    return problem(AuthFault::unknownKey, "The security token included in the request is invalid.",
                   "The AWS Access Key Id you provided does not exist in our records.", {{"AWSAccessKeyId", fields.access_key}});
  if (request.header("X-Amz-Security-Token") || request.parameter("X-Amz-Security-Token"))
    return problem(AuthFault::badToken, "The security token included in the request is invalid.",
                   "The provided token is malformed or otherwise invalid.");
  if (auto ok = checkScope(fields, service, realm_); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = checkAge(fields, now); !ok) return std::unexpected(std::move(ok.error()));
  const auto names = split(fields.signed_headers, ';');
  if (auto ok = checkSignedHeaders(request, names); !ok) return std::unexpected(std::move(ok.error()));

  const bool is_s3 = service == "s3";
  PendingAuth pending;
  auto& made = pending.request;
  made.principal = {fields.access_key, "arn:aws:iam::" + realm_.account + ":root", realm_.account, realm_.account};
  made.service = fields.service;
  made.region = fields.region;
  made.scope = fields.scope();
  made.time = fields.time;
  made.presigned = fields.presigned;
  made.signature = fields.signature;
  if (auto ok = readPayload(request, pending, is_s3); !ok) return std::unexpected(std::move(ok.error()));
  if (is_s3) pending.request.payload_hash = payloadWord(made);

  auto& head = pending.canonical_head;
  head.reserve(768);
  head.append(request.method).append("\n");
  head.append(is_s3 ? canonicalPathOnce(request.path()) : canonicalPathTwice(request.path())).append("\n");
  head.append(canonicalQuery(request.query(), fields.presigned ? "X-Amz-Signature" : "")).append("\n");
  head.append(canonicalHeaders(request, names)).append("\n");
  head.append(fields.signed_headers).append("\n");
  return pending;
}

std::expected<VerifiedRequest, AuthProblem> Verifier::finish(PendingAuth pending, std::string_view payload_hash) {
  auto& request = pending.request;
  const auto* secret = keys_.secretOf(request.principal.access_key);
  if (secret == nullptr) return problem(AuthFault::unknownKey, "The security token included in the request is invalid.");
  pending.canonical_head.append(payload_hash);
  const auto to_sign = fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", request.time, request.scope, sha256Hex(pending.canonical_head));
  const auto& key = signingKey(request, *secret);
  const auto expected = toHex(hmacSha256(key, to_sign));
  if (!equalConstantTime(expected, request.signature)) {
    json::Object extra{{"AWSAccessKeyId", request.principal.access_key}, {"StringToSign", to_sign},
                       {"SignatureProvided", request.signature},         {"StringToSignBytes", toHexBytes(to_sign)},
                       {"CanonicalRequest", pending.canonical_head},     {"CanonicalRequestBytes", toHexBytes(pending.canonical_head)}};
    return problem(AuthFault::wrongSignature,
                   "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
                   "signing method. Consult the service documentation for details.",
                   "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
                   std::move(extra));
  }
  if (request.payload != Payload::hashed) request.payload_hash.clear();
  if (request.payload == Payload::signedChunks || request.payload == Payload::signedChunksTrailer) request.signing_key = key;
  return std::move(request);
}

const std::string& Verifier::signingKey(const VerifiedRequest& request, const std::string& secret) {
  std::string name = request.principal.access_key + "/" + request.scope;
  if (const auto found = cache_.find(name); found != cache_.end()) return found->second;
  if (cache_.size() >= kCachedKeys) cache_.clear();
  const std::string_view scope = request.scope;
  auto key = deriveSigningKey(secret, scope.substr(0, scope.find('/')), request.region, request.service);
  return cache_.emplace(std::move(name), std::move(key)).first->second;
}

std::string deriveSigningKey(std::string_view secret, std::string_view date, std::string_view region, std::string_view service) {
  const auto by_date = hmacSha256("AWS4" + std::string(secret), date);
  const auto by_region = hmacSha256(by_date, region);
  const auto by_service = hmacSha256(by_region, service);
  return hmacSha256(by_service, kTerminator);
}

}  // namespace sp::aws
