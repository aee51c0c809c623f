#include "json/json.h"

#include <charconv>
#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>

#include "json/big_integer.h"

namespace sp::json {
namespace {

bool isSpecial(unsigned char c) { return c < 0x20 || c == '"' || c == '\\'; }

// Whether one of eight bytes must be escaped: a byte below n borrows in `word - n`, one equal to c is zero in `word ^ c`.
bool holdsSpecial(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  constexpr std::uint64_t kTops = 0x8080808080808080U;
  const auto below = [](std::uint64_t bytes, std::uint64_t n) { return (bytes - kOnes * n) & ~bytes & kTops; };
  return (below(word, 0x20) | below(word ^ (kOnes * '"'), 1) | below(word ^ (kOnes * '\\'), 1)) != 0;
}

// The first byte at or after `from` that must be escaped; the size if there is none. Long texts are walked eight bytes a step.
std::size_t nextSpecial(std::string_view text, std::size_t from) {
  std::uint64_t word = 0;
  for (; from + sizeof word <= text.size(); from += sizeof word) {
    std::memcpy(&word, text.data() + from, sizeof word);
    if (holdsSpecial(word)) break;
  }
  while (from < text.size() && !isSpecial(static_cast<unsigned char>(text[from]))) ++from;
  return from;
}

void appendQuoted(std::string& out, std::string_view text) {
  // One growth for a large text rather than one now and one for its closing quote.
  if (text.size() > 1024) out.reserve(out.size() + text.size() + text.size() / 16 + 2);
  out += '"';
  std::size_t plain_from = 0;
  for (auto i = nextSpecial(text, 0); i < text.size(); i = nextSpecial(text, i + 1)) {
    const auto c = static_cast<unsigned char>(text[i]);
    out.append(text.substr(plain_from, i - plain_from));
    plain_from = i + 1;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default: out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    }
  }
  out.append(text.substr(plain_from));
  out += '"';
}

// The shortest text that is read back as the same number, as Step Functions spells it: "100000.0", "1.0E300". Plain up to 10^7, where
// Java's begins to have an exponent, and beyond as long as that is no longer: moments in seconds stay readable.
void appendNumber(std::string& out, double number) {
  constexpr double kPlainFrom = 1e-3;
  constexpr double kPlainTo = 1e7;
  char buffer[40];
  const auto size = std::abs(number);
  const bool plain = size >= kPlainFrom && size < kPlainTo;
  const auto end = plain ? std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::fixed).ptr
                         : std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
  const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  const auto exponent = text.find('e');
  const auto digits = text.substr(0, exponent);
  out += digits;
  // Boost.JSON reads "1.0" as a double: written back it stays recognisably one.
  if (digits.find_first_of(".n") == std::string_view::npos) out += ".0";
  if (exponent == std::string_view::npos) return;
  out += 'E';
  auto power = text.substr(exponent + 1);
  if (power.front() == '-') out += '-';
  power.remove_prefix(std::min(power.size() - 1, power.find_first_not_of("+-0")));
  out += power;
}

void appendInteger(std::string& out, auto number) {
  char buffer[24];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
  out.append(buffer, end);
}

// `indent` < 0: compact.
void append(std::string& out, const Value& value, int indent) {
  const int deeper = indent < 0 ? -1 : indent + 2;
  const auto newline = [&out](int width) {
    if (width < 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(width), ' ');
  };
  switch (value.kind()) {
    case boost::json::kind::null: out += "null"; return;
    case boost::json::kind::bool_: out += value.get_bool() ? "true" : "false"; return;
    case boost::json::kind::int64: appendInteger(out, value.get_int64()); return;
    case boost::json::kind::uint64: appendInteger(out, value.get_uint64()); return;
    case boost::json::kind::double_: appendNumber(out, value.get_double()); return;
    case boost::json::kind::string:
      if (isBigInteger(value.get_string())) out += digitsOf(value.get_string());
      else appendQuoted(out, toView(value.get_string()));
      return;
    case boost::json::kind::array: {
      out += '[';
      bool first = true;
      for (const auto& element : value.get_array()) {
        if (!first) out += ',';
        first = false;
        newline(deeper);
        append(out, element, deeper);
      }
      if (!first) newline(indent);
      out += ']';
      return;
    }
    case boost::json::kind::object: {
      out += '{';
      bool first = true;
      for (const auto& member : value.get_object()) {
        if (!first) out += ',';
        first = false;
        newline(deeper);
        appendQuoted(out, {member.key().data(), member.key().size()});
        out += indent < 0 ? ":" : ": ";
        append(out, member.value(), deeper);
      }
      if (!first) newline(indent);
      out += '}';
      return;
    }
  }
}

