#include <gtest/gtest.h>

#include "base/hash.h"
#include "services/dynamodb/expression/evaluate.h"
#include "services/dynamodb/expression/key_condition.h"
#include "services/dynamodb/expression/parser.h"
#include "services/dynamodb/expression/reserved_words.h"
#include "services/dynamodb/expression/resolve.h"
#include "services/dynamodb/request.h"
#include "services/dynamodb/value.h"

namespace sp::dynamodb {
namespace {

json::Object object(std::string_view text) { return json::parse(text)->get_object(); }

constexpr std::string_view kItem =
    R"({"id":{"S":"a"},"n":{"N":"5"},"s":{"S":"hello"},"b":{"B":"QUJD"},"t":{"BOOL":true},"tags":{"SS":["x","y"]},
  "elems":{"L":[{"N":"1"},{"S":"two"},{"M":{"deep":{"N":"3"}}}]},"nest":{"M":{"inner":{"S":"v"},"more":{"N":"1"}}}})";
constexpr std::string_view kValues =
    R"({":five":{"N":"5"},":six":{"N":"6"},":four":{"N":"4.0"},":hell":{"S":"hell"},":x":{"S":"x"},":one":{"N":"1"},":three":{"N":"3"},
  ":str":{"S":"S"},":bool":{"BOOL":true},":AB":{"B":"QUI="},":set":{"SS":["y","x"]},":two":{"S":"two"},":bad":{"S":"Z"}})";

// Condition text → "yes", "no" or the refusal, with the values of kValues that it names.
std::string ask(std::string_view text) {
  json::Object input{{"FilterExpression", text}};
  json::Object values;
  for (const auto& member : object(kValues)) {
    const std::string key(member.key());
    for (auto at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
      const auto end = at + key.size();
      if (end == text.size() || std::isalnum(static_cast<unsigned char>(text[end])) == 0) values[key] = member.value();
    }
  }
  if (!values.empty()) input["ExpressionAttributeValues"] = values;
  if (text.find("#i") != std::string_view::npos) input["ExpressionAttributeNames"] = json::Object{{"#i", "inner"}};
  const auto expressions = Expressions::read(Request(input), {"FilterExpression"});
  if (!expressions) return expressions.error().message;
  return meets(*expressions->filter, object(kItem)) ? "yes" : "no";
}

TEST(Expression, Comparisons) {
  for (const auto* text : {"n = :five", "n <> :six", "n < :six", "n <= :five", "n > :four", "n >= :five", ":five = n",
                           "n BETWEEN :four AND :six", "n IN (:one, :five)", "absent <> :five", "tags = :set", "s > :hell", "b > :AB",
                           "n < size(elems) OR n = :five", "size(s) = n", "size(elems) = :three"})
    EXPECT_EQ(ask(text), "yes") << text;
  for (const auto* text : {"n = :six", "n <> :five", "s < :five", "absent = :five", "absent < :five", "n BETWEEN :six AND :six",
                           "n IN (:one)", "size(n) = :one", "t > n", "nest = elems"})
    EXPECT_EQ(ask(text), "no") << text;
}

// Whether a filter over a: the item's attribute and :v: the value holds.
bool holds(std::string_view filter, json::Object a, json::Object v) {
  json::Object input{{"FilterExpression", filter}, {"ExpressionAttributeValues", json::Object{{":v", std::move(v)}}}};
  const auto expressions = Expressions::read(Request(input), {"FilterExpression"});
  EXPECT_TRUE(expressions) << filter;
  return expressions && meets(*expressions->filter, json::Object{{"a", std::move(a)}});
}

TEST(Expression, BinaryIsComparedByItsBytes) {
  const auto binary = [](const std::string& bytes) { return json::Object{{"B", toBase64(bytes)}}; };
  for (std::size_t whole = 0; whole <= 7; ++whole) {
    for (std::size_t size = 0; size <= 7; ++size) {
      const auto text = std::string("abcdefg").substr(0, whole);
      EXPECT_EQ(holds("begins_with(a, :v)", binary(text), binary(std::string("abcdefg").substr(0, size))), size <= whole) << whole << size;
      EXPECT_EQ(holds("begins_with(a, :v)", binary(text), binary(std::string("abcdefg").substr(0, size) + "x")), false) << whole << size;
      EXPECT_EQ(holds("contains(a, :v)", binary("x" + text + "y"), binary(std::string("abcdefg").substr(0, size))), size <= whole);
    }
  }
}

