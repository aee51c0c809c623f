#include "schedule/pattern.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/strings.h"

namespace sp::schedule {
namespace {

using Kind = Matcher::Kind;

constexpr int kDeepest = 100;
constexpr double kLargest = 5e9;

std::unexpected<Error> bad(std::string why) { return fail("schedule.pattern", std::move(why)); }

bool isLeaf(const json::Value& value) { return !value.is_object() && !value.is_array(); }

Result<std::string> needText(std::string_view name, const json::Value& value) {
  if (!value.is_string()) return bad(fmt::format("{} match pattern must be a string", name));
  return json::toStd(value.get_string());
}

Result<void> checkWildcard(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '*' && i + 1 < text.size() && text[i + 1] == '*')
      return bad(fmt::format("Consecutive wildcard characters at pos {}", i));
    if (text[i] != '\\') continue;
    if (i + 1 == text.size() || (text[i + 1] != '*' && text[i + 1] != '\\'))
      return bad(fmt::format("Invalid escape character at pos {}", i));
    ++i;
  }
  return {};
}

// What stands between the stars, at least one part; '\' takes the next literally.
std::vector<std::string> wildcardParts(std::string_view text) {
  std::vector<std::string> out(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '*') {
      out.emplace_back();
      continue;
    }
    if (text[i] == '\\') ++i;
    out.back() += text[i];
  }
  return out;
}

// Each part where it stands first: what is left for the others is longest then, and no character is looked at for two parts. memmem
// takes a time that grows with its texts, where find() multiplies them.
bool fitsWildcard(const std::vector<std::string>& parts, std::string_view text) {
  if (parts.size() == 1) return text == parts.front();
  if (!text.starts_with(parts.front())) return false;
  text.remove_prefix(parts.front().size());
  if (!text.ends_with(parts.back())) return false;
  text.remove_suffix(parts.back().size());
  for (std::size_t i = 1; i + 1 < parts.size(); ++i) {
    const auto* found = ::memmem(text.data(), text.size(), parts[i].data(), parts[i].size());
    if (found == nullptr) return false;
    text.remove_prefix(static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) + parts[i].size());
  }
  return true;
}

bool sameLeaf(const json::Value& a, const json::Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_int64() && b.is_int64()) return a.get_int64() == b.get_int64();
    return a.to_number<double>() == b.to_number<double>();
  }
  return a == b;
}

Matcher withText(Kind kind, std::string text) {
  Matcher m;
  m.kind = kind;
  m.text = std::move(text);
  return m;
}

Result<Matcher> wildcard(std::string_view text) {
  SP_CHECK_OK(checkWildcard(text));
  Matcher m;
  m.kind = Kind::wildcard;
  m.parts = wildcardParts(text);
  return m;
}

Matcher exactly(const json::Value& value) {
  Matcher m;
  m.value = value;
  return m;
}

Result<void> checkNumber(const json::Value& value) {
  if (std::abs(value.to_number<double>()) > kLargest)
    return bad(fmt::format("Value must be between {:.1E} and {:.1E}, inclusive", -kLargest, kLargest));
  return {};
}

Result<Matcher> readAffix(std::string_view name, const json::Value& value, Kind plain, Kind ignoring) {
  if (!value.is_object()) {
    SP_TRY(auto text, needText(name, value));
    return withText(plain, std::move(text));
  }
  const auto& inner = value.get_object();
  if (inner.size() != 1 || !inner.contains("equals-ignore-case"))
    return bad(fmt::format("Unsupported anything-but pattern or {} match pattern: only equals-ignore-case may stand in it", name));
  SP_TRY(const auto text, needText("equals-ignore-case", inner.at("equals-ignore-case")));
  return withText(ignoring, toLower(text));
}

