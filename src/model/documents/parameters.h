// What a command gives for a document's parameters, and where it goes in the document's text.
// AWS: https://docs.aws.amazon.com/systems-manager/latest/userguide/documents-syntax-data-elements-parameters.html
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "model/documents/content.h"

namespace sp::document {

/// The operand of preconditions that stands for the machine's platform.
inline constexpr std::string_view kPlatformType = "platformType";

/// Values by parameter, each of its type; all parameters of the document.
using Values = std::map<std::string, json::Value, std::less<>>;

/// A value as documents write it ("a", ["a"], true, 3, {…}), checked against type, allowed values, pattern and lengths. A text that
/// reads as a value of the type is one too ("3", "true", a JSON object). Error "document.parameters".
Result<json::Value> typedValue(const Parameter& parameter, const json::Value& value);

/// Parameters in the API's form, lists of texts: a text, a number and a map take the first. Unknown and missing ones are errors.
/// Error "document.parameters".
Result<Values> readValues(const Content& content, std::string_view document, const json::Object& given);
/// Parameters as another document gives them, each in its own form.
Result<Values> readInnerValues(const Content& content, std::string_view document, const json::Object& given);

/// Every text in the tree with "{{ name }}" put in: a text that is nothing else becomes the value itself; within a text a text is put
/// in as it is, any other value as JSON. Once: what was put in is not looked at again. Unknown names stay as they are.
json::Value substitute(const json::Value& tree, const Values& values);
std::string substituteText(std::string_view text, const Values& values);

/// "finallyStep" of a step's inputs, a boolean or its text.
bool isFinally(const json::Object& inputs);

}  // namespace sp::document
