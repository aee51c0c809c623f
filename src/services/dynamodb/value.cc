#include "services/dynamodb/value.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/hash.h"
#include "services/dynamodb/number.h"

namespace sp::dynamodb {
namespace {

using aws::refuse;
using json::toView;

constexpr int kDepthMax = 32;
constexpr std::array<std::string_view, 10> kTypes = {"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"};
/// Every list and map costs this much, and each of their elements one byte more.
constexpr std::size_t kContainerOverhead = 3;

std::string_view wireName(const json::Value& value) {
  if (value.is_string()) return "STRING_VALUE";
  if (value.is_bool()) return value.get_bool() ? "TRUE_VALUE" : "FALSE_VALUE";
  if (value.is_int64() || value.is_uint64()) return "NUMBER_VALUE";
  return "DECIMAL_VALUE";
}

std::unexpected<aws::ApiError> wrongKind(const json::Value& got, std::string_view wanted) {
  if (got.is_array())
    return refuse("SerializationException", "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue");
  if (got.is_object()) return refuse("SerializationException", "Start of structure or map found where not expected");
  return refuse("SerializationException", fmt::format("{} cannot be converted to {}", wireName(got), wanted));
}

std::expected<std::string_view, aws::ApiError> text(const json::Value& value) {
  if (!value.is_string()) return wrongKind(value, "String");
  return toView(value.get_string());
}

std::expected<Checked, aws::ApiError> checkNumber(const json::Value& content) {
  SP_TRY(const auto written, text(content));
  SP_TRY(const auto number, Decimal::parse(written));
  return Checked{number.text() == written, number.size()};
}

std::expected<Checked, aws::ApiError> checkBinary(const json::Value& content) {
  SP_TRY(const auto written, text(content));
  const auto bytes = fromBase64(written);
  if (!bytes) return refuse("SerializationException", "Invalid base64: a binary value is standard base64 with padding");
  return Checked{toBase64(*bytes) == written, bytes->size()};
}

std::expected<Checked, aws::ApiError> checkText(const json::Value& content) {
  SP_TRY(const auto written, text(content));
  return Checked{true, written.size()};
}

std::expected<Checked, aws::ApiError> checkElement(std::string_view set_type, const json::Value& element) {
  if (set_type == "NS") return checkNumber(element);
  return set_type == "BS" ? checkBinary(element) : checkText(element);
}

json::Value canonicalScalar(std::string_view type, const json::Value& content) {
  const auto written = toView(content.get_string());
  if (type == "N" || type == "NS") return json::Value(Decimal::parse(written)->text());
  if (type == "B" || type == "BS") return json::Value(toBase64(*fromBase64(written)));
  return content;
}

std::unexpected<aws::ApiError> duplicates(std::string_view type, const json::Array& elements) {
  if (type == "NS") return refuse("ValidationException", "Input collection contains duplicates");
  std::vector<std::string_view> texts;
  for (const auto& element : elements) texts.push_back(toView(element.get_string()));
  return refuse("ValidationException",
                fmt::format("One or more parameter values were invalid: Input collection [{}]{} contains duplicates.",
                            fmt::join(texts, ", "), type == "BS" ? "of type BS" : ""));
}

std::expected<Checked, aws::ApiError> checkSet(std::string_view type, const json::Value& content) {
  if (!content.is_array()) return refuse("SerializationException", "Unexpected field type");
  const auto& elements = content.get_array();
  if (elements.empty()) {
    if (type == "BS") return refuse("ValidationException", "One or more parameter values were invalid: Binary sets should not be empty");
    return refuse("ValidationException", fmt::format("One or more parameter values were invalid: An {} set  may not be empty",
                                                     type == "SS" ? "string" : "number"));
  }
  Checked all;
  std::vector<std::string> seen;
  for (const auto& element : elements) {
    SP_TRY(const auto one, checkElement(type, element));
    all.canonical = all.canonical && one.canonical;
    all.size += one.size;
    seen.push_back(json::toStd(canonicalScalar(type, element).get_string()));
  }
  std::ranges::sort(seen);
  if (std::ranges::adjacent_find(seen) != seen.end()) return duplicates(type, elements);
  return all;
}

std::expected<Checked, aws::ApiError> checkList(const json::Value& content, int depth) {
  if (!content.is_array()) return refuse("SerializationException", "Unexpected field type");
  Checked all{true, kContainerOverhead};
  for (const auto& element : content.get_array()) {
    SP_TRY(const auto one, checkValue(element, depth + 1));
    all.canonical = all.canonical && one.canonical;
    all.size += one.size + 1;
  }
  return all;
}

std::expected<Checked, aws::ApiError> checkMembers(const json::Object& members, int depth, std::size_t overhead) {
  Checked all;
  for (const auto& member : members) {
    SP_TRY(const auto one, checkValue(member.value(), depth));
    all.canonical = all.canonical && one.canonical;
    all.size += member.key().size() + one.size + overhead;
  }
  return all;
}

std::expected<Checked, aws::ApiError> checkMap(const json::Value& content, int depth) {
  if (!content.is_object()) return refuse("SerializationException", "Unexpected field type");
  SP_TRY(auto all, checkMembers(content.get_object(), depth + 1, 1));
  all.size += kContainerOverhead;
  return all;
}

std::expected<Checked, aws::ApiError> checkContent(std::string_view type, const json::Value& content, int depth) {
  if (type == "S") return checkText(content);
  if (type == "N") return checkNumber(content);
  if (type == "B") return checkBinary(content);
  if (type == "M") return checkMap(content, depth);
  if (type == "L") return checkList(content, depth);
  if (type.size() == 2) return checkSet(type, content);
  if (!content.is_bool()) return wrongKind(content, "Boolean");
  if (type == "NULL" && !content.get_bool())
    return refuse("ValidationException",
                  "One or more parameter values were invalid: Null attribute value types must have the value of true");
  return Checked{true, 1};
}

// Their numbers are compared first: one large set may be looked for in a long list of small ones.
bool equalElements(const json::Array& a, const json::Array& b) { return a.size() == b.size() && sortedTexts(a) == sortedTexts(b); }

// Only the group of four in which the texts part is decoded: a value of megabytes may be compared with every item of a page.
std::strong_ordering orderOfBinary(std::string_view a, std::string_view b) {
  const auto parted = static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin()) / 4 * 4;
  return fromBase64(a.substr(parted, 4)).value_or("").compare(fromBase64(b.substr(parted, 4)).value_or("")) <=> 0;
}

bool equalMembers(const json::Object& a, const json::Object& b) {
  if (a.size() != b.size()) return false;
  return std::ranges::all_of(a, [&](const auto& member) {
    const auto* other = b.if_contains(member.key());
    return other != nullptr && equalValues(member.value(), *other);
  });
}

}  // namespace