// Neither of these grows with the product of the two sizes.
TEST(Expression, LargeValuesAreLookedForInLargeValues) {
  const std::string half(200'000, 'a');
  EXPECT_TRUE(holds("contains(a, :v)", json::Object{{"S", half + half + "b"}}, json::Object{{"S", half + "b"}}));
  EXPECT_FALSE(holds("contains(a, :v)", json::Object{{"S", half + half}}, json::Object{{"S", half + "b"}}));
  json::Array sets;
  json::Array large;
  for (int i = 0; i < 40'000; ++i) {
    sets.push_back(json::Object{{"NS", json::Array{json::Value(std::to_string(i))}}});
    large.push_back(json::Value(std::to_string(i)));
  }
  EXPECT_FALSE(holds("contains(a, :v)", json::Object{{"L", sets}}, json::Object{{"NS", large}}));
  sets.push_back(json::Object{{"NS", json::Array(large.rbegin(), large.rend())}});
  EXPECT_TRUE(holds("contains(a, :v)", json::Object{{"L", sets}}, json::Object{{"NS", large}}));
}

TEST(Expression, InTakesAHundredValues) {
  const auto in = [](int values) {
    std::string text = "n IN (:five";
    for (int i = 1; i < values; ++i) text += ",:six";
    return ask(text + ")");
  };
  EXPECT_EQ(in(1), "yes");
  EXPECT_EQ(in(100), "yes");
  EXPECT_EQ(in(101), "Invalid FilterExpression: The IN operator is provided with too many operands; number of operands: 101");
}

TEST(Expression, FunctionsAndPaths) {
  for (const auto* text :
       {"attribute_exists(n)", "attribute_not_exists(absent)", "attribute_type(s, :str)", "begins_with(s, :hell)", "begins_with(b, :AB)",
        "contains(s, :hell)", "contains(tags, :x)", "contains(elems, :two)", "contains(b, :AB)", "elems[2].deep = :three", "nest.#i <> :x",
        "attribute_exists(nest.#i)", "attribute_not_exists(elems[9])", "elems[0] = nest.more"})
    EXPECT_EQ(ask(text), "yes") << text;
  for (const auto* text : {"attribute_exists(absent)", "attribute_not_exists(n)", "attribute_type(n, :str)", "begins_with(n, :hell)",
                           "contains(tags, :two)", "contains(n, :five)", "attribute_exists(s.x)", "attribute_exists(nest[0])"})
    EXPECT_EQ(ask(text), "no") << text;
}

TEST(Expression, PrecedenceIsNotThenAndThenOr) {
  EXPECT_EQ(ask("n = :five OR n = :six AND n = :one"), "yes");
  EXPECT_EQ(ask("(n = :five OR n = :six) AND n = :one"), "no");
  EXPECT_EQ(ask("NOT n = :six AND n = :five"), "yes");
  EXPECT_EQ(ask("NOT (n = :five OR n = :six)"), "no");
  EXPECT_EQ(ask("not NOT n = :five"), "yes");
  EXPECT_EQ(ask("n between :four and :six And n in (:five)"), "yes");
}

TEST(Expression, SyntaxErrorsNameTokenAndPlace) {
  EXPECT_EQ(ask(""), "Invalid FilterExpression: The expression can not be empty;");
  EXPECT_EQ(ask("n = "), R"(Invalid FilterExpression: Syntax error; token: "<EOF>", near: "= ")");
  EXPECT_EQ(ask("n n"), R"(Invalid FilterExpression: Syntax error; token: "n", near: "n n")");
  EXPECT_EQ(ask("n = 5"), R"(Invalid FilterExpression: Syntax error; token: "5", near: "= 5")");
  EXPECT_EQ(ask("n ! 5"), R"(Invalid FilterExpression: Syntax error; token: "!", near: "n !")");
  EXPECT_EQ(ask("n"), R"(Invalid FilterExpression: Syntax error; token: "<EOF>", near: "n")");
  EXPECT_EQ(ask("(n = :five"), R"(Invalid FilterExpression: Syntax error; token: "<EOF>", near: ":five")");
  EXPECT_EQ(ask("elems[x] = :five"), R"(Invalid FilterExpression: Syntax error; token: "x", near: "[x]")");
  EXPECT_EQ(ask("size() = :five"), "Invalid FilterExpression: Syntax error; token: \")\", near: \"() =\"");
  EXPECT_EQ(ask("((n = :five))"), "Invalid FilterExpression: The expression has redundant parentheses;");
  EXPECT_EQ(ask("((n = :five) AND n = :five)"), "yes");
}

TEST(Expression, MeaninglessOnesAreRefusedInAwsWords) {
  EXPECT_EQ(ask("Status = :five"), "Invalid FilterExpression: Attribute name is a reserved keyword; reserved keyword: Status");
  EXPECT_EQ(ask("n = :undefined"),
            "Invalid FilterExpression: An expression attribute value used in expression is not defined; attribute value: :undefined");
  EXPECT_EQ(ask("#undefined = :five"),
            "Invalid FilterExpression: An expression attribute name used in the document path is not defined; attribute name: #undefined");
  EXPECT_EQ(ask("nonsense(n)"), "Invalid FilterExpression: Invalid function name; function: nonsense");
  EXPECT_EQ(ask("attribute_exists(n, s)"),
            "Invalid FilterExpression: Incorrect number of operands for operator or function; operator or function: attribute_exists, "
            "number of operands: 2");
  EXPECT_EQ(ask("attribute_exists(:five)"),
            "Invalid FilterExpression: Operator or function requires a document path; operator or function: attribute_exists");
  EXPECT_EQ(ask("size(n)"), "Invalid FilterExpression: The function is not allowed to be used this way in an expression; function: size");
  EXPECT_EQ(
      ask("begins_with(n, :five)"),
      "Invalid FilterExpression: Incorrect operand type for operator or function; operator or function: begins_with, operand type: N");
  EXPECT_EQ(ask("n < :bool"),
            "Invalid FilterExpression: Incorrect operand type for operator or function; operator or function: <, operand type: BOOL");
  EXPECT_EQ(ask("n = n"),
            "Invalid FilterExpression: The first operand must be distinct from the remaining operands for this operator or function; "
            "operator: =, "
            "first operand: [n]");
  EXPECT_EQ(ask("attribute_type(n, :bad)"),
            "Invalid FilterExpression: Invalid attribute type name found; type: Z, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}");
  EXPECT_EQ(ask("n BETWEEN :six AND :five"),
            "Invalid FilterExpression: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
            "lower bound operand: AttributeValue: {N:6}, upper bound operand: AttributeValue: {N:5}");
}

TEST(Expression, PlaceholdersMustBeWantedAndUsed) {
  const auto tell = [](std::string_view input) {
    const auto parsed = object(input);
    const auto read = Expressions::read(Request(parsed), {"ConditionExpression"});
    return read ? "accepted" : read.error().message;
  };
  EXPECT_EQ(tell(R"_({"ExpressionAttributeNames":{"#a":"x"}})_"), "ExpressionAttributeNames can only be specified when using expressions");
  EXPECT_EQ(tell(R"_({"ExpressionAttributeValues":{":a":{"S":"x"}}})_"),
            "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null");
  EXPECT_EQ(tell(R"_({"ConditionExpression":"attribute_exists(a)","ExpressionAttributeNames":{}})_"),
            "ExpressionAttributeNames must not be empty");
  EXPECT_EQ(tell(R"_({"ConditionExpression":"attribute_exists(a)","ExpressionAttributeNames":{"#a":"x","#b":"y"}})_"),
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #b}");
  EXPECT_EQ(tell(R"_({"ConditionExpression":"attribute_exists(a)","ExpressionAttributeValues":{":v":{"S":"x"}}})_"),
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:v}");
  EXPECT_EQ(tell(R"_({"ConditionExpression":"attribute_exists(a)","ExpressionAttributeNames":{"a":"x"}})_"),
            R"(ExpressionAttributeNames contains invalid key: Syntax error; key: "a")");
  EXPECT_EQ(tell(R"_({"ConditionExpression":"a = :v","ExpressionAttributeValues":{":v":{"N":"x"}}})_"),
            "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: x for key :v");
}

TEST(Expression, LimitsHold) {
  std::string many = "n = :five";
  for (int i = 0; i < 160; ++i) many += " OR n = :five";
  EXPECT_EQ(
      ask(many),
      "Invalid FilterExpression: The expression contains more operators than the maximum number allowed; maximum number of operators: 300");
  EXPECT_EQ(ask(std::string(5000, 'a')),
            "Invalid FilterExpression: Expression size has exceeded the maximum allowed size; expression size: 5000");
  std::string deep(200, '(');
  EXPECT_NE(ask(deep + "n = :five").find("nests too deeply"), std::string::npos);
}

std::string projected(std::string_view expression, std::string_view names = "") {
  json::Object input{{"ProjectionExpression", expression}};
  if (!names.empty()) input["ExpressionAttributeNames"] = object(names);
  const auto read = Expressions::read(Request(input), {"ProjectionExpression"});
  return read ? json::toText(project(*read->projection, object(kItem))) : read.error().message;
}

TEST(Projection, KeepsWhatIsAsked) {
  EXPECT_EQ(projected("n, absent"), R"({"n":{"N":"5"}})");
  EXPECT_EQ(projected("#m.more", R"({"#m":"nest"})"), R"({"nest":{"M":{"more":{"N":"1"}}}})");
  EXPECT_EQ(projected("elems[2].deep, elems[0]"), R"({"elems":{"L":[{"N":"1"},{"M":{"deep":{"N":"3"}}}]}})");
  EXPECT_EQ(projected("elems[7]"), "{}");
}

TEST(Projection, RefusesOverlapsAndConflicts) {
  EXPECT_EQ(projected("elems, elems[0]"),
            "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; "
            "path one: [elems], path two: [elems, [0]]");
  EXPECT_EQ(projected("elems.a, elems[0]"),
            "Invalid ProjectionExpression: Two document paths conflict with each other; must remove or rewrite one of these paths; "
            "path one: [elems, a], path two: [elems, [0]]");
  EXPECT_EQ(projected("n n"), R"(Invalid ProjectionExpression: Syntax error; token: "n", near: "n n")");
}

// "partition|from|before" in readable form, or the refusal.
std::string range(std::string_view expression, std::string_view values) {
  Table table;
  table.hash = {"id", "S"};
  table.range = KeyAttribute{"sk", "S"};
  json::Object input{{"KeyConditionExpression", expression}, {"ExpressionAttributeValues", object(values)}};
  const auto read = Expressions::read(Request(input), {"KeyConditionExpression"});
  if (!read) return read.error().message;
  const auto keys = keyRange(*read->key_condition, table);
  if (!keys) return keys.error().message;
  auto text = keys->partition + "|" + keys->from + "|" + keys->before;
  std::ranges::replace(text, '\0', '0');
  return text;
}

TEST(KeyCondition, EveryOperatorBecomesARange) {
  constexpr auto* kV = R"({":p":{"S":"P"},":a":{"S":"b"}})";
  EXPECT_EQ(range("id = :p", R"({":p":{"S":"P"}})"), "P||");
  EXPECT_EQ(range("id = :p AND sk = :a", kV), "P|b|b0");
  EXPECT_EQ(range("sk < :a AND id = :p", kV), "P||b");
  EXPECT_EQ(range("(id = :p) AND (sk <= :a)", kV), "P||b0");
  EXPECT_EQ(range("id = :p AND sk > :a", kV), "P|b0|");
  EXPECT_EQ(range("id = :p AND :a > sk", kV), "P||b");
  EXPECT_EQ(range("id = :p AND sk >= :a", kV), "P|b|");
  EXPECT_EQ(range("id = :p AND begins_with(sk, :a)", kV), "P|b|c");
  EXPECT_EQ(range("id = :p AND sk BETWEEN :a AND :c", R"({":p":{"S":"P"},":a":{"S":"b"},":c":{"S":"d"}})"), "P|b|d0");
}

TEST(KeyCondition, RefusesWhatIsNoKeyCondition) {
  constexpr auto* kV = R"({":p":{"S":"P"},":a":{"S":"b"}})";
  EXPECT_EQ(range("sk = :p", R"({":p":{"S":"P"}})"), "Query condition missed key schema element: id");
  EXPECT_EQ(range("id > :p", R"({":p":{"S":"P"}})"), "Query key condition not supported");
  EXPECT_EQ(range("id = :p AND more = :a", kV), "Query condition missed key schema element: sk");
  EXPECT_EQ(range("id = :p OR sk = :a", kV), "Invalid KeyConditionExpression: Invalid operator used in KeyConditionExpression: OR");
  EXPECT_EQ(range("id = :p AND contains(sk, :a)", kV),
            "Invalid KeyConditionExpression: Invalid operator used in KeyConditionExpression: contains");
  EXPECT_EQ(range("id = :p AND id = :a", kV),
            "Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key");
  EXPECT_EQ(range("id = :p", R"({":p":{"N":"1"}})"),
            "One or more parameter values were invalid: Condition parameter type does not match schema type");
}

TEST(ReservedWords, AnyCaseOfLetters) {
  EXPECT_TRUE(isReservedWord("status"));
  EXPECT_TRUE(isReservedWord("ABORT"));
  EXPECT_TRUE(isReservedWord("zone"));
  EXPECT_TRUE(isReservedWord("Ttl"));
  EXPECT_FALSE(isReservedWord("statuses"));
  EXPECT_FALSE(isReservedWord(""));
}

}  // namespace
}  // namespace sp::dynamodb
