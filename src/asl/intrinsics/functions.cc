// The 18 functions. Arguments come evaluated; what is wrong with them is States.IntrinsicFailure.
#include <cmath>

#include <fmt/format.h>

#include "asl/characters.h"
#include "asl/intrinsics/expression.h"
#include "base/hash.h"
#include "base/strings.h"
#include "json/big_integer.h"

namespace sp::asl {
namespace {

using Arguments = std::vector<json::Value>;
using Outcome = Eval<json::Value>;

// Sizes that AWS documents: an array of ArrayRange, a text to hash or to encode.
constexpr std::int64_t kMaxRange = 1000;
constexpr std::size_t kMaxText = 10000;

json::Value fromText(std::string_view text) { return json::Value(json::String(text.data(), text.size())); }

/// Text and numbers as they are, everything else as JSON.
std::string plainText(const json::Value& value) { return json::isText(value) ? json::toStd(value.get_string()) : json::toText(value); }

std::optional<std::int64_t> wholeNumber(const json::Value& value) {
  if (value.is_int64()) return value.get_int64();
  if (!value.is_double() || std::abs(value.get_double()) > 9e15) return std::nullopt;
  // AWS rounds fractions to the nearest whole number.
  return static_cast<std::int64_t>(std::llround(value.get_double()));
}

std::unexpected<EvalError> badArgument(std::string_view function, std::string_view wanted, const json::Value& got) {
  const auto shown = json::toText(got);
  return intrinsicFailure(
      fmt::format("Invalid arguments in States.{}: {} is expected, not {}", function, wanted, firstCharacters(shown, 200)));
}

Outcome format(Arguments& arguments, Dice&) {
  if (!json::isText(arguments[0])) return badArgument("Format", "a template text", arguments[0]);
  const auto pattern = json::toView(arguments[0].get_string());
  std::string out;
  std::size_t next = 1;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\' && i + 1 < pattern.size() && std::string_view("{}\\'").find(pattern[i + 1]) != std::string_view::npos) {
      out += pattern[++i];
    } else if (pattern[i] == '{' && i + 1 < pattern.size() && pattern[i + 1] == '}') {
      if (next == arguments.size()) return intrinsicFailure("Invalid arguments in States.Format: there are more {} than arguments");
      out += plainText(arguments[next++]);
      ++i;
    } else {
      out += pattern[i];
    }
  }
  if (next != arguments.size()) return intrinsicFailure("Invalid arguments in States.Format: there are more arguments than {}");
  return fromText(out);
}

Outcome stringToJson(Arguments& arguments, Dice&) {
  if (!json::isText(arguments[0])) return badArgument("StringToJson", "a text", arguments[0]);
  const auto text = json::toView(arguments[0].get_string());
  if (trim(text).empty()) return json::Value(nullptr);
  auto value = json::parseExact(text);
  if (!value) return intrinsicFailure(fmt::format("Invalid arguments in States.StringToJson: {}", value.error().message));
  return std::move(*value);
}

Outcome jsonToString(Arguments& arguments, Dice&) { return fromText(json::toText(arguments[0])); }

Outcome array(Arguments& arguments, Dice&) {
  json::Array all;
  for (auto& argument : arguments) all.push_back(std::move(argument));
  return json::Value(std::move(all));
}

Outcome arrayPartition(Arguments& arguments, Dice&) {
  if (!arguments[0].is_array()) return badArgument("ArrayPartition", "an array", arguments[0]);
  const auto size = wholeNumber(arguments[1]);
  if (!size || *size <= 0) return badArgument("ArrayPartition", "a positive size", arguments[1]);
  json::Array parts;
  for (auto& element : arguments[0].get_array()) {
    if (parts.empty() || parts.back().get_array().size() == static_cast<std::size_t>(*size)) parts.emplace_back(json::Array());
    parts.back().get_array().push_back(std::move(element));
  }
  return json::Value(std::move(parts));
}

Outcome arrayContains(Arguments& arguments, Dice&) {
  if (!arguments[0].is_array()) return badArgument("ArrayContains", "an array", arguments[0]);
  return json::Value(std::ranges::any_of(arguments[0].get_array(), [&](const auto& one) { return sameValue(one, arguments[1]); }));
}

Outcome arrayRange(Arguments& arguments, Dice&) {
  std::array<std::int64_t, 3> numbers{};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto number = wholeNumber(arguments[i]);
    if (!number) return badArgument("ArrayRange", "a whole number", arguments[i]);
    numbers[i] = *number;
  }
  const auto [first, last, step] = numbers;
  if (step == 0) return badArgument("ArrayRange", "a step other than 0", arguments[2]);
  json::Array all;
  for (auto n = first; step > 0 ? n <= last : n >= last;) {
    if (static_cast<std::int64_t>(all.size()) == kMaxRange)
      return intrinsicFailure("Invalid arguments in States.ArrayRange: more than 1000 elements");
    all.emplace_back(n);
    if (__builtin_add_overflow(n, step, &n)) break;
  }
  return json::Value(std::move(all));
}

