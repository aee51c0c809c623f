#include "services/dynamodb/expression/update.h"

#include <gtest/gtest.h>

#include "services/dynamodb/request.h"
#include "services/dynamodb/value.h"

namespace sp::dynamodb {
namespace {

json::Object object(std::string_view text) { return json::parse(text)->get_object(); }

constexpr std::string_view kItem =
    R"({"id":{"S":"a"},"n":{"N":"5"},"s":{"S":"x"},"tags":{"SS":["x","y"]},"nums":{"NS":["1","2"]},"l":{"L":[{"N":"0"},{"N":"1"},{"N":"2"}]},
  "m":{"M":{"k":{"N":"1"},"deep":{"M":{"l":{"L":[{"S":"p"},{"S":"q"}]}}}}}})";

// Update text → the named attributes afterwards, or the refusal.
std::string ask(std::string_view text, std::string_view values = "", std::string_view shown = "", std::string_view item = kItem) {
  json::Object input{{"UpdateExpression", text}};
  if (!values.empty()) input["ExpressionAttributeValues"] = object(values);
  const auto read = Expressions::read(Request(input), {"UpdateExpression", "ConditionExpression"});
  if (!read) return read.error().message;
  const auto old = item.empty() ? std::nullopt : std::optional(object(item));
  const auto after = updated(*read->update, old, object(R"({"id":{"S":"a"}})"));
  if (!after) return after.error().message;
  EXPECT_TRUE(checkItem(*after)) << json::toText(*after);
  if (shown.empty()) return json::toText(*after);
  const auto* value = json::find(*after, shown);
  return value == nullptr ? "" : json::toText(*value);
}

TEST(Update, SetPutsCopiesAndCounts) {
  EXPECT_EQ(ask("SET s = :v", R"({":v":{"S":"new"}})", "s"), R"({"S":"new"})");
  EXPECT_EQ(ask("set twin = n", "", "twin"), R"({"N":"5"})");
  EXPECT_EQ(ask("SET n = n + :v", R"({":v":{"N":"0.1"}})", "n"), R"({"N":"5.1"})");
  EXPECT_EQ(ask("SET n = :v - n", R"({":v":{"N":"5"}})", "n"), R"({"N":"0"})");
  EXPECT_EQ(ask("SET n = (n - :v)", R"({":v":{"N":"7"}})", "n"), R"({"N":"-2"})");
  EXPECT_EQ(ask("SET c = if_not_exists(c, :z) + :o", R"({":z":{"N":"0"},":o":{"N":"1"}})", "c"), R"({"N":"1"})");
  EXPECT_EQ(ask("SET s = if_not_exists(s, :z)", R"({":z":{"N":"0"}})", "s"), R"({"S":"x"})");
  EXPECT_EQ(ask("SET l = list_append(l, :v)", R"({":v":{"L":[{"S":"z"}]}})", "l"), R"({"L":[{"N":"0"},{"N":"1"},{"N":"2"},{"S":"z"}]})");
  EXPECT_EQ(ask("SET x = list_append(if_not_exists(x, :e), :v)", R"({":v":{"L":[{"S":"z"}]},":e":{"L":[]}})", "x"), R"({"L":[{"S":"z"}]})");
}

TEST(Update, NestedPathsAreChangedInPlace) {
  EXPECT_EQ(ask("SET m.k = :v, m.fresh = :v", R"({":v":{"S":"w"}})", "m"),
            R"({"M":{"k":{"S":"w"},"deep":{"M":{"l":{"L":[{"S":"p"},{"S":"q"}]}}},"fresh":{"S":"w"}}})");
  EXPECT_EQ(ask("SET m.deep.l[1] = m.k", "", "m"), R"({"M":{"k":{"N":"1"},"deep":{"M":{"l":{"L":[{"S":"p"},{"N":"1"}]}}}}})");
  EXPECT_EQ(ask("REMOVE m.deep.l[0], m.k", "", "m"), R"({"M":{"deep":{"M":{"l":{"L":[{"S":"q"}]}}}}})");
  EXPECT_EQ(ask("ADD m.k :v", R"({":v":{"N":"2"}})", "m"), R"({"M":{"k":{"N":"3"},"deep":{"M":{"l":{"L":[{"S":"p"},{"S":"q"}]}}}}})");
}

