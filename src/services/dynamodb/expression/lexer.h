// Tokens of DynamoDB's expressions.
#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "aws/api_error.h"

namespace sp::dynamodb {

enum class TokenKind {
  name,          // attribute name, function or keyword
  name_holder,   // #n
  value_holder,  // :v
  number,        // list position
  symbol,        // = <> < <= > >= ( ) [ ] , . + -
  end
};

struct Token {
  TokenKind kind = TokenKind::end;
  /// "<EOF>" at the end.
  std::string_view text;
  /// Where it starts in the expression.
  std::size_t at = 0;

  bool is(std::string_view symbol) const { return kind == TokenKind::symbol && text == symbol; }
  /// Keywords in any case.
  bool isWord(std::string_view keyword) const;
};

/// The tokens, the last of kind `end`. `text` must outlive them. The error's message has no "Invalid …Expression: " in front.
std::expected<std::vector<Token>, aws::ApiError> tokenize(std::string_view text);

/// "Syntax error; token: "x", near: "a x b"", where `index` is the token that cannot stand there.
std::string syntaxError(std::string_view text, const std::vector<Token>& tokens, std::size_t index);

}  // namespace sp::dynamodb