Outcome arrayGetItem(Arguments& arguments, Dice&) {
  if (!arguments[0].is_array()) return badArgument("ArrayGetItem", "an array", arguments[0]);
  const auto index = wholeNumber(arguments[1]);
  if (!index || *index < 0 || *index >= static_cast<std::int64_t>(arguments[0].get_array().size()))
    return badArgument("ArrayGetItem", "an index within the array", arguments[1]);
  return std::move(arguments[0].get_array()[static_cast<std::size_t>(*index)]);
}

Outcome arrayLength(Arguments& arguments, Dice&) {
  if (!arguments[0].is_array()) return badArgument("ArrayLength", "an array", arguments[0]);
  return json::Value(static_cast<std::int64_t>(arguments[0].get_array().size()));
}

// The same text for equal numbers: 2 for 2 and for 2.0.
std::string canonicalNumber(const json::Value& number) {
  if (!number.is_double() || number.get_double() != std::trunc(number.get_double())) return json::toText(number);
  // Zero has no sign here.
  return fmt::format("{:.0f}", number.get_double() == 0 ? 0 : number.get_double());
}

/// The same text for what is sameValue(): members in the order of their names.
void appendCanonical(std::string& out, const json::Value& value) {
  if (value.is_array()) {
    out += '[';
    for (const auto& element : value.get_array()) {
      appendCanonical(out, element);
      out += ',';
    }
    out += ']';
  } else if (value.is_object()) {
    std::map<std::string_view, const json::Value*> members;
    for (const auto& member : value.get_object()) members.emplace(std::string_view(member.key()), &member.value());
    out += '{';
    for (const auto& [name, member] : members) {
      out += json::quote(name) + ':';
      appendCanonical(out, *member);
      out += ',';
    }
    out += '}';
  } else {
    out += json::isNumber(value) ? canonicalNumber(value) : json::toText(value);
  }
}

Outcome arrayUnique(Arguments& arguments, Dice&) {
  if (!arguments[0].is_array()) return badArgument("ArrayUnique", "an array", arguments[0]);
  // By text first: a comparison of each with each would take a large array's square.
  std::set<std::string> seen;
  json::Array all;
  for (auto& element : arguments[0].get_array()) {
    std::string text;
    appendCanonical(text, element);
    if (seen.insert(std::move(text)).second) all.push_back(std::move(element));
  }
  return json::Value(std::move(all));
}

Outcome base64Encode(Arguments& arguments, Dice&) {
  if (!json::isText(arguments[0]) || characterCount(json::toView(arguments[0].get_string())) > kMaxText)
    return badArgument("Base64Encode", "a text of at most 10000 characters", arguments[0]);
  return fromText(toBase64(json::toView(arguments[0].get_string())));
}

Outcome base64Decode(Arguments& arguments, Dice&) {
  if (!json::isText(arguments[0]) || arguments[0].get_string().size() > kMaxText)
    return badArgument("Base64Decode", "a text of at most 10000 characters", arguments[0]);
  const auto bytes = fromBase64(json::toView(arguments[0].get_string()));
  if (!bytes || !isUtf8(*bytes)) return badArgument("Base64Decode", "base64 of a UTF-8 text", arguments[0]);
  return fromText(*bytes);
}

Outcome hash(Arguments& arguments, Dice&) {
  constexpr std::array<std::pair<std::string_view, HashKind>, 5> kKinds = {{{"MD5", HashKind::md5},
                                                                            {"SHA-1", HashKind::sha1},
                                                                            {"SHA-256", HashKind::sha256},
                                                                            {"SHA-384", HashKind::sha384},
                                                                            {"SHA-512", HashKind::sha512}}};
  const auto text = plainText(arguments[0]);
  if (characterCount(text) > kMaxText) return badArgument("Hash", "data of at most 10000 characters", arguments[0]);
  const auto name = plainText(arguments[1]);
  for (const auto& [known, kind] : kKinds)
    if (known == name) return fromText(toHex(digest(kind, text)));
  return badArgument("Hash", "MD5, SHA-1, SHA-256, SHA-384 or SHA-512", arguments[1]);
}

Outcome jsonMerge(Arguments& arguments, Dice&) {
  if (!arguments[0].is_object()) return badArgument("JsonMerge", "an object", arguments[0]);
  if (!arguments[1].is_object()) return badArgument("JsonMerge", "an object", arguments[1]);
  if (!arguments[2].is_bool() || arguments[2].get_bool())
    return badArgument("JsonMerge", "false (only shallow merging exists)", arguments[2]);
  auto merged = std::move(arguments[0].get_object());
  for (auto& member : arguments[1].get_object()) merged[member.key()] = std::move(member.value());
  return json::Value(std::move(merged));
}