TEST(Update, ListPositionsMeanTheOldList) {
  EXPECT_EQ(ask("REMOVE l[0] SET l[2] = :v", R"({":v":{"S":"v"}})", "l"), R"({"L":[{"N":"1"},{"S":"v"}]})");
  EXPECT_EQ(ask("SET l[1] = :v REMOVE l[0], l[2]", R"({":v":{"S":"v"}})", "l"), R"({"L":[{"S":"v"}]})");
  EXPECT_EQ(ask("SET l[9] = :a, l[5] = :b", R"({":a":{"S":"a"},":b":{"S":"b"}})", "l"),
            R"({"L":[{"N":"0"},{"N":"1"},{"N":"2"},{"S":"b"},{"S":"a"}]})");
  EXPECT_EQ(ask("SET l[9] = :a REMOVE l[3]", R"({":a":{"S":"a"}})", "l"), R"({"L":[{"N":"0"},{"N":"1"},{"N":"2"},{"S":"a"}]})");
  EXPECT_EQ(ask("REMOVE l[7], gone, m.gone", "", "l"), R"({"L":[{"N":"0"},{"N":"1"},{"N":"2"}]})");
  EXPECT_EQ(ask("REMOVE l[10], l[2], l[0]", "", "l"), R"({"L":[{"N":"1"}]})");
}

TEST(Update, ValuesAreReadBeforeAnythingChanges) {
  EXPECT_EQ(ask("SET a = n, n = s REMOVE s", "", "a"), R"({"N":"5"})");
  EXPECT_EQ(ask("SET a = n, n = s REMOVE s", "", "n"), R"({"S":"x"})");
  EXPECT_EQ(ask("SET y = :v, z = y", R"({":v":{"N":"1"}})"),
            "The provided expression refers to an attribute that does not exist in the item");
}

TEST(Update, AddCountsAndUnites) {
  EXPECT_EQ(ask("ADD n :v, fresh :v", R"({":v":{"N":"-6"}})", "n"), R"({"N":"-1"})");
  EXPECT_EQ(ask("ADD fresh :v", R"({":v":{"N":"-6"}})", "fresh"), R"({"N":"-6"})");
  EXPECT_EQ(ask("ADD tags :v", R"({":v":{"SS":["y","z"]}})", "tags"), R"({"SS":["x","y","z"]})");
  EXPECT_EQ(ask("ADD nums :v", R"({":v":{"NS":["2.0","3"]}})", "nums"), R"({"NS":["1","2","3"]})");
  EXPECT_EQ(ask("ADD s :v", R"({":v":{"N":"1"}})"), "An operand in the update expression has an incorrect data type");
  EXPECT_EQ(ask("ADD tags :v", R"({":v":{"NS":["1"]}})"), "An operand in the update expression has an incorrect data type");
}

TEST(Update, DeleteTakesElementsAndTheEmptySet) {
  EXPECT_EQ(ask("DELETE tags :v", R"({":v":{"SS":["y","z"]}})", "tags"), R"({"SS":["x"]})");
  EXPECT_EQ(ask("DELETE tags :v", R"({":v":{"SS":["y","x"]}})", "tags"), "");
  EXPECT_EQ(ask("DELETE gone :v", R"({":v":{"SS":["y"]}})", "gone"), "");
  EXPECT_EQ(ask("DELETE nums :v", R"({":v":{"SS":["y"]}})"), "An operand in the update expression has an incorrect data type");
}

TEST(Update, WhereThereIsNoItemTheKeyIsTheBeginning) {
  EXPECT_EQ(ask("SET a = :v", R"({":v":{"N":"1"}})", "", ""), R"({"id":{"S":"a"},"a":{"N":"1"}})");
  EXPECT_EQ(ask("SET a = id", "", "", ""), "The provided expression refers to an attribute that does not exist in the item");
  EXPECT_EQ(ask("REMOVE a.b", "", "", ""), R"({"id":{"S":"a"}})");
  EXPECT_EQ(ask("SET a.b = :v", R"({":v":{"N":"1"}})", "", ""),
            "The document path provided in the update expression is invalid for update");
}

TEST(Update, PathsThatLeadNowhereAreRefused) {
  constexpr auto* kText = "The document path provided in the update expression is invalid for update";
  for (const auto* text :
       {"SET s.x = :v", "SET gone.x = :v", "SET l.x = :v", "SET m[0] = :v", "SET gone[0] = :v", "SET m.k.x = :v", "SET l[9].x = :v"})
    EXPECT_EQ(ask(text, R"({":v":{"N":"1"}})"), kText) << text;
  for (const auto* text : {"REMOVE s.x", "REMOVE gone.x", "REMOVE m[0]"}) EXPECT_EQ(ask(text), kText) << text;
}

