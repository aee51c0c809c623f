// The AuthParameters of connections, endpoints, and the HttpParameters of targets: what is taken, and what of it is shown.
#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "asl/jsonpath/path.h"
#include "base/strings.h"
#include "services/events/destinations/records.h"
#include "services/events/destinations/request.h"

namespace sp::services::events {
namespace {

constexpr std::size_t kLongest = 512;
constexpr std::size_t kMostParameters = 100;
// Of one connection, all together: a body's parameters have no limit of their own.
constexpr std::size_t kMostBytes = 64U << 10U;

std::unexpected<aws::ApiError> refused(std::string message) { return std::unexpected(aws::ApiError::validation(std::move(message))); }

bool isPort(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65'535;
}

bool isHeaderName(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || kMarks.find(c) != std::string_view::npos;
  });
}
bool isHeaderValue(std::string_view text) {
  return !trim(text).empty() && std::ranges::all_of(text, [](char c) { return (c >= 0x20 && c <= 0x7e) || c == '\t'; });
}
// Of user names, keys and their like: nothing that a header could not hold.
bool isAuthText(std::string_view text) {
  return !trim(text).empty() && std::ranges::all_of(text, [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return (u >= 0x20 && u != 0x7f && c != ':') || c == '\t';
  });
}
bool isPlain(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

Checked<const json::Object*> readObject(const json::Object& input, std::string_view key, std::string_view path) {
  const auto* value = json::find(input, key);
  if (value == nullptr || value->is_null()) return nullptr;
  if (!value->is_object()) return aws::refuse("SerializationException", fmt::format("Member '{}.{}' must be an object", path, key));
  return &value->get_object();
}

// One text of `given`, or the one that was there before. A secret is never told.
Checked<void> takeText(const json::Object& given, std::string_view key, std::string_view path, const json::Object& before, bool secret,
                       json::Object& out) {
  const auto member = fmt::format("{}.{}", path, key);
  const auto* value = json::find(given, key);
  if (value == nullptr || value->is_null()) {
    if (const auto* old = json::find(before, key)) out[key] = *old;
    else return refused(fmt::format("Parameter {} must be specified.", member));
    return {};
  }
  if (!value->is_string()) return aws::refuse("SerializationException", fmt::format("Member '{}' must be a string", member));
  const auto text = json::toView(value->get_string());
  const std::string shown = secret ? "***" : std::string(text);
  if (text.size() > kLongest) return invalid(member, shown, fmt::format("have length less than or equal to {}", kLongest));
  if (!isAuthText(text))
    return invalid(member, shown,
                   "satisfy regular expression pattern: ^[ \\t]*[^\\x00-\\x1F:\\x7F]+([ \\t]+[^\\x00-\\x1F:\\x7F]+)*[ \\t]*$");
  out[key] = text;
  return {};
}

Checked<json::Array> readParameters(const json::Object& input, std::string_view list, std::string_view path) {
  json::Array out;
  const auto* given = json::find(input, list);
  if (given == nullptr || given->is_null()) return out;
  const auto where = fmt::format("{}.{}", path, list);
  if (!given->is_array()) return aws::refuse("SerializationException", fmt::format("Member '{}' must be a list", where));
  if (given->get_array().size() > kMostParameters)
    return invalid(where, fmt::format("of {} parameters", given->get_array().size()),
                   fmt::format("have length less than or equal to {}", kMostParameters));
  const bool header = list == "HeaderParameters";
  const bool body = list == "BodyParameters";
  for (const auto& one : given->get_array()) {
    if (!one.is_object()) return aws::refuse("SerializationException", fmt::format("Members of '{}' must be objects", where));
    const auto& parameter = one.get_object();
    const auto key = json::textOr(parameter, "Key");
    const auto value = json::textOr(parameter, "Value");
    const bool good_key = header ? isHeaderName(key) : isPlain(key);
    if (!good_key || (!body && key.size() > kLongest)) return invalid(where + ".key", key, "name a parameter in at most 512 characters");
    const bool good_value = header ? isHeaderValue(value) : body || isPlain(value);
    const bool secret = json::boolOr(parameter, "IsValueSecret", false);
    if (!good_value || (!body && value.size() > kLongest))
      return invalid(fmt::format("{}.{}", where, key), secret ? "***" : value, "have a value of 1 to 512 characters that can be sent");
    out.push_back(json::Object{{"Key", key}, {"Value", value}, {"IsValueSecret", secret}});
  }
  return out;
}

Checked<json::Object> readHttpParameters(const json::Object& given, std::string_view path) {
  json::Object out;
  for (const auto* list : {"HeaderParameters", "QueryStringParameters", "BodyParameters"}) {
    SP_TRY(auto parameters, readParameters(given, list, path));
    if (!parameters.empty()) out[list] = std::move(parameters);
  }
  return out;
}

json::Object memberOf(const json::Object& object, std::string_view key) {
  const auto* value = json::find(object, key);
  return value != nullptr && value->is_object() ? value->get_object() : json::Object();
}

Checked<json::Object> readOAuth(const json::Object& given, std::string_view path, const json::Object& before) {
  json::Object out;
  SP_TRY(const auto* client, readObject(given, "ClientParameters", path));
  json::Object parameters;
  const auto client_path = fmt::format("{}.ClientParameters", path);
  const auto client_before = memberOf(before, "ClientParameters");
  const json::Object none;
  SP_CHECK_OK(takeText(client == nullptr ? none : *client, "ClientID", client_path, client_before, false, parameters));
  SP_CHECK_OK(takeText(client == nullptr ? none : *client, "ClientSecret", client_path, client_before, true, parameters));
  out["ClientParameters"] = std::move(parameters);
  SP_TRY(auto endpoint, readEndpoint(given, "AuthorizationEndpoint", false));
  if (endpoint.empty()) endpoint = json::textOr(before, "AuthorizationEndpoint");
  if (endpoint.empty()) return refused(fmt::format("Parameter {}.AuthorizationEndpoint must be specified.", path));
  out["AuthorizationEndpoint"] = endpoint;
  const auto method = json::textOr(given, "HttpMethod", json::textOr(before, "HttpMethod"));
  if (method.empty()) return refused(fmt::format("Parameter {}.HttpMethod must be specified.", path));
  if (method != "GET" && method != "POST" && method != "PUT")
    return invalid(fmt::format("{}.HttpMethod", path), method, "satisfy enum value set: [PUT, POST, GET]");
  out["HttpMethod"] = method;
  SP_TRY(const auto* http, readObject(given, "OAuthHttpParameters", path));
  if (http != nullptr) {
    SP_TRY(out["OAuthHttpParameters"], readHttpParameters(*http, fmt::format("{}.OAuthHttpParameters", path)));
  } else if (const auto* old = json::find(before, "OAuthHttpParameters")) {
    out["OAuthHttpParameters"] = *old;
  }
  return out;
}

struct Kind {
  std::string_view type;
  std::string_view member;
};
constexpr std::array<Kind, 3> kKinds = {
    {{"BASIC", "BasicAuthParameters"}, {"API_KEY", "ApiKeyAuthParameters"}, {"OAUTH_CLIENT_CREDENTIALS", "OAuthParameters"}}};

void hideValues(json::Object& parameters) {
  for (const auto* list : {"HeaderParameters", "QueryStringParameters", "BodyParameters"}) {
    auto* found = parameters.if_contains(list);
    if (found == nullptr || !found->is_array()) continue;
    for (auto& parameter : found->get_array())
      if (json::boolOr(parameter.get_object(), "IsValueSecret", false)) parameter.get_object().erase("Value");
  }
}

}  // namespace