Result<Matcher> readNumeric(const json::Value& value) {
  if (!value.is_array()) return bad("Value of numeric must be an array.");
  const auto& list = value.get_array();
  if (list.empty() || list.size() % 2 != 0 || list.size() > 4)
    return bad("Invalid numeric match: pairs of an operator and a number are wanted");
  Matcher m;
  m.kind = Kind::numeric;
  for (std::size_t i = 0; i < list.size(); i += 2) {
    if (!list[i].is_string()) return bad("Invalid member in numeric match: an operator must be a string");
    const auto op = json::toStd(list[i].get_string());
    if (op != "=" && op != "<" && op != "<=" && op != ">" && op != ">=")
      return bad(fmt::format("Unrecognized numeric range operator: {}", op));
    if (!list[i + 1].is_number()) return bad(fmt::format("Value of {} must be numeric", op));
    SP_CHECK_OK(checkNumber(list[i + 1]));
    m.bounds.emplace_back(op, list[i + 1].to_number<double>());
  }
  if (m.bounds.size() == 2) {
    const bool range = m.bounds[0].first.front() == '>' && m.bounds[1].first.front() == '<';
    if (!range) return bad("Bad numeric range operators: a lower bound and then an upper bound are wanted");
    if (m.bounds[0].second >= m.bounds[1].second) return bad("Bottom must be less than top");
  }
  return m;
}

// What stands in anything-but: a value, a list of values, or one operator with a text or a list of them.
Result<Matcher> readAnythingBut(const json::Value& value) {
  Matcher m;
  m.kind = Kind::anything_but;
  const auto each = [](const json::Value& given, const auto& add) -> Result<void> {
    if (!given.is_array()) return add(given);
    if (given.get_array().empty()) return bad("Empty arrays are not allowed");
    for (const auto& one : given.get_array()) SP_CHECK_OK(add(one));
    return {};
  };
  if (value.is_object()) {
    const auto& inner = value.get_object();
    if (inner.size() != 1) return bad("Only one key allowed in anything-but pattern");
    const std::string_view op(inner.begin()->key().data(), inner.begin()->key().size());
    Kind kind{};
    if (op == "prefix") kind = Kind::prefix;
    else if (op == "suffix") kind = Kind::suffix;
    else if (op == "equals-ignore-case") kind = Kind::ignore_case;
    else if (op == "wildcard") kind = Kind::wildcard;
    else return bad(fmt::format("Unsupported anything-but pattern: {}", op));
    SP_CHECK_OK(each(inner.begin()->value(), [&](const json::Value& one) -> Result<void> {
      SP_TRY(auto text, needText(op, one));
      if (text.empty() && kind != Kind::ignore_case) return bad("Null prefix/suffix not allowed");
      if (kind == Kind::wildcard) {
        SP_TRY(auto made, wildcard(text));
        m.but.push_back(std::move(made));
        return {};
      }
      m.but.push_back(withText(kind, kind == Kind::ignore_case ? toLower(text) : std::move(text)));
      return {};
    }));
    return m;
  }
  bool texts = false;
  bool numbers = false;
  SP_CHECK_OK(each(value, [&](const json::Value& one) -> Result<void> {
    if (one.is_string()) texts = true;
    else if (one.is_number()) numbers = true;
    else return bad("Inside anything but list, start|null|boolean is not supported.");
    m.but.push_back(exactly(one));
    return {};
  }));
  if (texts && numbers) return bad("Inside anything but list, either all values are number or string, mixed type is not supported");
  return m;
}

Result<Matcher> readOperator(const json::Object& object) {
  if (object.size() != 1) return bad("Only one key allowed in match expression");
  const std::string_view name(object.begin()->key().data(), object.begin()->key().size());
  const auto& value = object.begin()->value();
  if (name == "prefix") return readAffix(name, value, Kind::prefix, Kind::prefix_ignore_case);
  if (name == "suffix") return readAffix(name, value, Kind::suffix, Kind::suffix_ignore_case);
  if (name == "equals-ignore-case") {
    SP_TRY(const auto text, needText(name, value));
    return withText(Kind::ignore_case, toLower(text));
  }
  if (name == "wildcard") {
    SP_TRY(const auto text, needText(name, value));
    return wildcard(text);
  }
  if (name == "numeric") return readNumeric(value);
  if (name == "anything-but") return readAnythingBut(value);
  if (name == "exists") {
    if (!value.is_bool()) return bad("exists match pattern must be either true or false.");
    Matcher m;
    m.kind = Kind::exists;
    m.wanted = value.get_bool();
    return m;
  }
  if (name == "cidr") {
    SP_TRY(const auto text, needText(name, value));
    Matcher m;
    m.kind = Kind::cidr;
    SP_TRY(m.network, Network::parse(text));
    return m;
  }
  return bad(fmt::format("Unrecognized match type {}", name));
}

bool isOperatorName(std::string_view name) {
  static constexpr std::array<std::string_view, 8> kNames = {"prefix", "suffix", "equals-ignore-case", "wildcard", "numeric",
                                                             "exists", "cidr",   "anything-but"};
  return std::ranges::find(kNames, name) != kNames.end();
}

