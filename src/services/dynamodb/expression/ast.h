// What an expression says, after parsing and after its placeholders were put in.
#pragma once
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "json/json.h"

namespace sp::dynamodb {

/// "a.b[3].#c": names and list positions, at least one name first.
struct Path {
  using Step = std::variant<std::string, std::size_t>;
  std::vector<Step> steps;

  const std::string& root() const { return std::get<std::string>(steps.front()); }
  /// AWS's form in messages: [a, b, [3], c].
  std::string text() const;
  bool operator==(const Path&) const = default;
};

struct Function;

/// One side of a comparison or an argument.
struct Operand {
  /// Path: a document path. String: the placeholder of a value (":v") as written. Function: a call such as size(a).
  std::variant<Path, std::string, std::unique_ptr<Function>> what;
  /// The value of the placeholder; set by resolve().
  const json::Value* value = nullptr;

  const Path* path() const { return std::get_if<Path>(&what); }
  const std::string* placeholder() const { return std::get_if<std::string>(&what); }
  const Function* function() const;
};

struct Function {
  std::string name;
  std::vector<Operand> arguments;
};

inline const Function* Operand::function() const {
  const auto* held = std::get_if<std::unique_ptr<Function>>(&what);
  return held == nullptr ? nullptr : held->get();
}

/// A condition. `op` is "=", "<>", "<", "<=", ">", ">=", "BETWEEN", "IN" (operands), a function's name with op "call"
/// (operands holds that one function), or "AND", "OR", "NOT" (children).
struct Condition {
  std::string op;
  std::vector<Operand> operands;
  std::vector<std::unique_ptr<Condition>> children;
};

/// One thing an update does.
struct UpdateAction {
  enum class Kind { set, remove, add, erase };
  Kind kind = Kind::set;
  Path path;
  /// set: the value, or the two sides of `arithmetic`. add, erase: the one value. remove: none.
  std::vector<Operand> operands;
  /// '+', '-' or 0.
  char arithmetic = '\0';
};

/// An update: its actions in the order written.
struct Update {
  std::vector<UpdateAction> actions;
};

}  // namespace sp::dynamodb