/// Builds a value as Boost.JSON's own parser does, but for doubles: that one is off by a last digit now and then (a number
/// would change each time it is written and read) and makes infinity of 1e999, which JSON cannot hold.
class Builder {
 public:
  static constexpr std::size_t max_object_size = Object::max_size();
  static constexpr std::size_t max_array_size = Array::max_size();
  static constexpr std::size_t max_key_size = String::max_size();
  static constexpr std::size_t max_string_size = String::max_size();
  using Code = boost::json::error_code;
  using View = boost::json::string_view;

  /// `exact`: integers beyond 64 bits are kept.
  explicit Builder(bool exact) : exact_(exact) {}

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return true; }
  bool on_object_end(std::size_t n, Code&) {
    stack_.push_object(n);
    return true;
  }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t n, Code&) {
    stack_.push_array(n);
    return true;
  }
  bool on_key_part(View s, std::size_t, Code&) { return onPart(s); }
  bool on_key(View s, std::size_t, Code&) {
    stack_.push_key(s);
    return true;
  }
  bool on_string_part(View s, std::size_t, Code&) { return onPart(s); }
  bool on_string(View s, std::size_t, Code&) {
    stack_.push_string(s);
    return true;
  }
  bool on_number_part(View s, Code&) {
    number_.append(s.data(), s.size());
    return true;
  }
  bool on_int64(std::int64_t number, View, Code&) {
    number_.clear();
    stack_.push_int64(number);
    return true;
  }
  bool on_uint64(std::uint64_t number, View, Code&) {
    number_.clear();
    stack_.push_uint64(number);
    return true;
  }
  bool on_double(double rough, View s, Code& error) {
    number_.append(s.data(), s.size());
    if (exact_ && number_.find_first_of(".eE") == std::string::npos) {
      stack_.push_string(bigInteger(number_));
      number_.clear();
      return true;
    }
    double number = 0;
    const auto end = number_.data() + number_.size();
    const auto read = std::from_chars(number_.data(), end, number);
    number_.clear();
    if (read.ec == std::errc::result_out_of_range) {
      // Too large, or so small that it is nothing.
      if (std::abs(rough) > 1) {
        error = make_error_code(boost::json::error::exponent_overflow);
        return false;
      }
      number = std::copysign(0.0, rough);
    }
    stack_.push_double(number);
    return true;
  }
  bool on_bool(bool value, Code&) {
    stack_.push_bool(value);
    return true;
  }
  bool on_null(Code&) {
    stack_.push_null();
    return true;
  }
  bool on_comment_part(View, Code&) { return true; }
  bool on_comment(View, Code&) { return true; }

  Value release() { return stack_.release(); }

 private:
  bool onPart(View s) {
    stack_.push_chars(s);
    return true;
  }
  boost::json::value_stack stack_;
  std::string number_;
  bool exact_;
};

/// The code of "\\uXXXX" at `at`; nullopt: there is none.
std::optional<unsigned> escapeAt(std::string_view text, std::size_t at) {
  unsigned code = 0;
  if (!text.substr(std::min(at, text.size())).starts_with("\\u") || at + 6 > text.size()) return std::nullopt;
  const auto* const end = text.data() + at + 6;
  const auto read = std::from_chars(text.data() + at + 2, end, code, 16);
  return read.ec == std::errc() && read.ptr == end ? std::optional(code) : std::nullopt;
}

