#include "aws/operation.h"

#include "base/hash.h"

namespace sp::aws {

ApiError ApiError::internal(std::string request_id) {
  return {"InternalFailure",
          "An internal error happened. The server's log tells it under request id " + std::move(request_id) + ".",
          500,
          false,
          {}};
}

// A token is base64(16 hex digits of sha256(bound_to) + position): whoever changes the arguments gets it refused.
std::string makePageToken(std::string_view bound_to, std::string_view position) {
  return toBase64(sha256Hex(bound_to).substr(0, 16) + std::string(position));
}

std::optional<std::string> readPageToken(std::string_view bound_to, std::string_view token) {
  auto text = fromBase64(token);
  if (!text || text->size() < 16 || text->substr(0, 16) != sha256Hex(bound_to).substr(0, 16)) return std::nullopt;
  return text->substr(16);
}

}  // namespace sp::aws
