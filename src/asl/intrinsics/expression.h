// Intrinsic functions ("States.Format('{}', $.a)"): parsed once, evaluated against a scope.
// https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "asl/jsonpath/path.h"
#include "asl/scope.h"
#include "base/result.h"
#include "json/json.h"

namespace sp::asl {

/// A path, a literal or a call.
class Expression {
 public:
  /// "$.a", "$$.State.Name" or "States.X(…)", nested at most 10 deep. Error code "asl.path" or "asl.intrinsic".
  static Result<Expression> parse(std::string_view text);
  /// Whether the text looks like a call of an intrinsic function.
  static bool looksLikeCall(std::string_view text) { return text.starts_with("States."); }

  /// `field` names the place in the definition for the error ("x.$").
  Eval<json::Value> evaluate(const Scope& scope, std::string_view field) const;
  const std::string& text() const { return text_; }

  using Function = Eval<json::Value> (*)(std::vector<json::Value>& arguments, Dice& dice);

 private:
  friend class ExpressionReader;
  Eval<json::Value> call(std::vector<json::Value>& arguments, const Scope& scope) const;
  enum class Kind { path, literal, call };
  Kind kind_ = Kind::literal;
  std::string text_;
  Path path_;
  json::Value literal_;
  const struct Intrinsic* function_ = nullptr;
  std::vector<Expression> arguments_;
};

/// The value at `path` (input or context), or the error of a Parameters field that names nothing.
Eval<json::Value> readForField(const Path& path, const Scope& scope, std::string_view field);
/// Whether evaluating this context path needs Execution.Input.
bool needsExecutionInput(const Path& path);

/// A function by its name after "States."; nullptr if there is none. `fewest` and `most` arguments it takes; `weight`: how often its work
/// counts what its arguments hold.
struct Intrinsic {
  std::string_view name;
  Expression::Function function;
  std::size_t fewest;
  std::size_t most;
  int weight = 1;
};
const Intrinsic* findIntrinsic(std::string_view name);

inline std::unexpected<EvalError> intrinsicFailure(std::string cause) {
  return std::unexpected(EvalError{"States.IntrinsicFailure", std::move(cause)});
}

}  // namespace sp::asl
