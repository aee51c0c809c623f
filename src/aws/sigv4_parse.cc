#include "aws/sigv4_parse.h"

#include <array>

#include <fmt/format.h>

#include "base/time_format.h"

namespace sp::aws {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr int kWeek = 604800;

std::unexpected<AuthProblem> problem(AuthFault fault, std::string message, std::string s3_message = {}) {
  if (s3_message.empty()) s3_message = message;
  return std::unexpected(AuthProblem{fault, std::move(message), std::move(s3_message), {}});
}

std::unexpected<AuthProblem> wrongParameter(std::string message) { return problem(AuthFault::queryParameters, std::move(message)); }

// Key ids hold no slash, but nothing says so: the last four parts are the scope's.
bool readCredential(std::string_view credential, SignatureFields& fields) {
  const auto parts = split(credential, '/');
  if (parts.size() != 5) return false;
  fields.access_key = parts[0];
  fields.date = parts[1];
  fields.region = parts[2];
  fields.service = parts[3];
  fields.terminator = parts[4];
  return true;
}

std::expected<void, AuthProblem> readHeaderTime(const RequestView& request, SignatureFields& fields) {
  if (const auto amz = request.header("X-Amz-Date")) {
    fields.time = trim(*amz);
    if (!parseBasicIso8601(fields.time))
      return problem(
          AuthFault::malformed,
          fmt::format("Date must be in ISO-8601 'basic format'. Got '{}'. See http://en.wikipedia.org/wiki/ISO_8601", fields.time));
    return {};
  }
  const auto date = request.header("Date");
  if (!date) return problem(AuthFault::malformed, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.");
  if (parseBasicIso8601(*date)) {
    fields.time = *date;
    return {};
  }
  const auto parsed = parseHttpDate(*date);
  if (!parsed)
    return problem(AuthFault::malformed, fmt::format("The 'Date' header '{}' is no HTTP date and no ISO-8601 basic time.", *date));
  fields.time = toBasicIso8601(*parsed);
  return {};
}

std::expected<SignatureFields, AuthProblem> parseHeaderForm(const RequestView& request, std::string_view authorization) {
  SignatureFields fields;
  std::string_view credential;
  for (const auto part : split(authorization.substr(kAlgorithm.size()), ',')) {
    const auto item = trim(part);
    const auto equals = item.find('=');
    if (equals == std::string_view::npos) {
      if (item.empty()) continue;
      return problem(AuthFault::malformed,
                     fmt::format("'{}' not a valid key=value pair (missing equal-sign) in Authorization header.", item));
    }
    const auto name = item.substr(0, equals);
    const auto value = item.substr(equals + 1);
    if (name == "Credential") credential = value;
    if (name == "SignedHeaders") fields.signed_headers = value;
    if (name == "Signature") fields.signature = value;
  }
  std::string missing;
  if (credential.empty()) missing += "Authorization header requires 'Credential' parameter. ";
  if (fields.signature.empty()) missing += "Authorization header requires 'Signature' parameter. ";
  if (fields.signed_headers.empty()) missing += "Authorization header requires 'SignedHeaders' parameter. ";
  if (!missing.empty())
    return problem(AuthFault::malformed, std::string(trim(missing)),
                   "The authorization header is malformed. " + std::string(trim(missing)));
  if (!readCredential(credential, fields))
    return problem(
        AuthFault::malformed,
        fmt::format("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'", credential),
        "The authorization header is malformed; the Credential is mal-formed; expecting "
        "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".");
  if (auto ok = readHeaderTime(request, fields); !ok) return std::unexpected(std::move(ok.error()));
  return fields;
}

std::expected<void, AuthProblem> readExpires(std::string_view text, SignatureFields& fields) {
  const auto seconds = parseInt(text);
  if (!seconds) return wrongParameter("X-Amz-Expires should be a number");
  if (*seconds < 0) return wrongParameter("X-Amz-Expires must be non-negative");
  if (*seconds > kWeek || *seconds == 0)
    return wrongParameter(
        "X-Amz-Expires must be less than a week (in seconds) and at least 1; that is, the given X-Amz-Expires must be from 1 to 604800 "
        "seconds");
  fields.expires_seconds = static_cast<int>(*seconds);
  return {};
}

std::expected<SignatureFields, AuthProblem> parseQueryForm(const RequestView& request) {
  SignatureFields fields;
  fields.presigned = true;
  const auto algorithm = request.parameter("X-Amz-Algorithm");
  const auto credential = request.parameter("X-Amz-Credential");
  const auto signature = request.parameter("X-Amz-Signature");
  const auto date = request.parameter("X-Amz-Date");
  const auto signed_headers = request.parameter("X-Amz-SignedHeaders");
  const auto expires = request.parameter("X-Amz-Expires");
  if (!algorithm || !credential || !signature || !date || !signed_headers || !expires)
    return wrongParameter(
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, "
        "X-Amz-SignedHeaders, and X-Amz-Expires parameters.");
  if (*algorithm != kAlgorithm) return wrongParameter("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"");
  if (!readCredential(*credential, fields))
    return wrongParameter(
        "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "
        "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".");
  if (!parseBasicIso8601(*date)) return wrongParameter("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  if (auto ok = readExpires(*expires, fields); !ok) return std::unexpected(std::move(ok.error()));
  fields.time = *date;
  fields.signature = *signature;
  fields.signed_headers = *signed_headers;
  return fields;
}

}  // namespace

std::expected<SignatureFields, AuthProblem> parseSignature(const RequestView& request) {
  if (const auto authorization = request.header("Authorization")) {
    if (authorization->starts_with("AWS4-HMAC-SHA256") && (authorization->size() == 16 || (*authorization)[16] == ' '))
      return parseHeaderForm(request, *authorization);
    if (authorization->starts_with("AWS "))
      return problem(AuthFault::signatureV2, "Signature version 2 is not supported. Please use AWS4-HMAC-SHA256.",
                     "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.");
    const auto word = authorization->substr(0, authorization->find(' '));
    return problem(AuthFault::malformed, fmt::format("Unsupported AWS 'algorithm': '{}'.", word));
  }
  for (const auto* name : {"X-Amz-Signature", "X-Amz-Credential", "X-Amz-Algorithm"})
    if (request.parameter(name)) return parseQueryForm(request);
  if (request.parameter("AWSAccessKeyId"))
    return problem(
        AuthFault::signatureV2, "Query-string authentication version 2 is not supported. Please use AWS4-HMAC-SHA256.",
        "Query-string authentication version 2 is not supported. Please use AWS4-HMAC-SHA256 (boto3: Config(signature_version='s3v4')).");
  return problem(AuthFault::noCredentials, "Missing Authentication Token", "Access Denied");
}

std::string scopeService(const RequestView& request) {
  std::string credential;
  if (const auto authorization = request.header("Authorization")) {
    const auto at = authorization->find("Credential=");
    if (at == std::string_view::npos) return {};
    const auto rest = authorization->substr(at + 11);
    credential = rest.substr(0, rest.find_first_of(", "));
  } else if (auto given = request.parameter("X-Amz-Credential")) {
    credential = std::move(*given);
  }
  const auto parts = split(credential, '/');
  return parts.size() == 5 ? std::string(parts[3]) : std::string{};
}

bool hasCredentials(const RequestView& request) {
  if (request.header("Authorization")) return true;
  if (request.query().empty()) return false;
  for (const auto* name : {"X-Amz-Signature", "X-Amz-Credential", "X-Amz-Algorithm", "AWSAccessKeyId"})
    if (request.parameter(name)) return true;
  return false;
}

}  // namespace sp::aws
