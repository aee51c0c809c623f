#include "asl/intrinsics/expression.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "json/big_integer.h"

namespace sp::asl {

constexpr std::size_t kMaxDepth = 10;
constexpr std::size_t kMaxArguments = 1000;

class ExpressionReader {
 public:
  explicit ExpressionReader(std::string_view text) : whole_(text), rest_(text) {}

  Result<Expression> whole() {
    auto found = argument(0);
    if (!found) return found;
    skipBlanks();
    if (!rest_.empty()) return bad("unexpected text after its end");
    if (found->kind_ == Expression::Kind::literal) return bad("it is no path and no call");
    found->text_ = whole_;
    return found;
  }

 private:
  std::unexpected<Error> bad(std::string_view why) const {
    return fail("asl.intrinsic", fmt::format("'{}' is not a valid intrinsic function call: {}", cutText(whole_, 256), why));
  }

  Result<Expression> argument(std::size_t depth) {
    skipBlanks();
    if (rest_.starts_with("$")) return path();
    if (rest_.starts_with("'")) return text();
    if (Expression::looksLikeCall(rest_)) return call(depth);
    return literal();
  }

  Result<Expression> path() {
    int depth = 0;
    char quote = 0;
    std::size_t end = 0;
    for (; end < rest_.size(); ++end) {
      const char c = rest_[end];
      if (quote != 0) {
        if (c == '\\') ++end;
        else if (c == quote) quote = 0;
      } else if (depth > 0 && (c == '\'' || c == '"' || (c == '/' && Path::beginsPattern(rest_.substr(0, end))))) {
        quote = c;
      } else if (c == '[' || (depth > 0 && c == '(')) {
        ++depth;
      } else if (c == ']' || (depth > 0 && c == ')')) {
        --depth;
      } else if (depth == 0 && (c == ',' || c == ')' || c == ' ')) {
        break;
      }
    }
    end = std::min(end, rest_.size());
    Expression found;
    found.kind_ = Expression::Kind::path;
    SP_TRY(found.path_, Path::parse(rest_.substr(0, end)));
    rest_.remove_prefix(end);
    return found;
  }

  Result<Expression> text() {
    std::string plain;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '\'') {
        rest_.remove_prefix(i + 1);
        Expression found;
        found.literal_ = json::Value(json::String(plain));
        return found;
      }
      // \' \{ \} \\ stand for themselves; Format needs to know which braces were escaped, so it gets those as they are.
      if (rest_[i] == '\\' && i + 1 < rest_.size()) {
        ++i;
        if (rest_[i] != '\'') plain += '\\';
      }
      plain += rest_[i];
    }
    return bad("a quote is not closed");
  }

  Result<Expression> literal() {
    const auto end = std::min(rest_.find_first_of(",) "), rest_.size());
    auto value = json::parseExact(rest_.substr(0, end), 1);
    if (!value || json::isText(*value) || value->is_structured())
      return bad(fmt::format("'{}' is no path, text in single quotes, number, boolean, null or call", rest_.substr(0, end)));
    Expression found;
    found.literal_ = std::move(*value);
    rest_.remove_prefix(end);
    return found;
  }

  Result<Expression> call(std::size_t depth) {
    if (depth >= kMaxDepth) return bad("calls are nested more than 10 deep");
    rest_.remove_prefix(std::string_view("States.").size());
    const auto open = rest_.find('(');
    if (open == std::string_view::npos) return bad("'(' is missing");
    const auto name = rest_.substr(0, open);
    const auto* intrinsic = findIntrinsic(name);
    if (intrinsic == nullptr) return bad(fmt::format("there is no function States.{}", name));
    rest_.remove_prefix(open + 1);
    Expression found;
    found.kind_ = Expression::Kind::call;
    found.function_ = intrinsic;
    skipBlanks();
    while (!rest_.starts_with(")")) {
      if (found.arguments_.size() == kMaxArguments) return bad("it has more than 1000 arguments");
      SP_TRY(auto next, argument(depth + 1));
      // Texts that are not Format's template have their escapes resolved.
      const bool is_template = name == "Format" && found.arguments_.empty();
      if (next.kind_ == Expression::Kind::literal && json::isText(next.literal_) && !is_template) unescape(next.literal_);
      found.arguments_.push_back(std::move(next));
      skipBlanks();
      if (rest_.starts_with(",")) {
        rest_.remove_prefix(1);
        skipBlanks();
        if (rest_.starts_with(")")) return bad("an argument is missing after ','");
      } else if (!rest_.starts_with(")")) {
        return bad("',' or ')' is missing");
      }
    }
    rest_.remove_prefix(1);
    if (found.arguments_.size() < intrinsic->fewest || found.arguments_.size() > intrinsic->most)
      return bad(fmt::format("States.{} does not take {} arguments", name, found.arguments_.size()));
    return found;
  }

  static void unescape(json::Value& literal) {
    std::string plain;
    const auto escaped = json::toView(literal.get_string());
    for (std::size_t i = 0; i < escaped.size(); ++i) {
      if (escaped[i] == '\\' && i + 1 < escaped.size()) {
        const char c = escaped[i + 1];
        if (c == '{' || c == '}' || c == '\\') ++i;
      }
      plain += escaped[i];
    }
    literal = json::Value(json::String(plain));
  }

  void skipBlanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t' || rest_.front() == '\n')) rest_.remove_prefix(1);
  }

  std::string_view whole_;
  std::string_view rest_;
};

