#include "services/events/destinations/request.h"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

#include "asl/jsonpath/path.h"
#include "base/hash.h"
#include "base/strings.h"

namespace sp::services::events {
namespace {

using delivery::Failure;
using Query = std::vector<std::pair<std::string, std::string>>;

// What EventBridge sends itself and nobody may set.
constexpr std::array<std::string_view, 32> kOwn = {"A-IM",
                                                   "Accept-Charset",
                                                   "Accept-Datetime",
                                                   "Accept-Encoding",
                                                   "Cache-Control",
                                                   "Connection",
                                                   "Content-Encoding",
                                                   "Content-Length",
                                                   "Content-MD5",
                                                   "Date",
                                                   "Expect",
                                                   "Forwarded",
                                                   "From",
                                                   "Host",
                                                   "HTTP2-Settings",
                                                   "If-Match",
                                                   "If-Modified-Since",
                                                   "If-None-Match",
                                                   "If-Range",
                                                   "If-Unmodified-Since",
                                                   "Max-Forwards",
                                                   "Origin",
                                                   "Pragma",
                                                   "Proxy-Authorization",
                                                   "Range",
                                                   "Referer",
                                                   "TE",
                                                   "Trailer",
                                                   "Transfer-Encoding",
                                                   "User-Agent",
                                                   "Upgrade",
                                                   "Via"};

std::unexpected<Failure> failed(std::string why) { return std::unexpected(Failure{"INVALID_PARAMETER", std::move(why), false}); }

class Headers {
 public:
  void set(std::string_view name, std::string_view value) {
    const auto found = std::ranges::find_if(all_, [&](const auto& one) { return equalsIgnoreCase(one.first, name); });
    if (found == all_.end()) all_.emplace_back(name, value);
    else found->second = value;
  }
  /// The same of what people give.
  void add(std::string_view name, std::string_view value) {
    if (!isOwnHeader(name)) set(name, value);
  }
  WebHeaders take() { return std::move(all_); }

 private:
  WebHeaders all_;
};

const json::Object* partOf(const json::Object& object, std::string_view key) {
  const auto* value = json::find(object, key);
  return value != nullptr && value->is_object() ? &value->get_object() : nullptr;
}

// {Key, Value, IsValueSecret} of a connection.
template <class Visit>
void eachParameter(const json::Object& parameters, std::string_view list, const Visit& visit) {
  const auto* found = json::find(parameters, list);
  if (found == nullptr || !found->is_array()) return;
  for (const auto& one : found->get_array())
    if (one.is_object()) visit(json::textOr(one.get_object(), "Key"), json::textOr(one.get_object(), "Value"));
}

void setQuery(Query& query, std::string key, std::string value) {
  std::erase_if(query, [&](const auto& one) { return one.first == key; });
  query.emplace_back(std::move(key), std::move(value));
}

std::string formOf(const Query& query) {
  std::string out;
  for (const auto& [key, value] : query) out += fmt::format("{}{}={}", out.empty() ? "" : "&", percentEncode(key), percentEncode(value));
  return out;
}

std::string withQuery(std::string url, const Query& query) {
  if (!query.empty()) url += (url.find('?') == std::string::npos ? '?' : '&') + formOf(query);
  return url;
}

/// What a path may look at and copy: an event has fewer.
constexpr std::int64_t kMostPlaces = 200'000;

// A target's value, or what it names in the event.
std::expected<std::string, Failure> valueIn(const json::Value& event, const json::Value& given) {
  auto text = given.is_string() ? json::toStd(given.get_string()) : json::toText(given);
  if (!text.starts_with('$')) return text;
  const auto path = asl::Path::parse(text);
  asl::Work work(kMostPlaces);
  const auto value = path ? path->read(event, &work) : std::unexpected(std::string("it is no path"));
  if (!value) return failed(fmt::format("{} of the target's HttpParameters leads to nothing in the event.", text));
  return value->is_string() ? json::toStd(value->get_string()) : json::toText(*value);
}

// Control characters would end a header or begin another.
bool canStandInHeader(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) || c == '\t'; });
}

std::expected<std::string, Failure> addressOf(const RequestParts& parts, const json::Object& http) {
  const auto endpoint = json::textOr(parts.destination, "InvocationEndpoint");
  const auto* values = json::find(http, "PathParameterValues");
  const auto path = endpoint.find('/', endpoint.find("//") + 2);
  const auto query = std::min(endpoint.find('?'), endpoint.size());
  std::string out;
  std::size_t used = 0;
  for (std::size_t i = 0; i < endpoint.size(); ++i) {
    if (endpoint[i] != '*' || i < path || i >= query) {
      out += endpoint[i];
      continue;
    }
    const auto there = values != nullptr && values->is_array() ? values->get_array().size() : 0;
    if (used >= there) return failed(fmt::format("The endpoint has more path parameters (*) than the {} that the target gives.", there));
    const auto value = valueIn(parts.event, values->get_array()[used++]);
    if (!value) return std::unexpected(value.error());
    // "." and ".." would lead elsewhere.
    if (*value == "." || *value == "..") return failed(fmt::format("The path parameter '{}' would change the path.", *value));
    out += percentEncode(*value);
  }
  return out;
}