/// Where the first escape stands that is half of a surrogate pair alone: of a text that is JSON up to there.
std::optional<std::size_t> loneSurrogate(std::string_view text) {
  for (auto at = text.find('\\'); at != std::string_view::npos; at = text.find('\\', at)) {
    const auto code = escapeAt(text, at);
    if (!code || *code < 0xD800 || *code > 0xDFFF) {
      at += 2;
      continue;
    }
    const auto other = escapeAt(text, at + 6);
    if (*code > 0xDBFF || !other || *other < 0xDC00 || *other > 0xDFFF) return at;
    at += 12;
  }
  return std::nullopt;
}

Result<Value> parseWith(bool exact, std::string_view text, std::size_t max_depth) {
  boost::json::parse_options options;
  options.max_depth = max_depth;
  boost::json::basic_parser<Builder> parser(options, exact);
  boost::json::error_code error;
  const auto read = parser.write_some(false, text.data(), text.size(), error);
  if (!error && read < text.size()) error = make_error_code(boost::json::error::extra_data);
  if (error == boost::json::error::exponent_overflow)
    return fail("json.syntax", fmt::format("invalid JSON at byte {}: a number is beyond 1.7976931348623157e+308, the largest taken", read));
  if (error == boost::json::error::too_deep)
    return fail("json.syntax",
                fmt::format("invalid JSON at byte {}: nested too deep, at most {} arrays and objects within each other are taken", read,
                            max_depth));
  if (const auto at = error ? loneSurrogate(text) : std::nullopt; at && *at <= read)
    return fail("json.syntax",
                fmt::format("invalid JSON at byte {}: {} is half of a surrogate pair without its other half, which no UTF-8 text can hold",
                            *at, text.substr(*at, 6)));
  if (error) return fail("json.syntax", fmt::format("invalid JSON at byte {}: {}", read, error.message()));
  return parser.handler().release();
}

}  // namespace

Result<Value> parse(std::string_view text, std::size_t max_depth) { return parseWith(false, text, max_depth); }
Result<Value> parseExact(std::string_view text, std::size_t max_depth) { return parseWith(true, text, max_depth); }

std::string toText(const Value& value) {
  std::string out;
  append(out, value, -1);
  return out;
}

std::string toText(const Object& value) {
  std::string out = "{";
  for (const auto& member : value) {
    if (out.size() > 1) out += ',';
    appendQuoted(out, {member.key().data(), member.key().size()});
    out += ':';
    append(out, member.value(), -1);
  }
  out += '}';
  return out;
}

std::string toText(const Array& value) {
  std::string out = "[";
  for (const auto& element : value) {
    if (out.size() > 1) out += ',';
    append(out, element, -1);
  }
  out += ']';
  return out;
}

std::string toPrettyText(const Value& value) {
  std::string out;
  append(out, value, 0);
  return out;
}

std::string quote(std::string_view text) {
  std::string out;
  appendQuoted(out, text);
  return out;
}

const Value* find(const Object& object, std::string_view key) {
  return object.if_contains(boost::json::string_view(key.data(), key.size()));
}

std::string textOr(const Object& object, std::string_view key, std::string_view otherwise) {
  const auto* value = find(object, key);
  return value != nullptr && isText(*value) ? toStd(value->get_string()) : std::string(otherwise);
}

std::int64_t intOr(const Object& object, std::string_view key, std::int64_t otherwise) {
  const auto* value = find(object, key);
  return value != nullptr && value->is_int64() ? value->get_int64() : otherwise;
}

bool boolOr(const Object& object, std::string_view key, bool otherwise) {
  const auto* value = find(object, key);
  return value != nullptr && value->is_bool() ? value->get_bool() : otherwise;
}