// "$or" is a choice only as a list of at least two objects whose members are fields; else it is a field of that name.
bool isChoice(const json::Value& value) {
  if (!value.is_array() || value.get_array().size() < 2) return false;
  return std::ranges::all_of(value.get_array(), [](const json::Value& one) {
    return one.is_object() && !one.get_object().empty() && std::ranges::none_of(one.get_object(), [](const auto& member) {
             return isOperatorName({member.key().data(), member.key().size()});
           });
  });
}

bool holds(const std::pair<std::string, double>& bound, double x) {
  const auto& [op, operand] = bound;
  if (op == "=") return x == operand;
  if (op == "<") return x < operand;
  if (op == "<=") return x <= operand;
  if (op == ">") return x > operand;
  return x >= operand;
}

// Members of an event's value that count as its leaves: itself, or the leaves of an array (nested ones too).
template <class Visit>
bool anyLeaf(const json::Value& value, const Visit& visit) {
  if (value.is_array()) return std::ranges::any_of(value.get_array(), [&](const json::Value& one) { return anyLeaf(one, visit); });
  return isLeaf(value) && visit(value);
}

template <class Visit>
bool anyObject(const json::Value& value, const Visit& visit) {
  if (value.is_array()) return std::ranges::any_of(value.get_array(), [&](const json::Value& one) { return anyObject(one, visit); });
  return value.is_object() && visit(value.get_object());
}

}  // namespace

Result<Network> Network::parse(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos || text.find('/', slash + 1) != std::string_view::npos)
    return bad("Malformed CIDR, one '/' required");
  Network out;
  const std::string shown(text.substr(0, slash));
  if (inet_pton(AF_INET, shown.c_str(), out.address.data()) == 1) out.length = 4;
  else if (inet_pton(AF_INET6, shown.c_str(), out.address.data()) == 1) out.length = 16;
  else return bad(fmt::format("Nonstandard IP address: {}", shown));
  const auto bits = parseInt(text.substr(slash + 1));
  if (!bits) return bad("Malformed CIDR, mask bits must be an integer");
  if (*bits < 0 || *bits > static_cast<std::int64_t>(out.length) * 8)
    return bad(fmt::format("IPv{} mask bits must be between 0 and {}", out.length == 4 ? 4 : 6, out.length * 8));
  out.bits = static_cast<unsigned>(*bits);
  return out;
}

bool Network::contains(std::string_view text) const {
  std::array<std::uint8_t, 16> other{};
  const std::string shown(text);
  if (inet_pton(length == 4 ? AF_INET : AF_INET6, shown.c_str(), other.data()) != 1) return false;
  for (unsigned i = 0; i < bits; ++i) {
    const unsigned shift = 7 - i % 8;
    if (((static_cast<unsigned>(address[i / 8] ^ other[i / 8]) >> shift) & 1U) != 0) return false;
  }
  return true;
}

bool Matcher::matches(const json::Value& leaf) const {
  if (kind == Kind::exact) return sameLeaf(value, leaf);
  if (kind == Kind::exists) return wanted;
  if (kind == Kind::anything_but) return std::ranges::none_of(but, [&](const Matcher& one) { return one.matches(leaf); });
  if (kind == Kind::numeric) {
    if (!leaf.is_number()) return false;
    const auto x = leaf.to_number<double>();
    return std::ranges::all_of(bounds, [&](const auto& bound) { return holds(bound, x); });
  }
  if (!leaf.is_string()) return false;
  const auto given = json::toView(leaf.get_string());
  switch (kind) {
    case Kind::prefix: return given.starts_with(text);
    case Kind::suffix: return given.ends_with(text);
    case Kind::ignore_case: return toLower(given) == text;
    case Kind::prefix_ignore_case: return toLower(given).starts_with(text);
    case Kind::suffix_ignore_case: return toLower(given).ends_with(text);
    case Kind::wildcard: return fitsWildcard(parts, given);
    case Kind::cidr: return network.contains(given);
    default: return false;
  }
}

Result<Pattern> Pattern::parse(std::string_view text) {
  const auto parsed = json::parse(text, kDeepest + 4);
  if (!parsed) return bad(fmt::format("Invalid JSON: {}", parsed.error().message));
  if (!parsed->is_object()) return bad("Filter is not an object");
  Pattern out;
  SP_CHECK_OK(readNode(parsed->get_object(), out.root_, 0));
  return out;
}