TEST(Update, SyntaxIsCheckedInAwsWords) {
  constexpr auto* kV = R"({":v":{"N":"1"}})";
  EXPECT_EQ(ask(""), "Invalid UpdateExpression: The expression can not be empty;");
  EXPECT_EQ(ask("HELLO a = :v", kV), R"(Invalid UpdateExpression: Syntax error; token: "HELLO", near: "HELLO a")");
  EXPECT_EQ(ask("SET a = :v SET b = :v", kV),
            R"(Invalid UpdateExpression: The "SET" section can only be used once in an update expression;)");
  EXPECT_EQ(ask("SET a = :v,", kV), R"(Invalid UpdateExpression: Syntax error; token: "<EOF>", near: ",")");
  EXPECT_EQ(ask("SET a = :v + :v + :v", kV), R"(Invalid UpdateExpression: Syntax error; token: "+", near: ":v + :v")");
  EXPECT_EQ(ask("SET a :v", kV), R"(Invalid UpdateExpression: Syntax error; token: ":v", near: "a :v")");
  EXPECT_EQ(ask("ADD a b"), R"(Invalid UpdateExpression: Syntax error; token: "b", near: "a b")");
  EXPECT_EQ(ask("REMOVE a = :v", kV), R"(Invalid UpdateExpression: Syntax error; token: "=", near: "a = :v")");
  EXPECT_EQ(ask("SET _a = :v", kV), R"(Invalid UpdateExpression: Syntax error; token: "_", near: "SET _")");
  EXPECT_EQ(ask("SET a = ((:v))", kV), "Invalid UpdateExpression: The expression has redundant parentheses;");
  EXPECT_EQ(ask("SET a = if_not_exists(a, :v + :v)", kV), R"(Invalid UpdateExpression: Syntax error; token: "+", near: ":v + :v")");
}

TEST(Update, MeaninglessOnesAreRefusedInAwsWords) {
  constexpr auto* kV = R"({":v":{"N":"1"}})";
  EXPECT_EQ(ask("SET Status = :v", kV), "Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: Status");
  EXPECT_EQ(ask("SET a = :w", kV),
            "Invalid UpdateExpression: An expression attribute value used in expression is not defined; attribute value: :w");
  EXPECT_EQ(ask("SET #a = :v", kV),
            "Invalid UpdateExpression: An expression attribute name used in the document path is not defined; attribute name: #a");
  EXPECT_EQ(ask("SET a = f(b)"), "Invalid UpdateExpression: Invalid function name; function: f");
  EXPECT_EQ(ask("SET a = size(b)"), "Invalid UpdateExpression: The function is not allowed in an update expression; function: size");
  EXPECT_EQ(ask("SET a = list_append(list_append(l, l), l)"),
            "Invalid UpdateExpression: The function is not allowed to be used this way in an expression; function: list_append");
  EXPECT_EQ(ask("SET a = list_append(l)"),
            "Invalid UpdateExpression: Incorrect number of operands for operator or function; operator or function: list_append, "
            "number of operands: 1");
  EXPECT_EQ(ask("SET a = if_not_exists(:v, :v)", kV),
            "Invalid UpdateExpression: Operator or function requires a document path; operator or function: if_not_exists");
  EXPECT_EQ(
      ask("SET a = list_append(l, :v)", kV),
      "Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: list_append, operand type: N");
  EXPECT_EQ(ask("SET a = n + :s", R"({":s":{"S":"x"}})"),
            "Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: +, operand type: S");
  EXPECT_EQ(ask("ADD a :s", R"({":s":{"S":"x"}})"),
            "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ADD, operand type: STRING, "
            "typeSet: ALLOWED_FOR_ADD_OPERAND");
  EXPECT_EQ(ask("DELETE a :v", kV),
            "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, "
            "typeSet: ALLOWED_FOR_DELETE_OPERAND");
  EXPECT_EQ(ask("SET a = :v REMOVE a", kV),
            "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; "
            "path one: [a], path two: [a]");
  EXPECT_EQ(ask("SET a.b = :v, a[1] = :v", kV),
            "Invalid UpdateExpression: Two document paths conflict with each other; must remove or rewrite one of these paths; "
            "path one: [a, b], path two: [a, [1]]");
  EXPECT_EQ(ask("SET a = s + n"), "An operand in the update expression has an incorrect data type");
  EXPECT_EQ(ask("SET a = list_append(l, s)"), "An operand in the update expression has an incorrect data type");
  std::string deep = "REMOVE a";
  for (int i = 0; i < 32; ++i) deep += ".a";
  EXPECT_EQ(ask(deep), "Invalid UpdateExpression: The document path has too many nesting elements; nesting levels: 33");
}