Result<Expression> Expression::parse(std::string_view text) { return ExpressionReader(text).whole(); }

bool needsExecutionInput(const Path& path) {
  const auto& steps = path.steps();
  const auto isName = [&steps](std::size_t i, std::string_view name) {
    return steps[i].kind == PathStep::Kind::names && !steps[i].deep && steps[i].names.size() == 1 && steps[i].names[0] == name;
  };
  const auto isPlain = [&steps](std::size_t i) {
    return steps[i].kind == PathStep::Kind::names && !steps[i].deep && steps[i].names.size() == 1;
  };
  if (steps.empty() || !isPlain(0)) return true;
  if (!isName(0, "Execution")) return false;
  return steps.size() < 2 || !isPlain(1) || isName(1, "Input");
}

Eval<json::Value> readForField(const Path& path, const Scope& scope, std::string_view field) {
  const auto& root = path.context() ? scope.context.context(needsExecutionInput(path)) : scope.input;
  auto value = path.read(root, scope.work);
  if (value) return std::move(*value);
  if (scope.work != nullptr && scope.work->exhausted()) return runtimeError(path.tooMuch(scope.work->most()));
  return runtimeError(fmt::format("The JSONPath '{}' specified for the field '{}' could not be found in the input '{}'", path.text(), field,
                                  json::toText(root)));
}

namespace {

// A path that stands as an argument: the error names the whole expression, as written.
Eval<json::Value> readForCall(const Path& path, const Scope& scope, std::string_view whole) {
  const auto& root = path.context() ? scope.context.context(needsExecutionInput(path)) : scope.input;
  auto value = path.read(root, scope.work);
  if (value) return std::move(*value);
  if (scope.work != nullptr && scope.work->exhausted()) return runtimeError(path.tooMuch(scope.work->most()));
  return runtimeError(fmt::format(
      "The function '{}' had the following error: The JsonPath argument for the field '{}' could not be found in the input '{}'", whole,
      path.text(), json::toText(root)));
}

}  // namespace

// What it reads and what it makes count for the state's work: no definition holds others up by calls.
Eval<json::Value> Expression::call(std::vector<json::Value>& arguments, const Scope& scope) const {
  const auto exhausted = [&] {
    return runtimeError(fmt::format("the function 'States.{}' reads or makes more than the {} places that one state may look at",
                                    function_->name, scope.work->most()));
  };
  if (scope.work != nullptr)
    for (const auto& argument : arguments) {
      const auto before = scope.work->used();
      if (!scope.work->spendCopy(argument) || !scope.work->spend((scope.work->used() - before) * (function_->weight - 1)))
        return exhausted();
    }
  auto made = function_->function(arguments, scope.dice);
  if (scope.work != nullptr && made && !scope.work->spendCopy(*made)) return exhausted();
  return made;
}

Eval<json::Value> Expression::evaluate(const Scope& scope, std::string_view field) const {
  if (kind_ == Kind::path) return readForField(path_, scope, field);
  const auto value = [&](const auto& self, const Expression& one) -> Eval<json::Value> {
    switch (one.kind_) {
      case Kind::literal: return one.literal_;
      case Kind::path: return readForCall(one.path_, scope, text_);
      case Kind::call: break;
    }
    std::vector<json::Value> arguments;
    arguments.reserve(one.arguments_.size());
    for (const auto& argument : one.arguments_) {
      auto made = self(self, argument);
      if (!made) return made;
      arguments.push_back(std::move(*made));
    }
    return one.call(arguments, scope);
  };
  return value(value, *this);
}

}  // namespace sp::asl
