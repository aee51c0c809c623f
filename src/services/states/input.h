// Reads an operation's input with AWS's words for what is wrong with it.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "aws/operation.h"
#include "services/states/machines.h"

namespace sp::services::states {

/// A member of another type than it has: SerializationException.
aws::ApiError wrongType(std::string_view path, std::string_view wanted);

/// Collects the first problem; finish() tells it.
class Input {
 public:
  /// `path`: of a structure within the input ("loggingConfiguration").
  explicit Input(const json::Object& object, std::string path = "") : object_(object), path_(std::move(path)) {}

  /// Required, 1 to 256 characters: every ARN but that of a map run.
  std::string arn(std::string_view key);
  /// Required, at least one character; `longest` in bytes.
  std::string text(std::string_view key, std::size_t longest);
  std::optional<std::string> textIf(std::string_view key, std::size_t longest);
  /// If given, at least one character.
  std::optional<std::string> filledIf(std::string_view key, std::size_t longest);
  /// As textIf(), `most` in characters: what people write in any language (cause, error, the name of a worker).
  std::optional<std::string> charactersIf(std::string_view key, std::size_t most);
  /// The same of ASCII characters alone.
  std::optional<std::string> asciiIf(std::string_view key, std::size_t longest);
  /// It is missing: says so.
  void require(std::string_view key) { constraint(key, "null", "not be null"); }
  bool flag(std::string_view key, bool otherwise);
  const json::Object* objectIf(std::string_view key);
  const json::Array* arrayIf(std::string_view key);
  /// maxResults: 1 to 1000; 0 or absent: 100.
  std::size_t pageSize();
  /// A whole number from `least` to `most`, if given.
  std::optional<std::size_t> countIf(std::string_view key, std::int64_t most, std::int64_t least = 0);
  /// One of the values (listed for the message), if given.
  std::optional<std::string> choiceIf(std::string_view key, std::initializer_list<std::string_view> values);
  /// Refuses members that AWS knows and this server does not act on.
  void refuseMembers(std::initializer_list<std::string_view> keys, std::string_view why);

  Answer<void> finish() const;

 private:
  const json::Value* take(std::string_view key);
  std::optional<std::string> takeText(std::string_view key, std::size_t longest, std::size_t (*length)(std::string_view));
  void constraint(std::string_view key, std::string_view value, std::string_view rule);
  void otherType(std::string_view key, std::string_view wanted);
  std::string filled(std::string_view key, std::optional<std::string> (Input::*take_it)(std::string_view, std::size_t), std::size_t most);
  std::string pathOf(std::string_view key) const;

  const json::Object& object_;
  std::string path_;
  std::optional<aws::ApiError> error_;
};

/// What keeps `text` from being JSON, as the service tells it; `fallback` (the parser's own words) where its grammar is good.
std::string syntaxProblem(std::string_view text, const Error& fallback);

/// The member includedData: everything (ALL_DATA), or no input, output and definition (METADATA_ONLY).
bool includesData(Input& input);

/// The position in a nextToken made for `bound_to`; empty without a token; InvalidToken.
Answer<std::string> positionOf(const std::optional<std::string>& token, std::string_view bound_to);

}  // namespace sp::services::states