Checked<json::Object> readAuth(const json::Object& input, std::string_view type, const json::Object& before) {
  SP_TRY(const auto* given, readObject(input, "AuthParameters", ""));
  const json::Object none;
  const auto& auth = given == nullptr ? none : *given;
  json::Object out;
  for (const auto& kind : kKinds) {
    const auto path = fmt::format("AuthParameters.{}", kind.member);
    SP_TRY(const auto* part, readObject(auth, kind.member, "AuthParameters"));
    if (kind.type != type) {
      if (part != nullptr) return refused(fmt::format("{} is for authorization type {}, this connection has {}.", path, kind.type, type));
      continue;
    }
    const auto old = memberOf(before, kind.member);
    if (part == nullptr && old.empty()) return refused(fmt::format("{} is required for authorization type {}.", path, type));
    const auto& from = part == nullptr ? none : *part;
    json::Object taken;
    if (type == "BASIC") {
      SP_CHECK_OK(takeText(from, "Username", path, old, false, taken));
      SP_CHECK_OK(takeText(from, "Password", path, old, true, taken));
    } else if (type == "API_KEY") {
      SP_CHECK_OK(takeText(from, "ApiKeyName", path, old, false, taken));
      SP_CHECK_OK(takeText(from, "ApiKeyValue", path, old, true, taken));
      const auto name = json::textOr(taken, "ApiKeyName");
      if (!isHeaderName(name)) return invalid(fmt::format("{}.ApiKeyName", path), name, "be a header's name");
      if (isOwnHeader(name))
        return invalid(fmt::format("{}.ApiKeyName", path), name, "be none of the headers that EventBridge sends itself");
    } else {
      SP_TRY(taken, readOAuth(from, path, old));
    }
    out[kind.member] = std::move(taken);
  }
  SP_TRY(const auto* http, readObject(auth, "InvocationHttpParameters", "AuthParameters"));
  if (http != nullptr) {
    SP_TRY(out["InvocationHttpParameters"], readHttpParameters(*http, "AuthParameters.InvocationHttpParameters"));
  } else if (const auto* old = json::find(before, "InvocationHttpParameters")) {
    out["InvocationHttpParameters"] = *old;
  }
  if (const auto bytes = json::toText(out).size(); bytes > kMostBytes)
    return refused(fmt::format("AuthParameters have {} bytes, at most {} are taken.", bytes, kMostBytes));
  return out;
}

