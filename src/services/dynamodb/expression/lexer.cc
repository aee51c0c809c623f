#include "services/dynamodb/expression/lexer.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace sp::dynamodb {
namespace {

bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool isWordChar(char c) { return isLetter(c) || isDigit(c) || c == '_'; }
bool isSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::size_t runOf(std::string_view text, std::size_t from, bool (*accepts)(char)) {
  std::size_t end = from;
  while (end < text.size() && accepts(text[end])) ++end;
  return end;
}

// Length of the symbol that starts here, 0 if none does.
std::size_t symbolAt(std::string_view rest) {
  for (const std::string_view two : {"<>", "<=", ">="})
    if (rest.starts_with(two)) return 2;
  return std::string_view("=<>()[],.+-").find(rest.front()) == std::string_view::npos ? 0 : 1;
}

}  // namespace

bool Token::isWord(std::string_view keyword) const { return kind == TokenKind::name && equalsIgnoreCase(text, keyword); }

std::expected<std::vector<Token>, aws::ApiError> tokenize(std::string_view text) {
  std::vector<Token> tokens;
  std::size_t i = 0;
  while (true) {
    while (i < text.size() && isSpace(text[i])) ++i;
    if (i == text.size()) break;
    const char c = text[i];
    TokenKind kind = TokenKind::symbol;
    std::size_t end = i;
    if (isLetter(c)) {
      kind = TokenKind::name;
      end = runOf(text, i, isWordChar);
    } else if (isDigit(c)) {
      kind = TokenKind::number;
      end = runOf(text, i, isDigit);
    } else if (c == '#' || c == ':') {
      kind = c == '#' ? TokenKind::name_holder : TokenKind::value_holder;
      end = runOf(text, i + 1, isWordChar);
      if (end == i + 1) end = i;
    } else {
      end = i + symbolAt(text.substr(i));
    }
    if (end == i) {
      const auto from = tokens.empty() ? i : tokens.back().at;
      return std::unexpected(aws::ApiError::validation(
          fmt::format("Syntax error; token: \"{}\", near: \"{}\"", text.substr(i, 1), text.substr(from, i + 1 - from))));
    }
    tokens.push_back({kind, text.substr(i, end - i), i});
    i = end;
  }
  tokens.push_back({TokenKind::end, "<EOF>", text.size()});
  return tokens;
}

std::string syntaxError(std::string_view text, const std::vector<Token>& tokens, std::size_t index) {
  const auto endOf = [&](std::size_t i) { return tokens[i].kind == TokenKind::end ? text.size() : tokens[i].at + tokens[i].text.size(); };
  const auto from = tokens[index == 0 ? 0 : index - 1].at;
  const auto to = endOf(std::min(index + 1, tokens.size() - 1));
  return fmt::format("Syntax error; token: \"{}\", near: \"{}\"", tokens[index].text, text.substr(from, to - from));
}

}  // namespace sp::dynamodb
