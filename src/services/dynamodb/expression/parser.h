// From text to what it says. Grammar:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
#pragma once
#include <expected>
#include <memory>
#include <string_view>
#include <vector>

#include "aws/api_error.h"
#include "services/dynamodb/expression/ast.h"
#include "services/dynamodb/expression/lexer.h"

namespace sp::dynamodb {

/// Longest expression, bytes; most operators and functions in one; deepest nesting. The first two are AWS's.
inline constexpr std::size_t kExpressionMax = 4096;
inline constexpr int kOperatorsMax = 300;

/// Recursive descent over the tokens. One parser for all kinds of expressions: each kind is a method that begins it.
/// Errors have no "Invalid …Expression: " in front.
class Parser {
 public:
  template <class T>
  using Parsed = std::expected<T, aws::ApiError>;

  /// `text` must outlive the parser.
  static Parsed<Parser> make(std::string_view text);

  /// Condition, filter and key condition expressions.
  Parsed<std::unique_ptr<Condition>> condition();
  /// Projection expressions: paths with commas between.
  Parsed<std::vector<Path>> projection();
  /// Update expressions: SET, REMOVE, ADD and DELETE clauses, each at most once.
  Parsed<Update> update();

 private:
  Parser(std::string_view text, std::vector<Token> tokens) : text_(text), tokens_(std::move(tokens)) {}

  using Node = std::unique_ptr<Condition>;
  Parsed<Node> disjunction(int depth);
  Parsed<Node> conjunction(int depth);
  Parsed<Node> negation(int depth);
  Parsed<Node> primary(int depth);
  Parsed<Node> group(int depth);
  Parsed<Node> comparison(int depth);
  Parsed<Node> between(Operand first, int depth);
  Parsed<Node> in(Operand first, int depth);
  Parsed<Operand> operand(int depth);
  Parsed<Operand> call(int depth);
  Parsed<Path> path();
  Parsed<void> clause(UpdateAction::Kind kind, Update& into);
  Parsed<void> setValue(UpdateAction& action);
  Parsed<void> expect(std::string_view symbol);
  Parsed<void> expectEnd();
  Parsed<void> countOperator();

  const Token& now() const { return tokens_[at_]; }
  const Token& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  bool takeSymbol(std::string_view symbol);
  bool takeWord(std::string_view keyword);
  std::unexpected<aws::ApiError> unexpectedToken() const;

  std::string_view text_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int operators_ = 0;
};

}  // namespace sp::dynamodb