json::Object shownAuth(const json::Object& auth) {
  auto out = auth;
  for (const auto& [member, secret] : {std::pair{"BasicAuthParameters", "Password"}, std::pair{"ApiKeyAuthParameters", "ApiKeyValue"}})
    if (auto* part = out.if_contains(member)) part->get_object().erase(secret);
  if (auto* oauth = out.if_contains("OAuthParameters")) {
    if (auto* client = oauth->get_object().if_contains("ClientParameters")) client->get_object().erase("ClientSecret");
    if (auto* http = oauth->get_object().if_contains("OAuthHttpParameters")) hideValues(http->get_object());
  }
  if (auto* http = out.if_contains("InvocationHttpParameters")) hideValues(http->get_object());
  return out;
}

Checked<std::string> readEndpoint(const json::Object& input, std::string_view key, bool required) {
  SP_TRY(auto text, readText(input, key, 2048, required));
  if (text.empty()) return text;
  constexpr std::string_view kMarks = "-()_.!~*';/?:@&=+$,";
  bool good = text.starts_with("https://") || text.starts_with("http://");
  const auto host = good ? text.find("//") + 2 : 0;
  good = good && host < text.size() && std::isalnum(static_cast<unsigned char>(text[host])) != 0;
  const auto authority = good ? std::string_view(text).substr(host, text.find_first_of("/?", host) - host) : std::string_view();
  // Who calls it is the connection's to say, not the address's.
  good = good && !authority.contains('@');
  for (std::size_t i = 0; good && i < text.size(); ++i) {
    if (text[i] == '%') {
      good = i + 2 < text.size() && std::isxdigit(static_cast<unsigned char>(text[i + 1])) != 0 &&
             std::isxdigit(static_cast<unsigned char>(text[i + 2])) != 0;
      i += 2;
    } else {
      good = std::isalnum(static_cast<unsigned char>(text[i])) != 0 || kMarks.find(text[i]) != std::string_view::npos;
    }
  }
  if (!good)
    return invalid(key, text,
                   "satisfy regular expression pattern: ^((%[0-9A-Fa-f]{2}|[-()_.!~*';/?:@\\x26=+$,A-Za-z0-9])+)([).!';/?:,])?$ and "
                   "begin with https:// (or http://) and a host");
  if (const auto colon = authority.find(':'); colon != std::string_view::npos && !isPort(authority.substr(colon + 1)))
    return invalid(key, text, "have a port from 1 to 65535 after its host, or none");
  return text;
}

Checked<void> checkHttpParameters(const json::Object& target, std::string_view id) {
  SP_TRY(const auto* given, readObject(target, "HttpParameters", "Target"));
  if (given == nullptr) return {};
  const auto bad = [&](std::string_view what, std::string_view why) {
    return refused(fmt::format("Invalid HttpParameters for target {}: {} {}.", id, what, why));
  };
  // "$.detail.id" is taken from the event.
  const auto fits = [](std::string_view value) {
    if (!value.starts_with("$")) return true;
    const auto path = asl::Path::parse(value);
    return path && !path->context();
  };
  if (const auto* values = json::find(*given, "PathParameterValues"); values != nullptr && !values->is_null()) {
    if (!values->is_array()) return aws::refuse("SerializationException", "Member 'PathParameterValues' must be a list");
    if (values->get_array().size() > kMostParameters)
      return bad("PathParameterValues", fmt::format("have more than {} members", kMostParameters));
    for (const auto& value : values->get_array()) {
      if (!value.is_string() || trim(json::toView(value.get_string())).empty()) return bad("a value of PathParameterValues", "is blank");
      if (value.get_string().size() > kLongest)
        return bad("a value of PathParameterValues", fmt::format("is longer than {} bytes", kLongest));
      if (!fits(json::toView(value.get_string()))) return bad(json::toView(value.get_string()), "is not a valid path");
    }
  }
  for (const auto* map : {"HeaderParameters", "QueryStringParameters"}) {
    SP_TRY(const auto* members, readObject(*given, map, "HttpParameters"));
    if (members == nullptr) continue;
    if (members->size() > kMostParameters) return bad(map, fmt::format("have more than {} members", kMostParameters));
    const bool header = map == std::string_view("HeaderParameters");
    for (const auto& member : *members) {
      const std::string_view key(member.key().data(), member.key().size());
      if (!member.value().is_string()) return bad(key, "is no text");
      const auto value = json::toView(member.value().get_string());
      if (key.size() > kLongest || value.size() > kLongest ||
          !(header ? isHeaderName(key) && isHeaderValue(value) : isPlain(key) && isPlain(value)))
        return bad(key, fmt::format("cannot be sent among {}", map));
      if (!fits(value)) return bad(value, "is not a valid path");
    }
  }
  return {};
}

}  // namespace sp::services::events
