#include "agentwire/messages.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/hash.h"

namespace sp::agentwire {

Result<std::int64_t> chooseProtocol(const json::Object& hello) {
  std::int64_t least = 1;
  std::int64_t most = 1;
  if (const auto* range = json::find(hello, "protocol"); range != nullptr && range->is_object()) {
    least = json::intOr(range->get_object(), "least", 1);
    most = json::intOr(range->get_object(), "most", least);
  }
  const auto told = [&](std::string_view what) {
    return fmt::format("{}: the agent speaks versions {} to {} of the protocol, this server {} to {}", what, least, most, kProtocolLeast,
                       kProtocolMost);
  };
  if (most < kProtocolLeast) return fail(std::string(kProtocolTooOld), told("the agent is too old, upgrade it"));
  if (least > kProtocolMost) return fail(std::string(kProtocolTooNew), told("the agent is too new, upgrade the server first"));
  return std::min(most, kProtocolMost);
}

namespace {
constexpr std::size_t kUuid = 36;
constexpr std::size_t kAttemptDigits = 4;
}  // namespace

std::string guardCommandId(std::string_view promise, std::int64_t attempt) {
  return fmt::format("{}{:04x}", promise.substr(0, promise.size() - std::min(promise.size(), kAttemptDigits)),
                     std::clamp<std::int64_t>(attempt, 1, kGuardAttemptsMost));
}

std::optional<GuardCommand> promiseOf(std::string_view command_id) {
  if (command_id.size() != kUuid) return std::nullopt;
  const auto digits = command_id.substr(kUuid - kAttemptDigits);
  if (digits.find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
  std::int64_t attempt = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), attempt, 16);
  if (attempt == 0) return std::nullopt;
  return GuardCommand{std::string(command_id.substr(0, kUuid - kAttemptDigits)) + "0000", attempt};
}

Result<std::string> frame(const json::Object& message) {
  const auto text = json::toText(message);
  SP_CHECK_OK(checkSize(text));
  return frameOf(text);
}

Result<void> checkSize(std::string_view text) {
  if (text.size() > kFrameMax)
    return fail("wire.too_large", fmt::format("a message of {} bytes exceeds the frame limit of {}", text.size(), kFrameMax));
  return {};
}

std::string frameOf(std::string_view text) {
  auto out = bigEndian32(static_cast<std::uint32_t>(text.size()));
  out.reserve(out.size() + text.size());
  return out.append(text);
}

}  // namespace sp::agentwire
