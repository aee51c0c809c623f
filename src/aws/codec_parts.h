// What the protocols' files share. Internal to codec.
#pragma once
#include "aws/codec.h"
#include "aws/xml.h"

namespace sp::aws {

/// SerializationException for what is no JSON object; an empty body is an empty object.
std::expected<json::Object, ApiError> decodeJsonBody(std::string_view body);

/// The paths of one REST-JSON service.
struct Router::RestIndex {
  explicit RestIndex(const ServiceTable& table);
  std::expected<Decoded, ApiError> decode(const ServiceTable& table, const RequestView& request, std::string_view body) const;

  struct Segment {
    std::string text;
    bool member = false;
    /// Takes the rest of the path.
    bool greedy = false;
  };
  struct Route {
    const Operation* operation;
    std::vector<Segment> segments;
  };
  std::vector<Route> routes;
};

/// Appends <name>…</name>; arrays hold <item> or <member> elements, nulls are left out.
void appendXmlValue(XmlWriter& xml, std::string_view name, const json::Value& value, std::string_view item_name);

}  // namespace sp::aws
