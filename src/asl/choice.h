// The rules of a Choice state.
// https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "asl/jsonpath/path.h"
#include "asl/scope.h"
#include "base/clock.h"

namespace sp::asl {

enum class Comparison {
  stringEquals,
  stringLess,
  stringGreater,
  stringLessEq,
  stringGreaterEq,
  stringMatches,
  numericEquals,
  numericLess,
  numericGreater,
  numericLessEq,
  numericGreaterEq,
  booleanEquals,
  timestampEquals,
  timestampLess,
  timestampGreater,
  timestampLessEq,
  timestampGreaterEq,
  isNull,
  isPresent,
  isNumeric,
  isString,
  isBoolean,
  isTimestamp,
};

/// What an operator's name means.
struct Operator {
  std::string_view name;
  Comparison comparison;
  /// The twin ending in "Path": the other side is a path.
  bool path;
};
const Operator* findOperator(std::string_view name);

struct ChoiceRule {
  enum class Kind { all, any, no, test };
  Kind kind = Kind::test;
  std::vector<ChoiceRule> parts;
  Path variable;
  Comparison comparison = Comparison::isPresent;
  json::Value expected;
  std::optional<Path> expected_path;
  /// Of top-level rules: the state to go to, as an index of Definition::states.
  int next = -1;

  /// The error is States.Runtime: a path that names nothing.
  Eval<bool> holds(const Scope& scope) const;
  /// The same; what it says once `work` is used up means nothing.
  Eval<bool> judge(const Scope& scope, Work& work) const;
};

/// A moment in the profile of ISO 8601 that States takes: date, 'T', time and zone; nullopt for anything else.
std::optional<Instant> parseTimestamp(std::string_view text);

}  // namespace sp::asl
