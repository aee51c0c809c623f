// What a document of type Command says (AWS's schemas 1.2, 2.0 and 2.2), read and checked.
// AWS: https://docs.aws.amazon.com/systems-manager/latest/userguide/documents-schemas-features.html,
// https://docs.aws.amazon.com/systems-manager/latest/userguide/documents-syntax-data-elements-parameters.html,
// https://docs.aws.amazon.com/systems-manager/latest/userguide/documents-command-ssm-plugin-reference.html
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"

namespace sp::document {

enum class Format { json, yaml };

enum class ParameterType { string, stringList, boolean, integer, stringMap, mapList };
/// "String", "StringList", "Boolean", "Integer", "StringMap", "MapList".
std::string_view name(ParameterType type);

/// A parameter as its document declares it.
struct Parameter {
  std::string name;
  ParameterType type = ParameterType::string;
  std::string description;
  /// Of the type above; without one the parameter is required.
  std::optional<json::Value> otherwise;
  std::vector<json::Value> allowed;
  /// RE2's syntax; a text must match it as a whole. Empty: none.
  std::string pattern;
  std::optional<std::int64_t> least_items, most_items, least_chars, most_chars;
};

/// One step as it is written, parameters not put in.
struct Step {
  std::string name;
  /// "aws:runShellScript", "aws:runPowerShellScript", "aws:downloadContent" or "aws:runDocument".
  std::string action;
  json::Object inputs;
  /// Schema 1.2 alone: a plugin with several properties runs them one after the other as one step. Else empty.
  std::vector<json::Object> properties;
  /// {"StringEquals": [a, b]}; absent: none is written.
  std::optional<json::Object> precondition;
};

struct Content {
  std::string schema;
  std::string description;
  std::vector<Parameter> parameters;
  std::vector<Step> steps;

  const Parameter* find(std::string_view parameter) const;
  /// "Linux", "Windows", "MacOS" as far as a step can run there, in the order in which AWS lists them.
  std::vector<std::string> platforms() const;
};

/// A document's text as a JSON object. Error "document.content".
Result<json::Object> parseText(std::string_view text, Format format);
/// Checks it. Errors: "document.schema" for a schema that is not served here, "document.content" for all else, naming the member.
Result<Content> readContent(const json::Object& document);
/// Both; with no format given, JSON if it begins with '{', else YAML.
Result<Content> parseContent(std::string_view text, std::optional<Format> format = std::nullopt);

/// Whether a text matches the whole of a pattern. Error "document.content" for a pattern that RE2 cannot read.
Result<bool> matchesPattern(std::string_view text, const std::string& pattern);

}  // namespace sp::document
