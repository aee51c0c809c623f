#include "services/dynamodb/value.h"

#include <gtest/gtest.h>

#include "base/hash.h"

namespace sp::dynamodb {
namespace {

json::Value value(std::string_view text) { return *json::parse(text); }

std::string refusal(std::string_view text) {
  const auto checked = checkValue(value(text));
  return checked ? "accepted" : checked.error().code + ": " + checked.error().message;
}

TEST(Value, EveryTypeIsTaken) {
  for (const auto* text : {R"({"S":""})", R"({"N":"1"})", R"({"B":""})", R"({"BOOL":false})", R"({"NULL":true})", R"({"M":{}})",
                           R"({"L":[]})", R"({"SS":["a",""]})", R"({"NS":["1","2"]})", R"({"BS":["QQ==",""]})",
                           R"({"L":[{"M":{"a":{"L":[{"S":"x"}]}}}]})", R"({"S":null,"N":"2"})"})
    EXPECT_EQ(refusal(text), "accepted") << text;
}

TEST(Value, RefusalsAreWordedAsAwsWordsThem) {
  EXPECT_EQ(refusal("{}"), "ValidationException: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes");
  EXPECT_EQ(refusal(R"({"X":"a"})"),
            "ValidationException: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes");
  EXPECT_EQ(
      refusal(R"({"S":"a","N":"1"})"),
      "ValidationException: Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes");
  EXPECT_EQ(refusal(R"({"NULL":false})"),
            "ValidationException: One or more parameter values were invalid: Null attribute value types must have the value of true");
  EXPECT_EQ(refusal(R"({"SS":[]})"), "ValidationException: One or more parameter values were invalid: An string set  may not be empty");
  EXPECT_EQ(refusal(R"({"NS":[]})"), "ValidationException: One or more parameter values were invalid: An number set  may not be empty");
  EXPECT_EQ(refusal(R"({"BS":[]})"), "ValidationException: One or more parameter values were invalid: Binary sets should not be empty");
  EXPECT_EQ(refusal(R"({"SS":["b","a","b"]})"),
            "ValidationException: One or more parameter values were invalid: Input collection [b, a, b] contains duplicates.");
  EXPECT_EQ(refusal(R"({"NS":["1","1.0"]})"), "ValidationException: Input collection contains duplicates");
  EXPECT_EQ(refusal(R"({"N":"x"})"), "ValidationException: The parameter cannot be converted to a numeric value: x");
  EXPECT_EQ(refusal(R"({"L":[{"N":"x"}]})"), "ValidationException: The parameter cannot be converted to a numeric value: x");
  EXPECT_EQ(refusal(R"({"S":5})"), "SerializationException: NUMBER_VALUE cannot be converted to String");
  EXPECT_EQ(refusal(R"({"BOOL":"true"})"), "SerializationException: STRING_VALUE cannot be converted to Boolean");
  EXPECT_EQ(refusal(R"({"M":[]})"), "SerializationException: Unexpected field type");
  EXPECT_EQ(refusal(R"({"B":"!"})"), "SerializationException: Invalid base64: a binary value is standard base64 with padding");
  EXPECT_EQ(refusal(R"("bare")"), "SerializationException: Unexpected value type in payload");
}

TEST(Value, ThirtyTwoLevelsAreTheLimit) {
  const auto nested = [](int lists) {
    std::string text = R"({"S":"x"})";
    for (int i = 0; i < lists; ++i) text = R"({"L":[)" + text + "]}";
    return text;
  };
  EXPECT_EQ(refusal(nested(31)), "accepted");
  EXPECT_EQ(refusal(nested(32)), "ValidationException: Nesting Levels have exceeded supported limits");
}

TEST(Value, SizesAreAwsSizes) {
  const auto size = [](std::string_view text) { return sizeOfItem(value(text).get_object()); };
  EXPECT_EQ(size(R"({"id":{"S":"abc"}})"), 2U + 3);
  EXPECT_EQ(size(R"({"id":{"S":"ä"}})"), 2U + 2);
  EXPECT_EQ(size(R"({"n":{"N":"12345"}})"), 1U + 4);
  EXPECT_EQ(size(R"({"b":{"B":"QUJD"}})"), 1U + 3);
  EXPECT_EQ(size(R"({"t":{"BOOL":true},"z":{"NULL":true}})"), 2U + 2);
  EXPECT_EQ(size(R"({"m":{"M":{}}})"), 1U + 3);
  EXPECT_EQ(size(R"({"m":{"M":{"ab":{"S":"x"}}}})"), 1U + 3 + 1 + 2 + 1);
  EXPECT_EQ(size(R"({"l":{"L":[{"S":"x"},{"S":"yz"}]}})"), 1U + 3 + 2 + 3);
  EXPECT_EQ(size(R"({"s":{"SS":["ab","c"]}})"), 1U + 3);
}

TEST(Value, OneFormIsStored) {
  const auto item = value(R"({"n":{"N":"1.0"},"l":{"L":[{"N":"1e2"},{"NS":["01","2"]}]},"s":{"S":null,"B":"QR=="}})").get_object();
  EXPECT_FALSE(checkItem(item)->canonical);
  EXPECT_EQ(json::toText(canonicalItem(item)), R"({"n":{"N":"1"},"l":{"L":[{"N":"100"},{"NS":["1","2"]}]},"s":{"B":"QQ=="}})");
  EXPECT_TRUE(checkItem(canonicalItem(item))->canonical);
}

TEST(Value, EqualityIsDeepAndSetsHaveNoOrder) {
  EXPECT_TRUE(equalValues(value(R"({"SS":["a","b"]})"), value(R"({"SS":["b","a"]})")));
  EXPECT_TRUE(equalValues(value(R"({"M":{"a":{"N":"1"},"b":{"S":"x"}}})"), value(R"({"M":{"b":{"S":"x"},"a":{"N":"1"}}})")));
  EXPECT_FALSE(equalValues(value(R"({"L":[{"N":"1"},{"N":"2"}]})"), value(R"({"L":[{"N":"2"},{"N":"1"}]})")));
  EXPECT_FALSE(equalValues(value(R"({"N":"1"})"), value(R"({"S":"1"})")));
}

TEST(Value, OnlyTextNumbersAndBinaryHaveAnOrder) {
  EXPECT_TRUE(*orderOfValues(value(R"({"N":"9"})"), value(R"({"N":"10"})")) < 0);
  EXPECT_TRUE(*orderOfValues(value(R"({"S":"9"})"), value(R"({"S":"10"})")) > 0);
  EXPECT_TRUE(*orderOfValues(value(R"({"B":"/w=="})"), value(R"({"B":"AAA="})")) > 0);
  EXPECT_FALSE(orderOfValues(value(R"({"N":"1"})"), value(R"({"S":"1"})")));
  EXPECT_FALSE(orderOfValues(value(R"({"BOOL":true})"), value(R"({"BOOL":false})")));
}

TEST(Value, BinaryIsOrderedByItsBytes) {
  const std::vector<std::string> ordered = {
      "", std::string("\0", 1), std::string("\0\0\0", 3), "AB", "ABC", "ABCD", "ABCDEF", "ABD", "AC", "\xff"};
  const auto binary = [](const std::string& bytes) { return json::Value(json::Object{{"B", toBase64(bytes)}}); };
  for (std::size_t i = 0; i < ordered.size(); ++i)
    for (std::size_t j = 0; j < ordered.size(); ++j)
      EXPECT_EQ(*orderOfValues(binary(ordered[i]), binary(ordered[j])), i <=> j) << i << " " << j;
}

}  // namespace
}  // namespace sp::dynamodb
