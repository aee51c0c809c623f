// Forms of the query and EC2 protocols: "Filter.1.Value.2=x" → {"Filter":[{"Value":[…,"x"]}]}.
#include <map>
#include <memory>

#include <fmt/format.h>

#include "aws/codec_parts.h"

#include "base/strings.h"

namespace sp::aws {
namespace {

constexpr std::size_t kParameters = 20'000;
constexpr std::size_t kDepth = 16;
constexpr std::int64_t kIndex = 100'000;

// A place in the tree of parameters: a text, or children. Children whose names are all numbers make a list, ordered by
// number and without gaps: an index costs nothing, however large it is.
struct Node {
  std::optional<std::string> text;
  std::map<std::string, std::unique_ptr<Node>, std::less<>> members;
  std::map<std::int64_t, std::unique_ptr<Node>> items;
};

std::unexpected<ApiError> malformed(bool is_ec2, std::string message) {
  return refuse(is_ec2 ? "InvalidParameterValue" : "MalformedQueryString", std::move(message));
}

bool isIndex(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos; }

template <class Map, class Key>
Node& child(Map& map, const Key& key) {
  auto& slot = map[key];
  if (!slot) slot = std::make_unique<Node>();
  return *slot;
}

std::expected<void, ApiError> insert(Node& root, const std::string& name, std::string value, bool is_ec2) {
  const auto parts = split(name, '.');
  if (parts.size() > kDepth)
    return malformed(is_ec2, fmt::format("The parameter {} is nested deeper than {} levels.", cutText(name, 200), kDepth));
  Node* at = &root;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto part = parts[i];
    if (part.empty()) return malformed(is_ec2, fmt::format("The parameter {} is not recognized.", cutText(name, 200)));
    // The query protocol puts "member" between a list and its index.
    if (!is_ec2 && part == "member" && i > 0 && i + 1 < parts.size() && isIndex(parts[i + 1])) continue;
    if (i == 0 || !isIndex(part)) {
      at = &child(at->members, std::string(part));
    } else {
      const auto index = parseInt(part);
      if (!index || *index < 1 || *index > kIndex)
        return malformed(
            is_ec2, fmt::format("The index {} in the parameter {} is not from 1 to {}.", cutText(part, 30), cutText(name, 200), kIndex));
      at = &child(at->items, *index);
    }
    const int kinds = (at->text ? 1 : 0) + (at->members.empty() ? 0 : 1) + (at->items.empty() ? 0 : 1);
    if (kinds > 1 || (i + 1 < parts.size() && at->text))
      return malformed(is_ec2, fmt::format("The parameter {} is given both as a value and as a structure.", cutText(name, 200)));
  }
  if (!at->members.empty() || !at->items.empty())
    return malformed(is_ec2, fmt::format("The parameter {} is given both as a value and as a structure.", cutText(name, 200)));
  at->text = std::move(value);
  return {};
}

json::Value toJson(const Node& node) {
  if (node.text) return json::Value(*node.text);
  if (!node.items.empty() && node.members.empty()) {
    json::Array list;
    for (const auto& [index, item] : node.items) list.push_back(toJson(*item));
    return list;
  }
  json::Object object;
  for (const auto& [name, member] : node.members) object[name] = toJson(*member);
  return object;
}

bool isMixed(const Node& node) {
  if (!node.members.empty() && !node.items.empty()) return true;
  for (const auto& [name, member] : node.members)
    if (isMixed(*member)) return true;
  for (const auto& [index, item] : node.items)
    if (isMixed(*item)) return true;
  return false;
}

}  // namespace

std::expected<json::Object, ApiError> decodeForm(std::string_view form, bool is_ec2) {
  Node root;
  std::size_t count = 0;
  for (const auto part : split(form, '&')) {
    if (part.empty()) continue;
    if (++count > kParameters) return malformed(is_ec2, fmt::format("The request has more than {} parameters.", kParameters));
    const auto equals = part.find('=');
    auto name = percentDecode(part.substr(0, equals), true);
    auto value = percentDecode(equals == std::string_view::npos ? std::string_view{} : part.substr(equals + 1), true);
    if (!name || !value || !isUtf8(*value) || !isUtf8(*name))
      return malformed(is_ec2,
                       "The form is not well encoded: a percent sign must be followed by two hex digits, and the text must be UTF-8.");
    if (name->starts_with("X-Amz-")) continue;  // the signature of a presigned request
    if (auto ok = insert(root, *name, std::move(*value), is_ec2); !ok) return std::unexpected(std::move(ok.error()));
  }
  if (isMixed(root)) return malformed(is_ec2, "A parameter is given both as a list and as a structure.");
  if (root.members.empty()) return json::Object{};
  return std::move(toJson(root).get_object());
}

}  // namespace sp::aws