Result<void> Pattern::readNode(const json::Object& object, Node& out, int depth) {
  if (object.empty()) return bad("Empty objects are not allowed");
  if (depth > kDeepest) return bad(fmt::format("Patterns are nested at most {} deep", kDeepest));
  for (const auto& member : object) SP_CHECK_OK(readField({member.key().data(), member.key().size()}, member.value(), out, depth));
  return {};
}

Result<void> Pattern::readField(std::string_view name, const json::Value& value, Node& out, int depth) {
  if (name == "$or" && isChoice(value)) {
    auto& nodes = out.either.emplace_back();
    for (const auto& one : value.get_array()) SP_CHECK_OK(readNode(one.get_object(), nodes.emplace_back(), depth + 1));
    return {};
  }
  Field field;
  field.name = name;
  if (value.is_object()) {
    auto node = std::make_unique<Node>();
    SP_CHECK_OK(readNode(value.get_object(), *node, depth + 1));
    field.wanted = std::move(node);
  } else if (value.is_array()) {
    if (value.get_array().empty()) return bad("Empty arrays are not allowed");
    Choice choice;
    for (const auto& one : value.get_array()) {
      if (one.is_array()) return bad("Match value must be String, number, true, false, or null");
      if (one.is_object()) {
        SP_TRY(auto matcher, readOperator(one.get_object()));
        choice.push_back(std::move(matcher));
      } else {
        choice.push_back(exactly(one));
      }
    }
    field.wanted = std::move(choice);
  } else {
    return bad(fmt::format("\"{}\" must be an object or an array", name));
  }
  out.fields.push_back(std::move(field));
  return {};
}

bool Pattern::matches(const Node& node, const json::Object& object) {
  for (const auto& field : node.fields)
    if (!matchesField(field, json::find(object, field.name))) return false;
  return std::ranges::all_of(node.either, [&](const std::vector<Node>& nodes) {
    return std::ranges::any_of(nodes, [&](const Node& one) { return matches(one, object); });
  });
}

bool Pattern::matchesField(const Field& field, const json::Value* value) {
  if (const auto* node = std::get_if<std::unique_ptr<Node>>(&field.wanted)) {
    // What is not there has no fields: only what must not exist matches it.
    if (value == nullptr || isLeaf(*value)) return matches(**node, json::Object());
    return anyObject(*value, [&](const json::Object& object) { return matches(**node, object); });
  }
  const auto& choice = std::get<Choice>(field.wanted);
  const bool there = value != nullptr && anyLeaf(*value, [](const json::Value&) { return true; });
  return std::ranges::any_of(choice, [&](const Matcher& matcher) {
    if (matcher.kind == Kind::exists) return matcher.wanted == there;
    return there && anyLeaf(*value, [&](const json::Value& leaf) { return matcher.matches(leaf); });
  });
}

void Pattern::addExact(const Node& node, std::vector<std::string>& path, std::vector<ExactField>& out) {
  for (const auto& field : node.fields) {
    path.push_back(field.name);
    if (const auto* inner = std::get_if<std::unique_ptr<Node>>(&field.wanted)) {
      addExact(**inner, path, out);
    } else {
      const auto& choice = std::get<Choice>(field.wanted);
      const bool exact = std::ranges::all_of(choice, [](const Matcher& one) { return one.kind == Kind::exact && one.value.is_string(); });
      if (exact) {
        auto& added = out.emplace_back(ExactField{path, {}});
        for (const auto& matcher : choice) added.texts.push_back(json::toStd(matcher.value.get_string()));
      }
    }
    path.pop_back();
  }
}

std::vector<ExactField> Pattern::exactFields() const {
  std::vector<ExactField> out;
  std::vector<std::string> path;
  addExact(root_, path, out);
  return out;
}

std::vector<std::string> Pattern::exactTexts(std::string_view key) const {
  std::vector<std::string> texts;
  for (const auto& field : root_.fields) {
    const auto* choice = std::get_if<Choice>(&field.wanted);
    if (field.name != key || choice == nullptr) continue;
    for (const auto& matcher : *choice) {
      if (matcher.kind != Kind::exact || !matcher.value.is_string()) return {};
      texts.push_back(json::toStd(matcher.value.get_string()));
    }
  }
  return texts;
}

}  // namespace sp::schedule
