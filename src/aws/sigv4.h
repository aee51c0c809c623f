// AWS Signature Version 4: verifying what clients send and signing what we send. Pure: no clock, no sockets.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
#pragma once
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aws/key_ring.h"
#include "aws/operation.h"
#include "aws/request_view.h"

namespace sp::aws {

/// What a request says about its body (x-amz-content-sha256).
enum class Payload {
  /// The body's SHA-256 is signed.
  hashed,
  /// UNSIGNED-PAYLOAD.
  open,
  /// STREAMING-UNSIGNED-PAYLOAD-TRAILER: aws-chunked, checksum in the trailer.
  chunkedTrailer,
  /// STREAMING-AWS4-HMAC-SHA256-PAYLOAD: aws-chunked, every chunk signed.
  signedChunks,
  /// STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER: and a signed trailer.
  signedChunksTrailer,
};

/// The ways in which a request fails to say who sends it. errors.h gives each the answer AWS gives, by protocol.
enum class AuthFault {
  noCredentials,
  malformed,
  signatureV2,
  unknownKey,
  badToken,
  wrongSignature,
  wrongScope,
  skew,
  /// A presigned URL with a missing or impossible parameter.
  queryParameters,
  presignExpired,
  presignNotYet,
  headersNotSigned,
  /// S3 only: x-amz-content-sha256 is missing, or is no hash and no known word.
  payloadHashMissing,
  payloadHashInvalid,
  /// The body is not the one that was signed.
  payloadMismatch,
};

struct AuthProblem {
  AuthFault fault;
  /// AWS's words for the services that are not S3.
  std::string message;
  /// S3's words where they differ.
  std::string s3_message;
  /// Further members of S3's error body.
  json::Object extra;
};

/// What a verified request tells.
struct VerifiedRequest {
  Principal principal;
  /// From the credential scope.
  std::string service;
  std::string region;
  /// "20240101/us-east-1/s3/aws4_request"
  std::string scope;
  /// "20240101T000000Z"
  std::string time;
  bool presigned = false;
  Payload payload = Payload::hashed;
  /// The signed hash in lower-case hex if the head carries one, else empty.
  std::string payload_hash;
  /// What signed chunks go on from (aws_chunked.h).
  std::string signature;
  std::string signing_key;
};

/// A request whose head has been looked at, but whose signature still needs the body's hash.
struct PendingAuth {
  VerifiedRequest request;
  /// The canonical request but its last line.
  std::string canonical_head;
  /// True: the head has all that the signature needs; finish() may be called with `request.payload_hash` at once.
  bool head_decides = false;
};

/// The service named in the credential scope, before anything is verified; empty if there is no readable one.
std::string scopeService(const RequestView& request);
/// Whether the request carries any kind of credentials.
bool hasCredentials(const RequestView& request);

/// Verifies requests for one installation. One thread (it caches signing keys).
class Verifier {
 public:
  /// `keys` and `realm` outlive it.
  Verifier(const KeyRing& keys, const Realm& realm) : keys_(keys), realm_(realm) {}

  /// Everything that can be judged by the head: form, scope, age, key, which headers are signed. `service` is the one
  /// the request is for; "s3" has rules of its own (path encoded once, x-amz-content-sha256 required).
  std::expected<PendingAuth, AuthProblem> begin(const RequestView& request, std::string_view service, Instant now);
  /// The signature. `payload_hash` is the canonical request's last line: a hex hash, or the word of x-amz-content-sha256.
  std::expected<VerifiedRequest, AuthProblem> finish(PendingAuth pending, std::string_view payload_hash);

 private:
  const std::string& signingKey(const VerifiedRequest& request, const std::string& secret);

  const KeyRing& keys_;
  const Realm& realm_;
  std::map<std::string, std::string, std::less<>> cache_;
};

/// HMAC chain of secret, date (20240101), region and service.
std::string deriveSigningKey(std::string_view secret, std::string_view date, std::string_view region, std::string_view service);

struct SigningCredentials {
  std::string access_key;
  std::string secret;
  std::string region;
  std::string service;
};

using HeaderPairs = std::vector<std::pair<std::string, std::string>>;

/// The headers to add to a request: X-Amz-Date, X-Amz-Content-Sha256 (S3 only) and Authorization. Every header of `request` is signed;
/// "Host" must be among them. `payload_hash`: hex hash or S3's word.
HeaderPairs signRequest(const SigningCredentials& credentials, const RequestView& request, std::string_view payload_hash, Instant now);

/// The target with the presigning query added. `host` as it will be sent.
std::string presignTarget(const SigningCredentials& credentials, std::string_view method, std::string_view target, std::string_view host,
                          int expires_seconds, Instant now);

}  // namespace sp::aws
