#include <algorithm>

#include <fmt/format.h>

#include "aws/canonical.h"
#include "aws/sigv4.h"
#include "base/hash.h"
#include "base/time_format.h"

namespace sp::aws {
namespace {

std::string canonicalPath(const SigningCredentials& credentials, const RequestView& request) {
  return credentials.service == "s3" ? canonicalPathOnce(request.path()) : canonicalPathTwice(request.path());
}

std::string signatureOf(const SigningCredentials& credentials, std::string_view time, std::string_view canonical) {
  const auto date = time.substr(0, 8);
  const auto scope = fmt::format("{}/{}/{}/aws4_request", date, credentials.region, credentials.service);
  const auto to_sign = fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", time, scope, sha256Hex(canonical));
  return toHex(hmacSha256(deriveSigningKey(credentials.secret, date, credentials.region, credentials.service), to_sign));
}

}  // namespace

HeaderPairs signRequest(const SigningCredentials& credentials, const RequestView& request, std::string_view payload_hash, Instant now) {
  HeaderPairs added = {{"X-Amz-Date", toBasicIso8601(now)}};
  if (credentials.service == "s3") added.emplace_back("X-Amz-Content-Sha256", std::string(payload_hash));
  const auto& time = added.front().second;

  std::vector<HeaderView> all(request.headers.begin(), request.headers.end());
  for (const auto& [name, value] : added) all.push_back({name, value});
  std::vector<std::string> names;
  for (const auto& header : all) names.push_back(toLower(header.name));
  std::ranges::sort(names);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
  const auto signed_headers = join(names, ";");
  const std::vector<std::string_view> views(names.begin(), names.end());

  const RequestView whole{request.method, request.target, all};
  const auto canonical = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, canonicalPath(credentials, request),
                                     canonicalQuery(request.query(), ""), canonicalHeaders(whole, views), signed_headers, payload_hash);
  auto authorization =
      fmt::format("AWS4-HMAC-SHA256 Credential={}/{}/{}/{}/aws4_request, SignedHeaders={}, Signature={}", credentials.access_key,
                  time.substr(0, 8), credentials.region, credentials.service, signed_headers, signatureOf(credentials, time, canonical));
  added.emplace_back("Authorization", std::move(authorization));
  return added;
}

std::string presignTarget(const SigningCredentials& credentials, std::string_view method, std::string_view target, std::string_view host,
                          int expires_seconds, Instant now) {
  const auto time = toBasicIso8601(now);
  const auto credential =
      fmt::format("{}/{}/{}/{}/aws4_request", credentials.access_key, time.substr(0, 8), credentials.region, credentials.service);
  std::string whole(target);
  whole += target.find('?') == std::string_view::npos ? '?' : '&';
  whole += fmt::format("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={}&X-Amz-Expires={}&X-Amz-SignedHeaders=host",
                       percentEncode(credential), time, expires_seconds);
  const HeaderView header{"host", host};
  const RequestView request{method, whole, std::span(&header, 1)};
  const auto payload = credentials.service == "s3" ? std::string("UNSIGNED-PAYLOAD") : sha256Hex("");
  const auto canonical = fmt::format("{}\n{}\n{}\nhost:{}\n\nhost\n{}", method, canonicalPath(credentials, request),
                                     canonicalQuery(request.query(), ""), host, payload);
  return whole + "&X-Amz-Signature=" + signatureOf(credentials, time, canonical);
}

}  // namespace sp::aws