Outcome mathRandom(Arguments& arguments, Dice& dice) {
  const auto from = wholeNumber(arguments[0]);
  const auto to = wholeNumber(arguments[1]);
  if (!from) return badArgument("MathRandom", "a whole number", arguments[0]);
  if (!to || *to <= *from) return badArgument("MathRandom", "an end after the start", arguments[1]);
  auto fraction = dice.fraction();
  if (arguments.size() == 3) {
    const auto seed = wholeNumber(arguments[2]);
    if (!seed) return badArgument("MathRandom", "a whole number as seed", arguments[2]);
    fraction = Dice(static_cast<std::uint64_t>(*seed)).fraction();
  }
  // Without signs: the distance of any two numbers fits.
  const auto span = static_cast<std::uint64_t>(*to) - static_cast<std::uint64_t>(*from);
  const auto offset = std::min(static_cast<std::uint64_t>(fraction * static_cast<double>(span)), span - 1);
  return json::Value(static_cast<std::int64_t>(static_cast<std::uint64_t>(*from) + offset));
}

Outcome mathAdd(Arguments& arguments, Dice&) {
  const auto a = wholeNumber(arguments[0]);
  const auto b = wholeNumber(arguments[1]);
  if (!a) return badArgument("MathAdd", "a whole number", arguments[0]);
  if (!b) return badArgument("MathAdd", "a whole number", arguments[1]);
  std::int64_t sum = 0;
  if (__builtin_add_overflow(*a, *b, &sum)) return badArgument("MathAdd", "a sum within 64 bits", arguments[1]);
  return json::Value(sum);
}

Outcome stringSplit(Arguments& arguments, Dice&) {
  if (!json::isText(arguments[0])) return badArgument("StringSplit", "a text", arguments[0]);
  if (!json::isText(arguments[1])) return badArgument("StringSplit", "separators as a text", arguments[1]);
  // A set: looking each character up in a long text of separators would take the product of both.
  std::set<std::string_view> separators;
  for (auto rest = json::toView(arguments[1].get_string()); !rest.empty(); rest.remove_prefix(firstCharacters(rest, 1).size()))
    separators.insert(firstCharacters(rest, 1));
  const auto text = json::toView(arguments[0].get_string());
  json::Array parts;
  std::size_t begin = 0;
  const auto endPart = [&](std::size_t end) {
    // Empty parts are left out.
    if (end > begin) parts.push_back(fromText(text.substr(begin, end - begin)));
  };
  for (std::size_t i = 0; i < text.size();) {
    const auto character = firstCharacters(text.substr(i), 1);
    if (separators.contains(character)) {
      endPart(i);
      begin = i + character.size();
    }
    i += character.size();
  }
  endPart(text.size());
  return json::Value(std::move(parts));
}

Outcome uuid(Arguments&, Dice& dice) {
  const auto high = dice.next();
  const auto low = dice.next();
  return fromText(fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", high >> 32U, (high >> 16U) & 0xffffU, high & 0xfffU,
                              ((low >> 48U) & 0x3fffU) | 0x8000U, low & 0xffffffffffffU));
}

constexpr std::size_t kMany = 1000;
/// Each value is written as a text, or each character looked at: some 0.3 µs a place.
constexpr int kByText = 6;
constexpr std::array kIntrinsics = {
    Intrinsic{"Array", array, 0, kMany},
    Intrinsic{"ArrayContains", arrayContains, 2, 2},
    Intrinsic{"ArrayGetItem", arrayGetItem, 2, 2},
    Intrinsic{"ArrayLength", arrayLength, 1, 1},
    Intrinsic{"ArrayPartition", arrayPartition, 2, 2},
    Intrinsic{"ArrayRange", arrayRange, 3, 3},
    Intrinsic{"ArrayUnique", arrayUnique, 1, 1, kByText},
    Intrinsic{"Base64Decode", base64Decode, 1, 1},
    Intrinsic{"Base64Encode", base64Encode, 1, 1},
    Intrinsic{"Format", format, 1, kMany},
    Intrinsic{"Hash", hash, 2, 2, kByText},
    Intrinsic{"JsonMerge", jsonMerge, 3, 3},
    Intrinsic{"JsonToString", jsonToString, 1, 1, kByText},
    Intrinsic{"MathAdd", mathAdd, 2, 2},
    Intrinsic{"MathRandom", mathRandom, 2, 3},
    Intrinsic{"StringSplit", stringSplit, 2, 2, kByText},
    Intrinsic{"StringToJson", stringToJson, 1, 1, kByText},
    Intrinsic{"UUID", uuid, 0, 0},
};

}  // namespace

const Intrinsic* findIntrinsic(std::string_view name) {
  const auto* found = std::ranges::find(kIntrinsics, name, &Intrinsic::name);
  return found == kIntrinsics.end() ? nullptr : found;
}

}  // namespace sp::asl