void authorise(const RequestParts& parts, Headers& headers) {
  if (const auto* basic = partOf(parts.auth, "BasicAuthParameters"))
    headers.set("Authorization",
                "Basic " + toBase64(fmt::format("{}:{}", json::textOr(*basic, "Username"), json::textOr(*basic, "Password"))));
  if (const auto* key = partOf(parts.auth, "ApiKeyAuthParameters"))
    headers.add(json::textOr(*key, "ApiKeyName"), json::textOr(*key, "ApiKeyValue"));
  if (!parts.token.empty()) headers.set("Authorization", fmt::format("Bearer {}", parts.token));
}

}  // namespace

bool isOwnHeader(std::string_view name) {
  return std::ranges::any_of(kOwn, [&](std::string_view one) { return equalsIgnoreCase(one, name); }) ||
         equalsIgnoreCase(name, "Warning") || equalsIgnoreCase(name, kDeliveryIdHeader);
}

std::expected<WebRequest, Failure> requestOf(const RequestParts& parts) {
  const json::Object none;
  const auto* given = partOf(parts.target, "HttpParameters");
  const auto& http = given == nullptr ? none : *given;
  const auto* own = partOf(parts.auth, "InvocationHttpParameters");
  const auto& connection = own == nullptr ? none : *own;
  WebRequest request;
  request.method = json::textOr(parts.destination, "HttpMethod");
  auto address = addressOf(parts, http);
  if (!address) return std::unexpected(address.error());

  Headers headers;
  headers.set("User-Agent", "Amazon/EventBridge/ApiDestinations");
  headers.set("Range", "bytes=0-1048575");
  headers.set("Connection", "close");
  headers.set(kDeliveryIdHeader, parts.id);
  // GET and HEAD ask for something: they carry nothing.
  request.has_body = request.method != "GET" && request.method != "HEAD";
  if (request.has_body) headers.set("Content-Type", "application/json; charset=utf-8");

  Query query;
  for (const auto* map : {"HeaderParameters", "QueryStringParameters"}) {
    const auto* members = partOf(http, map);
    if (members == nullptr) continue;
    for (const auto& member : *members) {
      const std::string_view key(member.key().data(), member.key().size());
      const auto value = valueIn(parts.event, member.value());
      if (!value) return std::unexpected(value.error());
      if (map == std::string_view("QueryStringParameters")) setQuery(query, std::string(key), *value);
      else if (canStandInHeader(*value)) headers.add(key, *value);
      else return failed(fmt::format("The header {} would have a control character.", key));
    }
  }
  eachParameter(connection, "HeaderParameters", [&](const std::string& key, const std::string& value) { headers.add(key, value); });
  eachParameter(connection, "QueryStringParameters",
                [&](std::string key, std::string value) { setQuery(query, std::move(key), std::move(value)); });
  authorise(parts, headers);

  if (request.has_body) {
    request.body = parts.input;
    json::Object added;
    eachParameter(connection, "BodyParameters", [&](const std::string& key, const std::string& value) { added[key] = value; });
    if (!added.empty()) {
      auto body = json::parse(parts.input.empty() ? "{}" : parts.input, 1010);
      if (!body || !body->is_object())
        return std::unexpected(
            Failure{"INVALID_JSON", "The connection has body parameters, and what the target is given is no JSON object.", false});
      for (auto& member : added) body->get_object()[member.key()] = std::move(member.value());
      request.body = json::toText(*body);
    }
  }
  request.url = withQuery(std::move(*address), query);
  request.headers = headers.take();
  return request;
}

WebRequest tokenRequestOf(const json::Object& oauth) {
  const json::Object none;
  const auto* given = partOf(oauth, "OAuthHttpParameters");
  const auto& http = given == nullptr ? none : *given;
  WebRequest request;
  request.method = json::textOr(oauth, "HttpMethod");
  Headers headers;
  headers.set("User-Agent", "Amazon/EventBridge/ApiDestinations");
  headers.set("Accept", "application/json");
  headers.set("Connection", "close");
  Query body{{"grant_type", "client_credentials"}};
  eachParameter(http, "BodyParameters", [&](std::string key, std::string value) { setQuery(body, std::move(key), std::move(value)); });
  Query query;
  eachParameter(http, "QueryStringParameters",
                [&](std::string key, std::string value) { setQuery(query, std::move(key), std::move(value)); });
  const bool has_id = std::ranges::any_of(body, [](const auto& one) { return one.first == "client_id"; }) ||
                      std::ranges::any_of(query, [](const auto& one) { return one.first == "client_id"; });
  if (const auto* client = partOf(oauth, "ClientParameters"); client != nullptr && !has_id)
    headers.set("Authorization", "Basic " + toBase64(fmt::format("{}:{}", percentEncode(json::textOr(*client, "ClientID")),
                                                                 percentEncode(json::textOr(*client, "ClientSecret")))));
  request.has_body = request.method != "GET";
  if (!request.has_body) {
    for (auto& [key, value] : body) {
      const bool there = std::ranges::any_of(query, [&](const auto& one) { return one.first == key; });
      if (!there) query.emplace_back(key, value);
    }
  } else {
    headers.set("Content-Type", "application/x-www-form-urlencoded");
  }
  eachParameter(http, "HeaderParameters", [&](const std::string& key, const std::string& value) { headers.add(key, value); });
  request.headers = headers.take();
  if (request.has_body && headerOf(request.headers, "Content-Type").starts_with("application/json")) {
    json::Object members;
    for (const auto& [key, value] : body) members[key] = value;
    request.body = json::toText(members);
  } else if (request.has_body) {
    request.body = formOf(body);
  }
  request.url = withQuery(json::textOr(oauth, "AuthorizationEndpoint"), query);
  return request;
}

}  // namespace sp::services::events
