#include "aws/errors.h"

namespace sp::aws {
namespace {

ApiError sender(std::string code, std::string message, int status, json::Object extra = {}) {
  return {std::move(code), std::move(message), status, true, std::move(extra)};
}

ApiError jsonError(const AuthProblem& problem, int status) {
  switch (problem.fault) {
    case AuthFault::noCredentials: return sender("MissingAuthenticationTokenException", problem.message, status);
    case AuthFault::malformed:
    case AuthFault::queryParameters: return sender("IncompleteSignatureException", problem.message, status);
    case AuthFault::signatureV2: return sender("InvalidRequest", problem.message, 400);
    case AuthFault::unknownKey:
    case AuthFault::badToken: return sender("UnrecognizedClientException", problem.message, status);
    default: return sender("InvalidSignatureException", problem.message, status);
  }
}

ApiError queryError(const AuthProblem& problem) {
  switch (problem.fault) {
    case AuthFault::noCredentials: return sender("MissingAuthenticationToken", "Request is missing Authentication Token", 403);
    case AuthFault::malformed:
    case AuthFault::queryParameters: return sender("IncompleteSignature", problem.message, 400);
    case AuthFault::signatureV2: return sender("InvalidRequest", problem.message, 400);
    case AuthFault::unknownKey:
    case AuthFault::badToken: return sender("InvalidClientTokenId", problem.message, 403);
    default: return sender("SignatureDoesNotMatch", problem.message, 403);
  }
}

// EC2 tells nearly all of them alike.
ApiError ec2Error(const AuthProblem& problem) {
  switch (problem.fault) {
    case AuthFault::noCredentials: return sender("MissingParameter", "The request must contain the parameter AWSAccessKeyId", 400);
    case AuthFault::malformed:
    case AuthFault::queryParameters: return sender("IncompleteSignature", problem.message, 400);
    case AuthFault::signatureV2: return sender("InvalidRequest", problem.message, 400);
    case AuthFault::presignExpired: return sender("RequestExpired", "Request has expired.", 400);
    default: return sender("AuthFailure", "AWS was not able to validate the provided access credentials", 401);
  }
}

ApiError s3Error(const AuthProblem& problem) {
  const auto error = [&](std::string code, int status) { return sender(std::move(code), problem.s3_message, status, problem.extra); };
  switch (problem.fault) {
    case AuthFault::noCredentials:
    case AuthFault::presignExpired:
    case AuthFault::presignNotYet:
    case AuthFault::headersNotSigned: return error("AccessDenied", 403);
    case AuthFault::malformed: return error("AuthorizationHeaderMalformed", 400);
    case AuthFault::signatureV2:
    case AuthFault::payloadHashMissing: return error("InvalidRequest", 400);
    case AuthFault::unknownKey: return error("InvalidAccessKeyId", 403);
    case AuthFault::badToken: return error("InvalidToken", 400);
    case AuthFault::wrongSignature: return error("SignatureDoesNotMatch", 403);
    case AuthFault::wrongScope: {
      const bool presigned = json::boolOr(problem.extra, "presigned", false);
      auto made = error(presigned ? "AuthorizationQueryParametersError" : "AuthorizationHeaderMalformed", 400);
      made.extra.erase("presigned");
      return made;
    }
    case AuthFault::skew: return error("RequestTimeTooSkewed", 403);
    case AuthFault::queryParameters: return error("AuthorizationQueryParametersError", 400);
    case AuthFault::payloadHashInvalid: return error("InvalidArgument", 400);
    case AuthFault::payloadMismatch: return error("XAmzContentSHA256Mismatch", 400);
  }
  return error("AccessDenied", 403);
}

}  // namespace

ApiError authError(const AuthProblem& problem, Protocol protocol) {
  switch (protocol) {
    case Protocol::json10:
    case Protocol::json11: return jsonError(problem, 400);
    case Protocol::restJson: return jsonError(problem, 403);
    case Protocol::query: return queryError(problem);
    case Protocol::ec2: return ec2Error(problem);
    case Protocol::restXml: return s3Error(problem);
  }
  return jsonError(problem, 400);
}

}  // namespace sp::aws
