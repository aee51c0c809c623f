// What an answer of a destination means for a delivery. Pure.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html#eb-api-destination-error-codes
#pragma once
#include "services/delivery/deliveries.h"
#include "services/events/destinations/web.h"

namespace sp::services::events {

/// 2xx: delivered. 401, 407, 409, 429 and 5xx are tried again, not before Retry-After has passed (seconds, or an HTTP-date against
/// `now`); a negative one ends the tries. Everything else is final. Nothing of the answer's body is told: it may repeat secrets.
delivery::Started verdictOf(const WebAnswer& answer, Instant now);

/// The token of an OAuth answer (RFC 6749 5.1), and how long it lasts; zero: it does not say.
struct Token {
  std::string value;
  Duration life{0};
};
std::expected<Token, delivery::Failure> tokenOf(const WebAnswer& answer);

/// Whether the destination says that a token is not (any more) good.
inline bool refusesToken(int status) { return status == 401 || status == 407; }

}  // namespace sp::services::events
