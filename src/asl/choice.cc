#include "asl/choice.h"

#include <fmt/format.h>

#include "asl/intrinsics/expression.h"
#include "base/time_format.h"
#include "json/big_integer.h"

namespace sp::asl {
namespace {

constexpr std::array kOperators = {
    Operator{"StringEquals", Comparison::stringEquals, false},
    Operator{"StringEqualsPath", Comparison::stringEquals, true},
    Operator{"StringLessThan", Comparison::stringLess, false},
    Operator{"StringLessThanPath", Comparison::stringLess, true},
    Operator{"StringGreaterThan", Comparison::stringGreater, false},
    Operator{"StringGreaterThanPath", Comparison::stringGreater, true},
    Operator{"StringLessThanEquals", Comparison::stringLessEq, false},
    Operator{"StringLessThanEqualsPath", Comparison::stringLessEq, true},
    Operator{"StringGreaterThanEquals", Comparison::stringGreaterEq, false},
    Operator{"StringGreaterThanEqualsPath", Comparison::stringGreaterEq, true},
    Operator{"StringMatches", Comparison::stringMatches, false},
    Operator{"NumericEquals", Comparison::numericEquals, false},
    Operator{"NumericEqualsPath", Comparison::numericEquals, true},
    Operator{"NumericLessThan", Comparison::numericLess, false},
    Operator{"NumericLessThanPath", Comparison::numericLess, true},
    Operator{"NumericGreaterThan", Comparison::numericGreater, false},
    Operator{"NumericGreaterThanPath", Comparison::numericGreater, true},
    Operator{"NumericLessThanEquals", Comparison::numericLessEq, false},
    Operator{"NumericLessThanEqualsPath", Comparison::numericLessEq, true},
    Operator{"NumericGreaterThanEquals", Comparison::numericGreaterEq, false},
    Operator{"NumericGreaterThanEqualsPath", Comparison::numericGreaterEq, true},
    Operator{"BooleanEquals", Comparison::booleanEquals, false},
    Operator{"BooleanEqualsPath", Comparison::booleanEquals, true},
    Operator{"TimestampEquals", Comparison::timestampEquals, false},
    Operator{"TimestampEqualsPath", Comparison::timestampEquals, true},
    Operator{"TimestampLessThan", Comparison::timestampLess, false},
    Operator{"TimestampLessThanPath", Comparison::timestampLess, true},
    Operator{"TimestampGreaterThan", Comparison::timestampGreater, false},
    Operator{"TimestampGreaterThanPath", Comparison::timestampGreater, true},
    Operator{"TimestampLessThanEquals", Comparison::timestampLessEq, false},
    Operator{"TimestampLessThanEqualsPath", Comparison::timestampLessEq, true},
    Operator{"TimestampGreaterThanEquals", Comparison::timestampGreaterEq, false},
    Operator{"TimestampGreaterThanEqualsPath", Comparison::timestampGreaterEq, true},
    Operator{"IsNull", Comparison::isNull, false},
    Operator{"IsPresent", Comparison::isPresent, false},
    Operator{"IsNumeric", Comparison::isNumeric, false},
    Operator{"IsString", Comparison::isString, false},
    Operator{"IsBoolean", Comparison::isBoolean, false},
    Operator{"IsTimestamp", Comparison::isTimestamp, false},
};

// '*' is any run of characters, '\*' and '\\' stand for themselves. Goes back to the last '*' only: linear in practice, and false
// once `work` is used up.
bool matchesPattern(std::string_view pattern, std::string_view text, Work& work) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_text = 0;
  while (t < text.size() && work.spend(1)) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
      continue;
    }
    const bool escaped = p + 1 < pattern.size() && pattern[p] == '\\' && (pattern[p + 1] == '*' || pattern[p + 1] == '\\');
    const std::size_t at = escaped ? p + 1 : p;
    if (at < pattern.size() && pattern[at] == text[t]) {
      p = at + 1;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return t == text.size() && p == pattern.size();
}

bool ordered(Comparison comparison, std::strong_ordering order) {
  switch (comparison) {
    case Comparison::stringLess:
    case Comparison::numericLess:
    case Comparison::timestampLess: return order < 0;
    case Comparison::stringGreater:
    case Comparison::numericGreater:
    case Comparison::timestampGreater: return order > 0;
    case Comparison::stringLessEq:
    case Comparison::numericLessEq:
    case Comparison::timestampLessEq: return order <= 0;
    case Comparison::stringGreaterEq:
    case Comparison::numericGreaterEq:
    case Comparison::timestampGreaterEq: return order >= 0;
    default: return order == 0;
  }
}

bool compare(Comparison comparison, const json::Value& value, const json::Value& expected, Work& work) {
  if (comparison == Comparison::booleanEquals) return value.is_bool() && expected.is_bool() && value.get_bool() == expected.get_bool();
  if (comparison >= Comparison::numericEquals && comparison <= Comparison::numericGreaterEq)
    return json::isNumber(value) && json::isNumber(expected) && ordered(comparison, json::compareNumbers(value, expected));
  if (!json::isText(value) || !json::isText(expected)) return false;
  const auto a = json::toView(value.get_string());
  const auto b = json::toView(expected.get_string());
  if (comparison == Comparison::stringMatches) return matchesPattern(b, a, work);
  if (comparison <= Comparison::stringGreaterEq) return ordered(comparison, a <=> b);
  const auto x = parseTimestamp(a);
  const auto y = parseTimestamp(b);
  return x && y && ordered(comparison, *x <=> *y);
}

const json::Value& rootOf(const Path& path, const Scope& scope) {
  return path.context() ? scope.context.context(needsExecutionInput(path)) : scope.input;
}

bool isOfKind(Comparison comparison, const json::Value& value) {
  switch (comparison) {
    case Comparison::isNull: return value.is_null();
    case Comparison::isNumeric: return json::isNumber(value);
    case Comparison::isString: return json::isText(value);
    case Comparison::isBoolean: return value.is_bool();
    default: return json::isText(value) && parseTimestamp(json::toView(value.get_string())).has_value();
  }
}

std::unexpected<EvalError> invalidReference(const Path& path) {
  return runtimeError(fmt::format("Invalid path '{}': The choice state's condition path references an invalid value.", path.text()));
}

}  // namespace

