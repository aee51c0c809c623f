#include "services/dynamodb/expression/parser.h"

#include <array>

#include <fmt/format.h>

#include "base/strings.h"

namespace sp::dynamodb {
namespace {

constexpr int kDepthMax = 150;
/// Values that one IN compares with.
constexpr std::size_t kInMax = 100;
constexpr std::array<std::string_view, 5> kKeywords = {"AND", "OR", "NOT", "BETWEEN", "IN"};
struct Clause {
  std::string_view word;
  UpdateAction::Kind kind;
};
constexpr std::array<Clause, 4> kClauses = {{{"SET", UpdateAction::Kind::set},
                                             {"REMOVE", UpdateAction::Kind::remove},
                                             {"ADD", UpdateAction::Kind::add},
                                             {"DELETE", UpdateAction::Kind::erase}}};
constexpr std::array<std::string_view, 6> kComparators = {"=", "<>", "<", "<=", ">", ">="};

std::unexpected<aws::ApiError> invalid(std::string message) { return std::unexpected(aws::ApiError::validation(std::move(message))); }

bool isKeyword(const Token& token) {
  return std::ranges::any_of(kKeywords, [&](auto keyword) { return token.isWord(keyword); });
}

std::unique_ptr<Condition> join(std::string op, std::unique_ptr<Condition> left, std::unique_ptr<Condition> right) {
  auto node = std::make_unique<Condition>();
  node->op = std::move(op);
  node->children.push_back(std::move(left));
  if (right) node->children.push_back(std::move(right));
  return node;
}

}  // namespace

std::string Path::text() const {
  std::string out = "[";
  for (const auto& step : steps) {
    if (out.size() > 1) out += ", ";
    if (const auto* name = std::get_if<std::string>(&step)) out += *name;
    else out += fmt::format("[{}]", std::get<std::size_t>(step));
  }
  return out + "]";
}

Parser::Parsed<Parser> Parser::make(std::string_view text) {
  if (trim(text).empty()) return invalid("The expression can not be empty;");
  if (text.size() > kExpressionMax)
    return invalid(fmt::format("Expression size has exceeded the maximum allowed size; expression size: {}", text.size()));
  SP_TRY(auto tokens, tokenize(text));
  return Parser(text, std::move(tokens));
}

std::unexpected<aws::ApiError> Parser::unexpectedToken() const { return invalid(syntaxError(text_, tokens_, at_)); }

bool Parser::takeSymbol(std::string_view symbol) {
  if (!now().is(symbol)) return false;
  ++at_;
  return true;
}

bool Parser::takeWord(std::string_view keyword) {
  if (!now().isWord(keyword)) return false;
  ++at_;
  return true;
}

Parser::Parsed<void> Parser::expect(std::string_view symbol) {
  if (!takeSymbol(symbol)) return unexpectedToken();
  return {};
}

Parser::Parsed<void> Parser::expectEnd() {
  if (now().kind != TokenKind::end) return unexpectedToken();
  return {};
}

Parser::Parsed<void> Parser::countOperator() {
  if (++operators_ > kOperatorsMax)
    return invalid(fmt::format("The expression contains more operators than the maximum number allowed; maximum number of operators: {}",
                               kOperatorsMax));
  return {};
}

Parser::Parsed<Parser::Node> Parser::condition() {
  SP_TRY(auto node, disjunction(0));
  SP_CHECK_OK(expectEnd());
  return node;
}

Parser::Parsed<std::vector<Path>> Parser::projection() {
  std::vector<Path> paths;
  do {
    SP_TRY(auto one, path());
    paths.push_back(std::move(one));
  } while (takeSymbol(","));
  SP_CHECK_OK(expectEnd());
  return paths;
}

Parser::Parsed<Update> Parser::update() {
  Update out;
  std::array<bool, kClauses.size()> seen{};
  do {
    const auto found = std::ranges::find_if(kClauses, [&](const auto& one) { return now().isWord(one.word); });
    if (found == kClauses.end()) return unexpectedToken();
    auto& twice = seen.at(static_cast<std::size_t>(found - kClauses.begin()));
    if (twice) return invalid(fmt::format("The \"{}\" section can only be used once in an update expression;", found->word));
    twice = true;
    ++at_;
    SP_CHECK_OK(clause(found->kind, out));
  } while (now().kind != TokenKind::end);
  return out;
}

Parser::Parsed<void> Parser::clause(UpdateAction::Kind kind, Update& into) {
  do {
    UpdateAction action;
    action.kind = kind;
    SP_TRY(action.path, path());
    if (kind == UpdateAction::Kind::set) {
      SP_CHECK_OK(expect("="));
      SP_CHECK_OK(setValue(action));
    } else if (kind != UpdateAction::Kind::remove) {
      if (now().kind != TokenKind::value_holder) return unexpectedToken();
      SP_TRY(auto value, operand(0));
      action.operands.push_back(std::move(value));
    }
    into.actions.push_back(std::move(action));
  } while (takeSymbol(","));
  return {};
}

// "operand", "operand + operand", "operand - operand", perhaps in parentheses.
Parser::Parsed<void> Parser::setValue(UpdateAction& action) {
  const bool enclosed = takeSymbol("(");
  if (enclosed && now().is("(")) return invalid("The expression has redundant parentheses;");
  SP_TRY(auto first, operand(0));
  action.operands.push_back(std::move(first));
  for (const char sign : {'+', '-'}) {
    if (!takeSymbol(std::string_view(&sign, 1))) continue;
    SP_CHECK_OK(countOperator());
    action.arithmetic = sign;
    SP_TRY(auto second, operand(0));
    action.operands.push_back(std::move(second));
    break;
  }
  return enclosed ? expect(")") : Parsed<void>{};
}

Parser::Parsed<Parser::Node> Parser::disjunction(int depth) {
  SP_TRY(auto left, conjunction(depth));
  while (takeWord("OR")) {
    SP_CHECK_OK(countOperator());
    SP_TRY(auto right, conjunction(depth));
    left = join("OR", std::move(left), std::move(right));
  }
  return left;
}

Parser::Parsed<Parser::Node> Parser::conjunction(int depth) {
  SP_TRY(auto left, negation(depth));
  while (takeWord("AND")) {
    SP_CHECK_OK(countOperator());
    SP_TRY(auto right, negation(depth));
    left = join("AND", std::move(left), std::move(right));
  }
  return left;
}

Parser::Parsed<Parser::Node> Parser::negation(int depth) {
  if (depth > kDepthMax) return invalid(fmt::format("The expression nests too deeply; deepest nesting allowed: {}", kDepthMax));
  if (!takeWord("NOT")) return primary(depth);
  SP_CHECK_OK(countOperator());
  SP_TRY(auto inner, negation(depth + 1));
  return join("NOT", std::move(inner), nullptr);
}

Parser::Parsed<Parser::Node> Parser::primary(int depth) {
  if (now().is("(")) return group(depth);
  return comparison(depth);
}

// "(condition)"; a pair of parentheses directly inside another says nothing, and AWS refuses it.
Parser::Parsed<Parser::Node> Parser::group(int depth) {
  ++at_;
  const bool doubled = now().is("(");
  const auto inner_at = at_;
  SP_TRY(auto node, disjunction(depth + 1));
  if (doubled) {
    int open = 0;
    auto i = inner_at;
    do { open += tokens_[i].is("(") ? 1 : tokens_[i].is(")") ? -1 : 0; } while (open > 0 && ++i < at_);
    if (i + 1 == at_) return invalid("The expression has redundant parentheses;");
  }
  SP_CHECK_OK(expect(")"));
  return node;
}

Parser::Parsed<Parser::Node> Parser::comparison(int depth) {
  SP_TRY(auto first, operand(depth + 1));
  if (takeWord("BETWEEN")) return between(std::move(first), depth);
  if (takeWord("IN")) return in(std::move(first), depth);
  auto node = std::make_unique<Condition>();
  node->operands.push_back(std::move(first));
  for (const auto comparator : kComparators) {
    if (!takeSymbol(comparator)) continue;
    SP_CHECK_OK(countOperator());
    SP_TRY(auto second, operand(depth + 1));
    node->op = comparator;
    node->operands.push_back(std::move(second));
    return node;
  }
  if (node->operands.front().function() == nullptr) return unexpectedToken();
  node->op = "call";
  return node;
}

Parser::Parsed<Parser::Node> Parser::between(Operand first, int depth) {
  SP_CHECK_OK(countOperator());
  auto node = std::make_unique<Condition>();
  node->op = "BETWEEN";
  node->operands.push_back(std::move(first));
  SP_TRY(auto low, operand(depth + 1));
  if (!takeWord("AND")) return unexpectedToken();
  SP_TRY(auto high, operand(depth + 1));
  node->operands.push_back(std::move(low));
  node->operands.push_back(std::move(high));
  return node;
}

Parser::Parsed<Parser::Node> Parser::in(Operand first, int depth) {
  SP_CHECK_OK(countOperator());
  auto node = std::make_unique<Condition>();
  node->op = "IN";
  node->operands.push_back(std::move(first));
  SP_CHECK_OK(expect("("));
  do {
    SP_TRY(auto one, operand(depth + 1));
    node->operands.push_back(std::move(one));
  } while (takeSymbol(","));
  SP_CHECK_OK(expect(")"));
  if (node->operands.size() > kInMax + 1)
    return invalid(fmt::format("The IN operator is provided with too many operands; number of operands: {}", node->operands.size() - 1));
  return node;
}

Parser::Parsed<Operand> Parser::operand(int depth) {
  if (now().kind == TokenKind::value_holder) {
    Operand value{std::string(now().text), nullptr};
    ++at_;
    return value;
  }
  if (now().kind == TokenKind::name && next().is("(") && !isKeyword(now())) return call(depth);
  SP_TRY(auto found, path());
  return Operand{std::move(found), nullptr};
}

Parser::Parsed<Operand> Parser::call(int depth) {
  if (depth > kDepthMax) return invalid(fmt::format("The expression nests too deeply; deepest nesting allowed: {}", kDepthMax));
  SP_CHECK_OK(countOperator());
  auto function = std::make_unique<Function>();
  function->name = std::string(now().text);
  at_ += 2;
  if (now().is(")")) return unexpectedToken();
  do {
    SP_TRY(auto argument, operand(depth + 1));
    function->arguments.push_back(std::move(argument));
  } while (takeSymbol(","));
  SP_CHECK_OK(expect(")"));
  return Operand{std::move(function), nullptr};
}

Parser::Parsed<Path> Parser::path() {
  Path found;
  while (true) {
    if ((now().kind != TokenKind::name || isKeyword(now())) && now().kind != TokenKind::name_holder) return unexpectedToken();
    found.steps.emplace_back(std::string(now().text));
    ++at_;
    while (takeSymbol("[")) {
      const auto position = now().kind == TokenKind::number ? parseInt(now().text) : std::nullopt;
      if (!position) return unexpectedToken();
      ++at_;
      found.steps.emplace_back(static_cast<std::size_t>(*position));
      SP_CHECK_OK(expect("]"));
    }
    if (!takeSymbol(".")) return found;
  }
}

}  // namespace sp::dynamodb
