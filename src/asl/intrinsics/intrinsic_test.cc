#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "asl/context_rig.h"
#include "asl/intrinsics/expression.h"

namespace sp::asl {
namespace {

using testing::HasSubstr;

std::string call(std::string_view text, std::string_view input = "{}") {
  const auto parsed = Expression::parse(text);
  if (!parsed) return "BAD";
  Context context;
  Dice dice(1);
  const auto document = *json::parse(input);
  const auto value = parsed->evaluate({document, context, dice}, "f.$");
  return value ? json::toText(*value) : value.error().error + ": " + value.error().cause;
}

TEST(Intrinsics, AllOfThem) {
  EXPECT_EQ(call("States.Format('Hi {}, \\{\\} {} it\\'s', $.n, 3)", R"({"n":"Bo"})"), R"("Hi Bo, {} 3 it's")");
  EXPECT_EQ(call("States.StringToJson($.t)", R"({"t":"{\"a\":1}"})"), R"({"a":1})");
  EXPECT_EQ(call("States.JsonToString($)", R"({"t":1})"), R"("{\"t\":1}")");
  EXPECT_EQ(call("States.Array(1, 'a', true, null, $.x)", R"({"x":[]})"), R"([1,"a",true,null,[]])");
  EXPECT_EQ(call("States.ArrayPartition($.a, 2)", R"({"a":[1,2,3]})"), "[[1,2],[3]]");
  EXPECT_EQ(call("States.ArrayContains($.a, 2)", R"({"a":[1,2,3]})"), "true");
  EXPECT_EQ(call("States.ArrayRange(1, 9, 2)"), "[1,3,5,7,9]");
  EXPECT_EQ(call("States.ArrayRange(3, 1, -1)"), "[3,2,1]");
  EXPECT_EQ(call("States.ArrayGetItem($.a, 1)", R"({"a":[1,2,3]})"), "2");
  EXPECT_EQ(call("States.ArrayLength($.a)", R"({"a":[1,2,3]})"), "3");
  EXPECT_EQ(call("States.ArrayUnique($.a)", R"({"a":[1,2,1]})"), "[1,2]");
  EXPECT_EQ(call("States.Base64Encode('Data to encode')"), R"("RGF0YSB0byBlbmNvZGU=")");
  EXPECT_EQ(call("States.Base64Decode('RGF0YSB0byBlbmNvZGU=')"), R"("Data to encode")");
  EXPECT_EQ(call("States.Hash('input data', 'SHA-1')"), R"("aaff4a450a104cd177d28d18d74485e8cae074b7")");
  EXPECT_EQ(call("States.JsonMerge($.a, $.b, false)", R"({"a":{"x":1,"y":1},"b":{"y":2}})"), R"({"x":1,"y":2})");
  EXPECT_EQ(call("States.MathAdd(111, -1)"), "110");
  EXPECT_EQ(call("States.StringSplit('1,2.3', '.,')"), R"(["1","2","3"])");
  EXPECT_EQ(call("States.UUID()").size(), 38U);
  EXPECT_EQ(call("States.MathRandom(1, 2)"), "1");
  EXPECT_EQ(call("States.MathRandom(1, 999, 5)"), call("States.MathRandom(1, 999, 5)"));
}

TEST(Intrinsics, WhatTheyReadAndMakeCountsForTheStatesWork) {
  const auto document = *json::parse(R"({"a":[1,2,3,1,2,3,1,2,3,1]})");
  const auto with = [&](std::string_view text, std::int64_t most) -> std::string {
    Context context;
    Dice dice(1);
    Work work(most);
    const auto value = Expression::parse(text)->evaluate({document, context, dice, &work}, "f.$");
    return value ? json::toText(*value) : value.error().error + ": " + value.error().cause;
  };
  // The path copies 11 places, the function's weight is 6, and it makes 4.
  EXPECT_EQ(with("States.ArrayUnique($.a)", 11 + 6 * 11 + 4), "[1,2,3]");
  EXPECT_EQ(with("States.ArrayUnique($.a)", 11 + 6 * 11 + 3),
            "States.Runtime: the function 'States.ArrayUnique' reads or makes more than the 80 places that one state may look at");
  // Without a path too.
  EXPECT_THAT(with("States.ArrayLength(States.ArrayRange(1, 1000, 1))", 1000),
              HasSubstr("the function 'States.ArrayRange' reads or makes"));
  EXPECT_EQ(with("States.ArrayLength(States.ArrayRange(1, 1000, 1))", 3000), "1000");
}

TEST(Intrinsics, NestAndFail) {
  EXPECT_EQ(call("States.Format('{}', States.ArrayLength(States.Array(1, 2)))"), R"("2")");
  EXPECT_EQ(call("States.Format('{}', $$.State.Name)"), R"("S")");
  EXPECT_THAT(call("States.Format('{} {}', 1)"), HasSubstr("States.IntrinsicFailure"));
  EXPECT_THAT(call("States.ArrayRange(1, 5000, 1)"), HasSubstr("States.IntrinsicFailure"));
  EXPECT_THAT(call("States.StringToJson('{')"), HasSubstr("States.IntrinsicFailure"));
  EXPECT_THAT(
      call("States.ArrayLength($.no)"),
      HasSubstr("The function 'States.ArrayLength($.no)' had the following error: The JsonPath argument for the field '$.no' could not be "
                "found in the input '{}'"));
  for (const auto* text :
       {"States.No()", "States.MathAdd(1)", "States.Format('x'", "States.Format('x) ", "States.Format('x') y", "States.MathAdd(1,)"})
    EXPECT_EQ(call(text), "BAD") << text;
}

struct CallCase {
  const char* call;
  const char* input;
  const char* expected;
};

// "FAILS": States.IntrinsicFailure.
void expectAll(const std::vector<CallCase>& cases) {
  for (const auto& [expression, input, expected] : cases) {
    auto got = call(expression, input);
    if (got.starts_with("States.IntrinsicFailure: ")) got = "FAILS";
    EXPECT_EQ(got, expected) << expression << " of " << input;
  }
}

TEST(Intrinsics, Format) {
  expectAll({
      {"States.Format('')", "{}", R"("")"},
      {"States.Format('x')", "{}", R"("x")"},
      {"States.Format('{}{}', 'a', 'b')", "{}", R"("ab")"},
      {"States.Format('{} {} {} {}', 1, 1.50, true, null)", "{}", R"("1 1.5 true null")"},
      {"States.Format('{} {}', $.a, $.o)", R"({"a":[1,"x"],"o":{"k":"v"}})", R"("[1,\"x\"] {\"k\":\"v\"}")"},
      {R"x(States.Format('it\'s'))x", "{}", R"("it's")"},
      {R"x(States.Format('\{\} {}', 1))x", "{}", R"("{} 1")"},
      {R"x(States.Format('a\\b'))x", "{}", R"("a\\b")"},
      {R"x(States.Format('\\{}', 1))x", "{}", R"("\\1")"},
      {R"x(States.Format('{}', 'it\'s \{\} \\'))x", "{}", R"("it's {} \\")"},
      {"States.Format('{}', $.t)", R"({"t":"{} \\{"})", R"("{} \\{")"},
      {"States.Format($.t, 'x')", R"({"t":"<{}>"})", R"("<x>")"},
      {"States.Format('größe {} 👍', 'ü')", "{}", R"("größe ü 👍")"},
      {"States.Format('a, b) ({}', 1)", "{}", R"("a, b) (1")"},
      {"States.Format('{}')", "{}", "FAILS"},
      {"States.Format('', 1)", "{}", "FAILS"},
      {"States.Format($.t)", R"({"t":1})", "FAILS"},
  });
}

TEST(Intrinsics, JsonTexts) {
  expectAll({
      {"States.StringToJson('')", "{}", "null"},
      {"States.StringToJson('  ')", "{}", "null"},
      {"States.StringToJson('null')", "{}", "null"},
      {"States.StringToJson('-0')", "{}", "0"},
      {"States.StringToJson('1.1')", "{}", "1.1"},
      {"States.StringToJson('true')", "{}", "true"},
      {"States.StringToJson($.t)", R"({"t":"\"HelloWorld\""})", R"("HelloWorld")"},
      {"States.StringToJson($.t)", R"({"t":"[1, 2, {\"a\": [] }]"})", R"([1,2,{"a":[]}])"},
      {"States.StringToJson($.t)", R"({"t":"\"\\u00fc\""})", R"("ü")"},
      {"States.StringToJson('{')", "{}", "FAILS"},
      {"States.StringToJson('1 2')", "{}", "FAILS"},
      {"States.StringToJson($)", "{}", "FAILS"},
      {"States.JsonToString($)", R"({"a": [1, "ü\n"], "b": null})", R"("{\"a\":[1,\"ü\\n\"],\"b\":null}")"},
      {"States.JsonToString('x')", "{}", R"("\"x\"")"},
      {"States.JsonToString(1.0)", "{}", R"("1.0")"},
      {"States.JsonMerge($.a, $.b, false)", R"({"a":{"x":{"p":1},"y":1},"b":{"x":{"q":2},"z":3}})", R"({"x":{"q":2},"y":1,"z":3})"},
      {"States.JsonMerge($.a, $.a, false)", R"({"a":{}})", "{}"},
      {"States.JsonMerge($.a, $.b, false)", R"({"a":{"x":1},"b":{"x":null}})", R"({"x":null})"},
      {"States.JsonMerge($.a, $.a, true)", R"({"a":{}})", "FAILS"},
      {"States.JsonMerge($.a, $.a, 0)", R"({"a":{}})", "FAILS"},
      {"States.JsonMerge($.a, $.b, false)", R"({"a":{},"b":[]})", "FAILS"},
      {"States.JsonMerge($.b, $.a, false)", R"({"a":{},"b":1})", "FAILS"},
  });
}

TEST(Intrinsics, Arrays) {
  expectAll({
      {"States.Array()", "{}", "[]"},
      {"States.Array($.x)", R"({"x":[1]})", "[[1]]"},
      {"States.Array('', ' ', -1.5, 1e3)", "{}", R"([""," ",-1.5,1000.0])"},
      {"States.ArrayPartition($, 2)", "[]", "[]"},
      {"States.ArrayPartition($, 4)", "[1,2,3]", "[[1,2,3]]"},
      {"States.ArrayPartition($, 3)", "[1,2,3]", "[[1,2,3]]"},
      {"States.ArrayPartition($, 1)", "[1,[2]]", "[[1],[[2]]]"},
      {"States.ArrayPartition($, 1.5)", "[1,2,3]", "[[1,2],[3]]"},
      {"States.ArrayPartition($, 0)", "[1]", "FAILS"},
      {"States.ArrayPartition($, 0)", "[]", "FAILS"},
      {"States.ArrayPartition($, -1)", "[1]", "FAILS"},
      {"States.ArrayPartition($, 2)", "{}", "FAILS"},
      {"States.ArrayPartition($, '2')", "[1]", "FAILS"},
      {"States.ArrayContains($, null)", "[]", "false"},
      {"States.ArrayContains($, null)", "[null]", "true"},
      {"States.ArrayContains($, '1')", "[1]", "false"},
      {"States.ArrayContains($, $[0])", "[[1,2,3],2]", "true"},
      {"States.ArrayContains($.a, $.o)", R"({"a":[{"x":1,"y":[]}],"o":{"y":[],"x":1}})", "true"},
      {"States.ArrayContains($, true)", "[1,\"true\"]", "false"},
      {"States.ArrayContains($, 1)", "1", "FAILS"},
      {"States.ArrayRange(0, 9, 3)", "{}", "[0,3,6,9]"},
      {"States.ArrayRange(0, 10, 3)", "{}", "[0,3,6,9]"},
      {"States.ArrayRange(1, 9, 9)", "{}", "[1]"},
      {"States.ArrayRange(5, 5, 1)", "{}", "[5]"},
      {"States.ArrayRange(5, -5, -5)", "{}", "[5,0,-5]"},
      {"States.ArrayRange(1, 5, -1)", "{}", "[]"},
      {"States.ArrayRange(0.4, 2.5, 1.4)", "{}", "[0,1,2,3]"},
      {"States.ArrayRange(9223372036854775806, 9223372036854775807, 2)", "{}", "[9223372036854775806]"},
      {"States.ArrayLength(States.ArrayRange(1, 1000, 1))", "{}", "1000"},
      {"States.ArrayRange(0, 1000, 1)", "{}", "FAILS"},
      {"States.ArrayRange(1, 5, 0)", "{}", "FAILS"},
      {"States.ArrayRange('1', 5, 1)", "{}", "FAILS"},
      {"States.ArrayGetItem($, 0)", "[null]", "null"},
      {"States.ArrayGetItem($, 2)", "[1,2,[3]]", "[3]"},
      {"States.ArrayGetItem($, 1.4)", "[1,2]", "2"},
      {"States.ArrayGetItem($, 1)", "[1]", "FAILS"},
      {"States.ArrayGetItem($, -1)", "[1]", "FAILS"},
      {"States.ArrayGetItem($, 0)", "[]", "FAILS"},
      {"States.ArrayGetItem($, 0)", R"({"0":1})", "FAILS"},
      {"States.ArrayLength($)", "[]", "0"},
      {"States.ArrayLength($[*])", "[[1,2],3]", "2"},
      {"States.ArrayLength($)", "\"abc\"", "FAILS"},
      {"States.ArrayUnique($)", "[]", "[]"},
      {"States.ArrayUnique($)", R"([null,null,true,true,1,"1",1,1.5,1.5,[],[],{"a":1,"b":2},{"b":2,"a":1},{"a":1,"b":1}])",
       R"([null,true,1,"1",1.5,[],{"a":1,"b":2},{"a":1,"b":1}])"},
      {"States.ArrayUnique($)", R"(["[1]",[1],"1",1,["1"],[[1]],[1,1]])", R"(["[1]",[1],"1",1,["1"],[[1]],[1,1]])"},
      {"States.ArrayUnique($)", R"([2,2.0,"2",[2.0],[2],0,-0.0,1e3,1000,1e25,10000000000000000905969664])",
       R"([2,"2",[2.0],0,1000.0,1.0E25])"},
      {"States.ArrayContains($, 10000000000000000905969664)", "[1e25]", "true"},
      {"States.ArrayUnique($)", "7", "FAILS"},
  });
}

TEST(Intrinsics, Encodings) {
  expectAll({
      {"States.Base64Encode('')", "{}", R"("")"},
      {"States.Base64Encode('größe 👍')", "{}", R"("Z3LDtsOfZSDwn5GN")"},
      {"States.Base64Encode('a')", "{}", R"("YQ==")"},
      {"States.Base64Encode(1)", "{}", "FAILS"},
      {"States.Base64Decode('')", "{}", R"("")"},
      {"States.Base64Decode('Z3LDtsOfZSDwn5GN')", "{}", R"("größe 👍")"},
      {"States.Base64Decode('YQ==')", "{}", R"("a")"},
      {"States.Base64Decode('Y')", "{}", "FAILS"},
      {"States.Base64Decode('Y!==')", "{}", "FAILS"},
      {"States.Base64Decode('/w==')", "{}", "FAILS"},
      {"States.Base64Decode(null)", "{}", "FAILS"},
      {"States.Hash('', 'MD5')", "{}", R"("d41d8cd98f00b204e9800998ecf8427e")"},
      {"States.Hash('input data', 'MD5')", "{}", R"("812f45842bc6d66ee14572ce20db8e86")"},
      {"States.Hash('ü', 'SHA-1')", "{}", R"("94a759fd37735430753c7b6b80684306d80ea16e")"},
      {"States.Hash('', 'SHA-256')", "{}", R"("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")"},
      {"States.Hash('', 'SHA-384')", "{}",
       R"("38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b")"},
      {"States.Hash('', 'SHA-512')", "{}",
       R"("cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e")"},
      {"States.Hash($, 'MD5')", R"({"a": 1})", R"("bb6cb5c68df4652941caf652a366f2d8")"},
      {"States.Hash('x', 'sha-256')", "{}", "FAILS"},
      {"States.Hash('x', 'SHA-224')", "{}", "FAILS"},
      {"States.Hash('x', 1)", "{}", "FAILS"},
  });
  // Limits are of characters.
  const auto with = [](std::string_view function, std::string_view one, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += one;
    return call(fmt::format("States.{}", function), fmt::format(R"({{"t":"{}"}})", text)).starts_with("States.IntrinsicFailure");
  };
  for (const auto* function : {"Base64Encode($.t)", "Hash($.t, 'MD5')"}) {
    EXPECT_FALSE(with(function, "ü", 10'000)) << function;
    EXPECT_TRUE(with(function, "ü", 10'001)) << function;
    EXPECT_TRUE(with(function, "x", 10'001)) << function;
  }
  EXPECT_FALSE(with("Base64Decode($.t)", "eHh4", 2'500));
  EXPECT_TRUE(with("Base64Decode($.t)", "eHh4", 2'501));
}

TEST(Intrinsics, Numbers) {
  expectAll({
      {"States.MathAdd(-9, 3)", "{}", "-6"},
      {"States.MathAdd(1.49, 1.50)", "{}", "3"},
      {"States.MathAdd(-1.49, -1.50)", "{}", "-3"},
      {"States.MathAdd(0.5, 0)", "{}", "1"},
      {"States.MathAdd(2.5, 0)", "{}", "3"},
      {"States.MathAdd(-0.5, 0)", "{}", "-1"},
      {"States.MathAdd(-2.5, 0)", "{}", "-3"},
      {"States.MathAdd(-0, 0)", "{}", "0"},
      {"States.MathAdd(2147483647, 1)", "{}", "2147483648"},
      {"States.MathAdd(-2147483648, -1)", "{}", "-2147483649"},
      {"States.MathAdd(1e3, 1)", "{}", "1001"},
      {"States.MathAdd(9223372036854775807, 0)", "{}", "9223372036854775807"},
      {"States.MathAdd(9223372036854775807, 1)", "{}", "FAILS"},
      {"States.MathAdd(-9223372036854775808, -1)", "{}", "FAILS"},
      {"States.MathAdd(9223372036854775808, -1)", "{}", "FAILS"},
      {"States.MathAdd(1e300, 1)", "{}", "FAILS"},
      {"States.MathAdd('1', 1)", "{}", "FAILS"},
      {"States.MathAdd(1, null)", "{}", "FAILS"},
      {"States.MathRandom(7, 8)", "{}", "7"},
      {"States.MathRandom(-8, -7)", "{}", "-8"},
      {"States.MathRandom(0.4, 1.4)", "{}", "0"},
      {"States.MathRandom(1, 1)", "{}", "FAILS"},
      {"States.MathRandom(2, 1)", "{}", "FAILS"},
      {"States.MathRandom('a', 1)", "{}", "FAILS"},
      {"States.MathRandom(1, 2, 'x')", "{}", "FAILS"},
  });
  // Within the bounds, however far apart they are, and the same for the same seed.
  for (int seed = 0; seed < 200; ++seed) {
    const auto drawn = std::stoll(call(fmt::format("States.MathRandom(-3, 3, {})", seed)));
    EXPECT_GE(drawn, -3);
    EXPECT_LT(drawn, 3);
    const auto wide = fmt::format("States.MathRandom(-9223372036854775808, 9223372036854775807, {})", seed);
    EXPECT_EQ(call(wide), call(wide));
    EXPECT_NE(std::stoll(call(wide)), std::numeric_limits<std::int64_t>::max());
  }
}

TEST(Intrinsics, Texts) {
  expectAll({
      {"States.StringSplit('', ',')", "{}", "[]"},
      {"States.StringSplit(' ', ',')", "{}", R"([" "])"},
      {"States.StringSplit(', , ,', ',')", "{}", R"([" "," "])"},
      {"States.StringSplit(',,,,', ',')", "{}", "[]"},
      {"States.StringSplit('a,b', '')", "{}", R"(["a,b"])"},
      {"States.StringSplit('This.is+a,test=string', '.+,=')", "{}", R"(["This","is","a","test","string"])"},
      {"States.StringSplit($, $)", "\"aaa\"", "[]"},
      {"States.StringSplit($.t, $.s)", R"({"t":"split on T and \nnew line","s":"T\n"})", R"(["split on "," and ","new line"])"},
      {"States.StringSplit('größe', 'ö')", "{}", R"(["gr","ße"])"},
      // These share their first bytes.
      {"States.StringSplit('aöbücä', 'ü')", "{}", R"(["aöb","cä"])"},
      {"States.StringSplit('1👍2👎3', '👍')", "{}", R"(["1","2👎3"])"},
      {"States.StringSplit('a', 1)", "{}", "FAILS"},
      {"States.StringSplit(1, ',')", "{}", "FAILS"},
  });
  for (int i = 0; i < 20; ++i) {
    const auto parsed = Expression::parse("States.UUID()");
    Context context;
    Dice dice(static_cast<std::uint64_t>(i));
    const json::Value input;
    EXPECT_THAT(json::toText(*parsed->evaluate({input, context, dice}, "f")),
                testing::MatchesRegex("\"[0-9a-f]+-[0-9a-f]+-4[0-9a-f][0-9a-f][0-9a-f]-[89ab][0-9a-f]+-[0-9a-f]+\""));
  }
}

TEST(Intrinsics, CallsAreCheckedWhenADefinitionIsMade) {
  for (const auto* good :
       {"$", "$$", "$.a", "$$.State.Name", "States.UUID( )", " States.UUID()", "States.Array( 1 , $.a[?(@.b == 'x, y)')] )",
        "States.Format('{}', $['a b'].c)", "States.ArrayLength($.a[?(@.b =~ /it's [),]/)])"})
    EXPECT_TRUE(Expression::parse(good)) << good;
  const auto nested = [](int calls) {
    std::string text = "1";
    for (int i = 0; i < calls; ++i) text = "States.Array(" + text + ")";
    return text;
  };
  EXPECT_TRUE(Expression::parse(nested(10)));
  EXPECT_FALSE(Expression::parse(nested(11)));
  for (const auto* bad : {"",
                          "x",
                          "1",
                          "true",
                          "null",
                          "'text'",
                          "\"text\"",
                          "States",
                          "States.",
                          "States.UUID",
                          "States.uuid()",
                          "States.UUID(1)",
                          "States.MathAdd(1, 2, 3)",
                          "States.MathAdd(1 2)",
                          "States.MathAdd(, 1)",
                          "States.Format()",
                          "States.Array(\"a\")",
                          "States.Array(a)",
                          "States.Array([1])",
                          "States.Array({})",
                          "States.Array($.)",
                          "States.Array('a)",
                          "States.Array(1))",
                          "States.Array(1",
                          "States.Hash('x')",
                          "States.ArrayRange(1, 2)",
                          "States.UUID() $.a"})
    EXPECT_FALSE(Expression::parse(bad)) << bad;
}

}  // namespace
}  // namespace sp::asl