std::string_view kindName(const Value& value) {
  switch (value.kind()) {
    case boost::json::kind::null: return "null";
    case boost::json::kind::bool_: return "boolean";
    case boost::json::kind::int64:
    case boost::json::kind::uint64:
    case boost::json::kind::double_: return "number";
    case boost::json::kind::string: return isText(value) ? "string" : "number";
    case boost::json::kind::array: return "array";
    case boost::json::kind::object: return "object";
  }
  return "value";
}

std::string Reader::pathOf(std::string_view key) const { return path_.empty() ? std::string(key) : path_ + "." + std::string(key); }

const Value* Reader::take(std::string_view key, bool required) {
  asked_.emplace_back(key);
  const auto* value = find(object_, key);
  if (value != nullptr && value->is_null()) value = nullptr;
  if (value == nullptr && required && !error_) error_ = Error{"json.missing", pathOf(key) + " is missing", {}, nullptr};
  return value;
}

void Reader::wrongType(std::string_view key, std::string_view wanted, const Value& got) {
  if (!error_) error_ = Error{"json.type", fmt::format("{} must be a {}, not a {}", pathOf(key), wanted, kindName(got)), {}, nullptr};
}

std::optional<std::string> Reader::textIf(std::string_view key) {
  const auto* value = take(key, false);
  if (value == nullptr) return std::nullopt;
  if (isText(*value)) return toStd(value->get_string());
  wrongType(key, "string", *value);
  return std::nullopt;
}

std::string Reader::text(std::string_view key) {
  if (take(key, true) == nullptr) return {};
  return textIf(key).value_or("");
}

std::optional<std::int64_t> Reader::integerIf(std::string_view key) {
  const auto* value = take(key, false);
  if (value == nullptr) return std::nullopt;
  if (value->is_int64()) return value->get_int64();
  if (value->is_double()) {
    const double number = value->get_double();
    if (std::floor(number) == number && std::abs(number) < 9e15) return static_cast<std::int64_t>(number);
  }
  wrongType(key, "whole number", *value);
  return std::nullopt;
}

std::int64_t Reader::integer(std::string_view key) {
  if (take(key, true) == nullptr) return 0;
  return integerIf(key).value_or(0);
}

std::optional<bool> Reader::booleanIf(std::string_view key) {
  const auto* value = take(key, false);
  if (value == nullptr) return std::nullopt;
  if (value->is_bool()) return value->get_bool();
  wrongType(key, "boolean", *value);
  return std::nullopt;
}

bool Reader::boolean(std::string_view key) {
  if (take(key, true) == nullptr) return false;
  return booleanIf(key).value_or(false);
}

const Object* Reader::objectIf(std::string_view key) {
  const auto* value = take(key, false);
  if (value == nullptr) return nullptr;
  if (value->is_object()) return &value->get_object();
  wrongType(key, "object", *value);
  return nullptr;
}

const Object* Reader::object(std::string_view key) { return take(key, true) == nullptr ? nullptr : objectIf(key); }

const Array* Reader::arrayIf(std::string_view key) {
  const auto* value = take(key, false);
  if (value == nullptr) return nullptr;
  if (value->is_array()) return &value->get_array();
  wrongType(key, "list", *value);
  return nullptr;
}

const Array* Reader::array(std::string_view key) { return take(key, true) == nullptr ? nullptr : arrayIf(key); }

std::vector<std::string> Reader::textsIf(std::string_view key) {
  std::vector<std::string> texts;
  if (const auto* list = arrayIf(key)) {
    for (const auto& element : *list) {
      if (isText(element)) texts.push_back(toStd(element.get_string()));
      else wrongType(key, "list of strings", element);
    }
  }
  return texts;
}

Result<void> Reader::finish(bool refuse_unknown) {
  if (error_) return std::unexpected(*error_);
  if (!refuse_unknown) return {};
  for (const auto& member : object_) {
    const std::string_view key(member.key().data(), member.key().size());
    if (std::ranges::find(asked_, key) == asked_.end()) return fail("json.unknown", pathOf(key) + " is not a known property");
  }
  return {};
}

}  // namespace sp::json
