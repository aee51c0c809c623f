// Attribute values in DynamoDB's JSON form ({"S":"x"}, {"N":"1"}, {"M":{…}} …): checked, brought to one form, measured,
// compared. https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
#pragma once
#include <compare>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/api_error.h"
#include "json/json.h"

namespace sp::dynamodb {

/// Largest item, bytes as sizeOf counts them.
inline constexpr std::size_t kItemSizeMax = 400UL * 1024;

/// What check() found out on its way.
struct Checked {
  /// False if canonical() would change the text (a number like "1.0", base64 with loose bits).
  bool canonical = true;
  /// As AWS counts it, bytes, without the attribute's name.
  std::size_t size = 0;
};

/// One attribute value. Errors: ValidationException or SerializationException in AWS's words.
std::expected<Checked, aws::ApiError> checkValue(const json::Value& value, int depth = 1);
/// A map of attributes (an item, a key): all values checked, sizes with names added up.
std::expected<Checked, aws::ApiError> checkItem(const json::Object& item);

/// The same value with numbers in DynamoDB's text and binary in canonical base64. The value must have passed the check.
json::Value canonicalValue(const json::Value& value);
json::Object canonicalItem(const json::Object& item);

/// Size in bytes of a stored value or item
/// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html).
std::size_t sizeOfValue(const json::Value& value);
std::size_t sizeOfItem(const json::Object& item);

/// The type ("S", "NS" …) and the content of a value that passed the check.
struct TypedValue {
  std::string_view type;
  const json::Value* content = nullptr;
};
TypedValue typed(const json::Value& value);

/// The elements of a set, in order: a set may have a million, too many to look for one among the others. Views of `elements`, which must
/// be canonical, so that equal numbers have equal texts.
std::vector<std::string_view> sortedTexts(const json::Array& elements);

/// Deep equality: sets without order, numbers by value. Both must be canonical.
bool equalValues(const json::Value& a, const json::Value& b);
/// Order of two S, N or B of the same type; nullopt for everything else.
std::optional<std::strong_ordering> orderOfValues(const json::Value& a, const json::Value& b);

}  // namespace sp::dynamodb