TypedValue typed(const json::Value& value) {
  for (const auto& member : value.get_object())
    if (!member.value().is_null()) return {{member.key().data(), member.key().size()}, &member.value()};
  return {};
}

std::expected<Checked, aws::ApiError> checkValue(const json::Value& value, int depth) {
  if (!value.is_object()) {
    if (value.is_array())
      return refuse("SerializationException", "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue");
    return refuse("SerializationException", "Unexpected value type in payload");
  }
  if (depth > kDepthMax) return refuse("ValidationException", "Nesting Levels have exceeded supported limits");
  std::string_view type;
  const json::Value* content = nullptr;
  for (const auto& member : value.get_object()) {
    const std::string_view key(member.key().data(), member.key().size());
    if (member.value().is_null() || std::ranges::find(kTypes, key) == kTypes.end()) continue;
    if (content != nullptr)
      return refuse("ValidationException",
                    "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes");
    type = key;
    content = &member.value();
  }
  if (content == nullptr)
    return refuse("ValidationException", "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes");
  SP_TRY(auto checked, checkContent(type, *content, depth));
  // Members that mean nothing (nulls, unknown types) are not stored.
  if (value.get_object().size() != 1) checked.canonical = false;
  return checked;
}

std::expected<Checked, aws::ApiError> checkItem(const json::Object& item) { return checkMembers(item, 1, 0); }

json::Value canonicalValue(const json::Value& value) {
  TypedValue found;
  for (const auto& member : value.get_object()) {
    const std::string_view key(member.key().data(), member.key().size());
    if (!member.value().is_null() && std::ranges::find(kTypes, key) != kTypes.end()) found = {key, &member.value()};
  }
  json::Value content;
  if (found.type == "M") {
    content = canonicalItem(found.content->get_object());
  } else if (found.type == "L") {
    content.emplace_array();
    for (const auto& element : found.content->get_array()) content.get_array().push_back(canonicalValue(element));
  } else if (found.content->is_array()) {
    content.emplace_array();
    for (const auto& element : found.content->get_array()) content.get_array().push_back(canonicalScalar(found.type, element));
  } else {
    content = found.content->is_string() ? canonicalScalar(found.type, *found.content) : *found.content;
  }
  json::Object out;
  out.emplace(found.type, std::move(content));
  return out;
}

json::Object canonicalItem(const json::Object& item) {
  json::Object out;
  out.reserve(item.size());
  for (const auto& member : item) out.emplace(member.key(), canonicalValue(member.value()));
  return out;
}

std::size_t sizeOfValue(const json::Value& value) {
  const auto checked = checkValue(value, 1);
  return checked ? checked->size : 0;
}

std::size_t sizeOfItem(const json::Object& item) {
  const auto checked = checkItem(item);
  return checked ? checked->size : 0;
}

std::vector<std::string_view> sortedTexts(const json::Array& elements) {
  std::vector<std::string_view> texts;
  texts.reserve(elements.size());
  for (const auto& element : elements) texts.push_back(toView(element.get_string()));
  std::ranges::sort(texts);
  return texts;
}

bool equalValues(const json::Value& a, const json::Value& b) {
  const auto x = typed(a);
  const auto y = typed(b);
  if (x.type != y.type || x.content == nullptr) return false;
  if (x.type == "M") return equalMembers(x.content->get_object(), y.content->get_object());
  if (x.type == "L") {
    return std::ranges::equal(x.content->get_array(), y.content->get_array(),
                              [](const auto& p, const auto& q) { return equalValues(p, q); });
  }
  if (x.content->is_array()) return equalElements(x.content->get_array(), y.content->get_array());
  return *x.content == *y.content;
}

std::optional<std::strong_ordering> orderOfValues(const json::Value& a, const json::Value& b) {
  const auto x = typed(a);
  const auto y = typed(b);
  if (x.type != y.type || (x.type != "S" && x.type != "N" && x.type != "B")) return std::nullopt;
  const auto p = toView(x.content->get_string());
  const auto q = toView(y.content->get_string());
  if (x.type == "S") return p.compare(q) <=> 0;
  if (x.type == "B") return orderOfBinary(p, q);
  const auto left = Decimal::parse(p);
  const auto right = Decimal::parse(q);
  if (!left || !right) return std::nullopt;
  return left->sortKey().compare(right->sortKey()) <=> 0;
}

}  // namespace sp::dynamodb
