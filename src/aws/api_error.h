// What an operation answers when it refuses. One value for all protocols; aws/codec.h writes it in each protocol's form.
#pragma once
#include <expected>
#include <string>
#include <string_view>

#include "json/json.h"

namespace sp::aws {

struct [[nodiscard]] ApiError {
  /// AWS's code as that service spells it ("ResourceNotFoundException", "InvalidInstanceID.NotFound").
  std::string code;
  std::string message;
  int status = 400;
  /// Whose fault: the caller's (Sender) or ours (Receiver).
  bool sender = true;
  /// Further members of the error body (Backup's Arn, Context …; S3's Key, BucketName …).
  json::Object extra;

  static ApiError internal(std::string request_id);
  static ApiError validation(std::string message) { return {"ValidationException", std::move(message), 400, true, {}}; }
};

inline std::unexpected<ApiError> refuse(std::string code, std::string message, int status = 400) {
  return std::unexpected(ApiError{std::move(code), std::move(message), status, status < 500, {}});
}

/// Output members in the protocol's own spelling, or the refusal.
using Outcome = std::expected<json::Object, ApiError>;

}  // namespace sp::aws
