// YAML as people write documents in it, to and from JSON values.
#pragma once
#include <string>
#include <string_view>

#include "json/json.h"

namespace sp::document {

/// One YAML document as a JSON value. Plain scalars are null, true, false, whole numbers and decimal fractions as YAML 1.2's core
/// schema has them; all else is text. Keys are texts. Refused: anchors and aliases, tags, a key twice, more than one document,
/// nesting beyond 64 levels, text that is no UTF-8. Error "yaml.syntax" with line and column.
Result<json::Value> parseYaml(std::string_view text);

/// The value as one YAML document in block style; parseYaml() reads it back the same.
std::string toYaml(const json::Value& value);

}  // namespace sp::document