TEST(Update, ArithmeticIsExactOrRefused) {
  const auto count = [](std::string_view a, std::string_view sign, std::string_view b) {
    return ask("SET r = :a " + std::string(sign) + " :b",
               R"({":a":{"N":")" + std::string(a) + R"("},":b":{"N":")" + std::string(b) + R"("}})", "r");
  };
  EXPECT_EQ(count("0.1", "+", "0.2"), R"({"N":"0.3"})");
  EXPECT_EQ(count("99999999999999999999999999999999999999", "-", "1"), R"({"N":"99999999999999999999999999999999999998"})");
  EXPECT_EQ(count("1e-130", "-", "1e-130"), R"({"N":"0"})");
  EXPECT_EQ(count("-5", "-", "-7"), R"({"N":"2"})");
  EXPECT_EQ(count("1", "-", "1.5"), R"({"N":"-0.5"})");
  constexpr auto* kOver = "Number overflow. Attempting to store a number with magnitude larger than supported range";
  EXPECT_EQ(count("9e125", "+", "9e125"), kOver);
  EXPECT_EQ(count("1e50", "+", "1"), kOver);
  EXPECT_EQ(count("1.1e-130", "-", "1e-130"), "Number underflow. Attempting to store a number with magnitude smaller than supported range");
}

// "0","1",…: the numbers from `first` to `first` + `count` - 1 as elements of a set.
std::string elements(int first, int count) {
  std::string all;
  for (int i = first; i < first + count; ++i) all += (all.empty() ? "\"" : ",\"") + std::to_string(i) + "\"";
  return all;
}

constexpr auto* kTooLarge = "Item size to update has exceeded the maximum allowed size";

TEST(Update, LargeSetsAreUnitedAndLessened) {
  const auto item = R"({"id":{"S":"a"},"s":{"NS":[)" + elements(0, 40'000) + "]}}";
  const auto more = R"({":v":{"NS":[)" + elements(39'999, 40'000) + "]}}";
  EXPECT_EQ(ask("ADD s :v", more, "s", item), R"({"NS":[)" + elements(0, 79'999) + "]}");
  EXPECT_EQ(ask("DELETE s :v", more, "s", item), R"({"NS":[)" + elements(0, 39'999) + "]}");
  EXPECT_EQ(ask("ADD s :v", R"({":v":{"NS":[)" + elements(50'000, 90'000) + "]}}", "s", item), kTooLarge);
}

TEST(Update, WhatAllActionsPutIsLimitedTogether) {
  const auto value = [](std::size_t size) { return R"({":v":{"S":")" + std::string(size, 'x') + R"("}})"; };
  EXPECT_EQ(ask("SET a = :v, b = :v, c = :v, d = :v", value(102'000), "d").size(), 102'000U + 8);
  EXPECT_EQ(ask("SET a = :v, b = :v, c = :v, d = :v", value(103'000)), kTooLarge);
  std::string many = "SET a0 = :v";
  for (int i = 1; i < 300; ++i) many += ",a" + std::to_string(i) + "=:v";
  EXPECT_EQ(ask(many, value(2'000'000)), kTooLarge);
  std::string nested = "list_append(:v, :v)";
  for (int i = 0; i < 70; ++i) nested = "list_append(if_not_exists(x, " + nested + "), :v)";
  EXPECT_EQ(ask("SET a = " + nested, R"({":v":{"L":[{"S":")" + std::string(205'000, 'x') + R"("}]}})"), kTooLarge);
}

TEST(Update, NamesAndValuesAreLimitedTogether) {
  const auto value = [](std::size_t size) { return R"({":v":{"S":")" + std::string(size, 'x') + R"("}})"; };
  EXPECT_EQ(ask("SET a = if_not_exists(s, :v)", value((2UL << 20U) - 2), "a"), R"({"S":"x"})");
  EXPECT_EQ(
      ask("SET a = if_not_exists(s, :v)", value((2UL << 20U) - 1)),
      "ExpressionAttributeValues is too large: the names and values of an expression add up to 2097153 bytes at least, the maximum is "
      "2097152: use several requests");
  const auto named = [](std::size_t count, std::size_t size) {
    json::Object names;
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
      const auto key = "#n" + std::to_string(i);
      names[key] = std::to_string(10 + i) + std::string(size - 2, 'x');
      text += (i == 0 ? "REMOVE " : ", ") + key;
    }
    const auto read = Expressions::read(Request({{"UpdateExpression", text}, {"ExpressionAttributeNames", names}}), {"UpdateExpression"});
    return read ? "" : read.error().message;
  };
  EXPECT_EQ(named(1, 65'535), "");
  EXPECT_EQ(named(1, 65'536),
            "ExpressionAttributeNames contains invalid value: Attribute name is too large, must be less than 65536 bytes; key: #n0");
  EXPECT_EQ(named(32, 65'535),
            "ExpressionAttributeNames is too large: the names and values of an expression add up to 2097238 bytes at "
            "least, the maximum is 2097152: use several requests");
}

}  // namespace
}  // namespace sp::dynamodb