const Operator* findOperator(std::string_view name) {
  const auto* found = std::ranges::find(kOperators, name, &Operator::name);
  return found == kOperators.end() ? nullptr : found;
}

std::optional<Instant> parseTimestamp(std::string_view text) {
  if (text.size() < 20 || text[10] != 'T') return std::nullopt;
  const auto tail = text.substr(19);
  const auto zone = tail.find_first_of("Z+-");
  if (zone == std::string_view::npos) return std::nullopt;
  // "Z" or "+01:00"; other times that AWS writes have "+0100".
  if (tail[zone] != 'Z' && (tail.size() - zone != 6 || tail[zone + 3] != ':')) return std::nullopt;
  const auto moment = parseIso8601(text);
  return moment ? std::optional(*moment) : std::nullopt;
}

Eval<bool> ChoiceRule::holds(const Scope& scope) const {
  Work unbounded;
  auto& work = scope.work == nullptr ? unbounded : *scope.work;
  const auto held = judge(scope, work);
  if (work.exhausted())
    return runtimeError(fmt::format("the Choice looks at more than the {} places that one state may look at", work.most()));
  return held;
}

Eval<bool> ChoiceRule::judge(const Scope& scope, Work& work) const {
  if (kind == Kind::no) {
    const auto inner = parts.front().judge(scope, work);
    if (!inner) return inner;
    return !*inner;
  }
  if (kind != Kind::test) {
    for (const auto& part : parts) {
      const auto held = part.judge(scope, work);
      if (!held) return held;
      if (*held == (kind == Kind::any)) return *held;
    }
    return kind == Kind::all;
  }
  if (!work.spend(1)) return false;
  json::Value many;
  const json::Value* value = nullptr;
  if (variable.definite()) {
    value = variable.find(rootOf(variable, scope));
  } else if (auto read = variable.read(rootOf(variable, scope), &work)) {
    many = std::move(*read);
    if (!many.is_array() || !many.get_array().empty()) value = &many;
  }
  if (comparison == Comparison::isPresent) return (value != nullptr) == (expected.is_bool() && expected.get_bool());
  if (value == nullptr) return invalidReference(variable);
  if (comparison > Comparison::isPresent || comparison == Comparison::isNull)
    return isOfKind(comparison, *value) == (expected.is_bool() && expected.get_bool());
  if (!expected_path) return compare(comparison, *value, expected, work);
  auto other = expected_path->read(rootOf(*expected_path, scope), &work);
  if (!other) return invalidReference(*expected_path);
  return compare(comparison, *value, *other, work);
}

}  // namespace sp::asl
