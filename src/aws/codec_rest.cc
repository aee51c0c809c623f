#include <fmt/format.h>

#include "aws/codec_parts.h"

namespace sp::aws {
namespace {

using Segment = Router::RestIndex::Segment;

// Without the empty segments that a leading or trailing slash makes.
std::vector<std::string_view> segmentsOf(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return {};
  return split(path, '/');
}

// How well a route fits: the number of literal segments + 1, or 0. Literals win over members.
std::size_t fit(const std::vector<Segment>& pattern, const std::vector<std::string_view>& path) {
  const bool greedy = !pattern.empty() && pattern.back().greedy;
  if (greedy ? path.size() < pattern.size() : path.size() != pattern.size()) return 0;
  std::size_t literals = 1;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i].member) {
      if (path[i].empty()) return 0;
      continue;
    }
    if (pattern[i].text != path[i]) return 0;
    ++literals;
  }
  return literals;
}

void bindPath(const std::vector<Segment>& pattern, const std::vector<std::string_view>& path, json::Object& input) {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (!pattern[i].member) continue;
    std::string raw(path[i]);
    if (pattern[i].greedy)
      for (std::size_t rest = i + 1; rest < path.size(); ++rest) raw.append("/").append(path[rest]);
    input[pattern[i].text] = percentDecode(raw).value_or(raw);
  }
}

std::expected<json::Value, ApiError> queryValue(const RestRoute& route, const std::string& name, const std::string& value) {
  if (std::ranges::find(route.integers, name) == route.integers.end()) return json::Value(value);
  const auto number = parseInt(value);
  if (!number) return refuse("SerializationException", fmt::format("{} must be a whole number, not '{}'.", name, value));
  return json::Value(*number);
}

// A parameter that comes more than once is a list.
std::expected<void, ApiError> bindQuery(const RestRoute& route, std::string_view query, json::Object& input) {
  json::Object bound;
  for (const auto part : split(query, '&')) {
    const auto equals = part.find('=');
    const auto name = percentDecode(part.substr(0, equals), true);
    const auto known = std::ranges::find_if(route.query, [&](const auto& entry) { return name && entry.first == *name; });
    if (known == route.query.end()) continue;
    const auto raw = equals == std::string_view::npos ? std::string_view{} : part.substr(equals + 1);
    auto value = queryValue(route, *name, percentDecode(raw, true).value_or(std::string(raw)));
    if (!value) return std::unexpected(std::move(value.error()));
    auto& slot = bound[known->second];
    if (slot.is_null()) {
      slot = std::move(*value);
    } else if (slot.is_array()) {
      slot.get_array().push_back(std::move(*value));
    } else {
      slot = json::Array{std::move(slot), std::move(*value)};
    }
  }
  for (auto& entry : bound) input[entry.key()] = std::move(entry.value());
  return {};
}

}  // namespace

Router::RestIndex::RestIndex(const ServiceTable& table) {
  for (const auto& operation : table.operations) {
    Route route{&operation, {}};
    for (const auto part : segmentsOf(operation.route.pattern)) {
      if (!part.starts_with('{')) {
        route.segments.push_back({std::string(part), false, false});
        continue;
      }
      const bool greedy = part.ends_with("+}");
      route.segments.push_back({std::string(part.substr(1, part.size() - (greedy ? 3U : 2U))), true, greedy});
    }
    routes.push_back(std::move(route));
  }
}

std::expected<Decoded, ApiError> Router::RestIndex::decode(const ServiceTable& table, const RequestView& request,
                                                           std::string_view body) const {
  const auto path = segmentsOf(request.path());
  const Route* best = nullptr;
  std::size_t best_fit = 0;
  for (const auto& route : routes) {
    if (route.operation->route.method != request.method) continue;
    const auto fits = fit(route.segments, path);
    if (fits > best_fit) {
      best_fit = fits;
      best = &route;
    }
  }
  if (best == nullptr)
    return std::unexpected(unknownOperation(Protocol::restJson, table.signing_name, fmt::format("{} {}", request.method, request.path())));
  auto input = decodeJsonBody(body);
  if (!input) return std::unexpected(std::move(input.error()));
  if (auto ok = bindQuery(best->operation->route, request.query(), *input); !ok) return std::unexpected(std::move(ok.error()));
  bindPath(best->segments, path, *input);
  return Decoded{best->operation, std::move(*input)};
}

}  // namespace sp::aws
