#include "services/events/destinations/verdict.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"
#include "base/time_format.h"

namespace sp::services::events {
namespace {

// A Retry-After of years is one of the longest age that an event can have.
constexpr std::int64_t kLongestPause = 86'400;

std::string codeOf(int status) {
  if (status == 429) return "THROTTLING";
  if (status == 401 || status == 403 || status == 407) return "NO_PERMISSIONS";
  return "ERROR_FROM_TARGET";
}

}  // namespace

std::string_view headerOf(const WebHeaders& headers, std::string_view name) {
  for (const auto& [key, value] : headers)
    if (equalsIgnoreCase(key, name)) return value;
  return {};
}

delivery::Started verdictOf(const WebAnswer& answer, Instant now) {
  const auto status = answer.status;
  if (status >= 200 && status <= 299) return {};
  delivery::Failure failure{codeOf(status), fmt::format("The API destination answered with status {}.", status), false};
  failure.retry = status == 401 || status == 407 || status == 409 || status == 429 || status >= 500;
  const auto after = trim(headerOf(answer.headers, "Retry-After"));
  if (!failure.retry || after.empty()) return std::unexpected(std::move(failure));
  if (const auto seconds = parseInt(after)) {
    if (*seconds < 0) {
      failure.retry = false;
      failure.message = fmt::format("The API destination answered with status {} and a negative Retry-After.", status);
    } else {
      failure.after = std::chrono::seconds(std::min(*seconds, kLongestPause));
    }
  } else if (const auto moment = parseHttpDate(after)) {
    failure.after = std::clamp<Duration>(*moment - now, Duration(0), std::chrono::seconds(kLongestPause));
  }
  return std::unexpected(std::move(failure));
}

std::expected<Token, delivery::Failure> tokenOf(const WebAnswer& answer) {
  const auto failed = [&](std::string_view why) {
    return std::unexpected(delivery::Failure{"NO_PERMISSIONS", fmt::format("The authorization endpoint gave no token: {}.", why), true});
  };
  if (answer.status < 200 || answer.status > 299) return failed(fmt::format("it answered with status {}", answer.status));
  const auto body = json::parse(answer.body);
  if (!body || !body->is_object()) return failed("its answer is no JSON object");
  Token token{json::textOr(body->get_object(), "access_token")};
  if (token.value.empty() || std::ranges::any_of(token.value, [](char c) { return c < 0x21 || c > 0x7e; }))
    return failed("its answer has no access_token that a header could hold");
  // Some write the number as a text.
  const auto* life = json::find(body->get_object(), "expires_in");
  std::int64_t seconds = 0;
  if (life != nullptr && life->is_number()) seconds = static_cast<std::int64_t>(std::clamp(life->to_number<double>(), 0.0, 1e9));
  else if (life != nullptr && life->is_string()) seconds = parseInt(json::toView(life->get_string())).value_or(0);
  token.life = std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, 1'000'000'000));
  return token;
}

}  // namespace sp::services::events
