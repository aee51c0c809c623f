// libFuzzer target: any bytes as the body of POST /enrol, which anybody may send. What is taken has a key, and is read the same again.
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "fleet/enrol_http.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string body(reinterpret_cast<const char*>(data), size);
  const auto request = sp::fleet::readEnrolRequest(body);
  if (request) {
    SP_ASSERT(!request->public_key.empty());
    const auto again = sp::fleet::readEnrolRequest(body);
    SP_ASSERT(again && again->public_key == request->public_key && again->token == request->token);
  } else {
    SP_ASSERT(!request.error().message.empty());
  }
  // The body's inside alone: JSON would stop most of what comes in.
  const auto key = sp::fleet::readCertificateRequest(body);
  SP_ASSERT(!key || !key->empty());
  return 0;
}
