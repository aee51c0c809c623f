// The request that a delivery to an API destination is. Pure.
#pragma once
#include <expected>
#include <string>
#include <string_view>

#include "json/json.h"
#include "services/delivery/deliveries.h"
#include "services/events/destinations/web.h"

namespace sp::services::events {

/// The same for all tries of one delivery; receivers tell redeliveries by it.
inline constexpr std::string_view kDeliveryIdHeader = "Stillpoint-Delivery-Id";

/// Whether it names a header that nobody but the sender sets (case-insensitive): those of AWS's list, and kDeliveryIdHeader.
bool isOwnHeader(std::string_view name);

struct RequestParts {
  /// InvocationEndpoint and HttpMethod.
  const json::Object& destination;
  /// The connection's AuthParameters with their secrets.
  const json::Object& auth;
  /// Of OAuth; else empty.
  std::string_view token;
  /// The rule's target, whose HttpParameters count.
  const json::Object& target;
  const json::Value& event;
  /// What Input, InputPath or InputTransformer make of the event; empty: nothing.
  std::string_view input;
  std::string_view id;
};

/// Where both name a parameter the connection's holds. A failure is final: the endpoint wants more path parameters than there are, a
/// path leads nowhere, or the connection's body parameters have no JSON object to go into.
std::expected<WebRequest, delivery::Failure> requestOf(const RequestParts& parts);

/// The request for a token (RFC 6749 4.4): grant_type=client_credentials and OAuthHttpParameters in the body, of GET in the query; ClientID
/// and ClientSecret by Basic authorization, unless these parameters name client_id themselves. `oauth`: OAuthParameters with their secrets.
WebRequest tokenRequestOf(const json::Object& oauth);

}  // namespace sp::services::events
