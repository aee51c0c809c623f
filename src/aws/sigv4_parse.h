// The two places where a request carries its signature, read into one form. Internal to sigv4.
#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "aws/sigv4.h"

namespace sp::aws {

struct SignatureFields {
  std::string access_key;
  std::string date;
  std::string region;
  std::string service;
  std::string terminator;
  /// As listed: lower case, in the client's order.
  std::string signed_headers;
  std::string signature;
  /// YYYYMMDDTHHMMSSZ
  std::string time;
  bool presigned = false;
  int expires_seconds = 0;

  std::string scope() const { return date + "/" + region + "/" + service + "/" + terminator; }
};

std::expected<SignatureFields, AuthProblem> parseSignature(const RequestView& request);

}  // namespace sp::aws
