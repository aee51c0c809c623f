// The one door to JSON. Values are Boost.JSON's; parsing has limits, writing has one form (compact, shortest exact
// numbers), and Reader reads typed members with the path of what was wrong in the error.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

#include "base/result.h"

namespace sp::json {

using Value = boost::json::value;
using Object = boost::json::object;
using Array = boost::json::array;
using String = boost::json::string;

/// One JSON text (RFC 8259), UTF-8, nested at most `max_depth` deep. Error code "json.syntax" with the byte position.
Result<Value> parse(std::string_view text, std::size_t max_depth = 512);

/// Compact text. Integers exactly, doubles in the shortest form that reads back the same (1.5, 1e+30); no NaN exists.
std::string toText(const Value& value);
std::string toText(const Object& value);
std::string toText(const Array& value);
/// Indented by two blanks, for people.
std::string toPrettyText(const Value& value);
/// The text as a JSON string with quotes.
std::string quote(std::string_view text);

/// Member or nullptr.
const Value* find(const Object& object, std::string_view key);
inline std::string_view toView(const String& s) { return {s.data(), s.size()}; }
inline std::string toStd(const String& s) { return {s.data(), s.size()}; }
/// Text of a string member, or `otherwise` when it is absent or not a string.
std::string textOr(const Object& object, std::string_view key, std::string_view otherwise = "");
std::int64_t intOr(const Object& object, std::string_view key, std::int64_t otherwise);
bool boolOr(const Object& object, std::string_view key, bool otherwise);
/// The name JSON has for the kind of this value: "string", "number", "object" …
std::string_view kindName(const Value& value);

/// Reads members of one object, collecting the first error. After reading all, finish() tells it.
/// Errors: code "json.missing", "json.type" or "json.unknown", message with the path ("BackupDetails.BackupVaultName").
class Reader {
 public:
  explicit Reader(const Object& object, std::string path = "") : object_(object), path_(std::move(path)) {}

  std::string text(std::string_view key);
  std::optional<std::string> textIf(std::string_view key);
  std::int64_t integer(std::string_view key);
  std::optional<std::int64_t> integerIf(std::string_view key);
  bool boolean(std::string_view key);
  std::optional<bool> booleanIf(std::string_view key);
  const Object* object(std::string_view key);
  const Object* objectIf(std::string_view key);
  const Array* array(std::string_view key);
  const Array* arrayIf(std::string_view key);
  /// Array of strings; empty when absent.
  std::vector<std::string> textsIf(std::string_view key);

  /// Path of a member, for the caller's own messages.
  std::string pathOf(std::string_view key) const;
  /// First problem found, if any. With `refuse_unknown`, members nobody asked for are an error.
  Result<void> finish(bool refuse_unknown = false);

 private:
  const Value* take(std::string_view key, bool required);
  void wrongType(std::string_view key, std::string_view wanted, const Value& got);

  const Object& object_;
  std::string path_;
  std::vector<std::string> asked_;
  std::optional<Error> error_;
};

}  // namespace sp::json
