#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "asl/jsonpath/path.h"
#include "asl/jsonpath/pattern.h"

namespace sp::asl {
namespace {

const auto* const kDocument = R"({"a":{"b":[10,20,30],"c d":1},"list":[{"n":1,"s":"x"},{"n":2,"s":"y"},{"n":3}],"z":null})";

std::string readText(std::string_view path, std::string_view document = kDocument) {
  const auto parsed = Path::parse(path);
  if (!parsed) return "BAD " + parsed.error().message;
  const auto value = parsed->read(*json::parse(document));
  return value ? json::toText(*value) : "NONE " + value.error();
}

TEST(Path, NamesOnePlace) {
  EXPECT_EQ(readText("$.a.b[1]"), "20");
  EXPECT_EQ(readText("$.a.b[-1]"), "30");
  EXPECT_EQ(readText("$['a']['c d']"), "1");
  EXPECT_EQ(readText("$[\"a\"].b[0]"), "10");
  EXPECT_EQ(readText("$.z"), "null");
  EXPECT_EQ(readText("$", "7"), "7");
}

TEST(Path, NamesMany) {
  EXPECT_EQ(readText("$.a.b[*]"), "[10,20,30]");
  EXPECT_EQ(readText("$.a.b[0,2]"), "[10,30]");
  EXPECT_EQ(readText("$.a.b[1:]"), "[20,30]");
  EXPECT_EQ(readText("$.a.b[-2:]"), "[20,30]");
  EXPECT_EQ(readText("$.a.b[:2]"), "[10,20]");
  EXPECT_EQ(readText("$.a.b[0:3:2]"), "[10,30]");
  EXPECT_EQ(readText("$..n"), "[1,2,3]");
  EXPECT_EQ(readText("$.list[*].s"), "[\"x\",\"y\"]");
  EXPECT_EQ(readText("$.nothing[*]"), "[]");
}

TEST(Path, Filters) {
  EXPECT_EQ(readText("$.list[?(@.n > 1)].n"), "[2,3]");
  EXPECT_EQ(readText("$.list[?(@.s == 'y')].n"), "[2]");
  EXPECT_EQ(readText("$.list[?(@.s)].n"), "[1,2]");
  EXPECT_EQ(readText("$.list[?(!(@.s))].n"), "[3]");
  EXPECT_EQ(readText("$.list[?(@.n == 1 || @.n >= 3 && @.n != 4)].n"), "[1,3]");
  EXPECT_EQ(readText("$.list[?(@.n in [1,3])].n"), "[1,3]");
}

TEST(Path, SaysWhatIsMissing) {
  EXPECT_EQ(readText("$.no"), "NONE No results for path: $['no']");
  EXPECT_EQ(readText("$.no.x"), "NONE Missing property in path $['no']");
  EXPECT_EQ(readText("$.a.b[9]"), "NONE No results for path: $['a']['b'][9]");
}

TEST(Path, RefusesWhatIsNone) {
  for (const auto* text :
       {"", "a", "$a", "$.", "$.a[", "$.a[]", "$.a['x]", "$.a[x]", "$.a[1:2:0]", "$.a[?(]", "$.a[?(@.b ==)]", "$...a", "$.a b"})
    EXPECT_FALSE(Path::parse(text)) << text;
  std::string deep = "$.a[?(";
  for (int i = 0; i < 5000; ++i) deep += "!(";
  EXPECT_FALSE(Path::parse(deep + ")]"));
  // Filters within filters: each is a path again.
  std::string filters = "$";
  for (int i = 0; i < 100'000; ++i) filters += "[?(@";
  for (int i = 0; i < 100'000; ++i) filters += ")]";
  EXPECT_FALSE(Path::parse(filters));
  EXPECT_TRUE(Path::parse("$.a[?(@.b[?(@.c > 1)])]"));
}

TEST(Path, WritesMakeObjectsOnTheWay) {
  const auto write = [](std::string_view path, std::string_view document) {
    auto value = *json::parse(document);
    return Path::parse(path)->write(value, json::Value(9)) ? json::toText(value) : "NO";
  };
  EXPECT_EQ(write("$.a.b.c", "{\"x\":1}"), R"({"x":1,"a":{"b":{"c":9}}})");
  EXPECT_EQ(write("$.x", "{\"x\":1}"), R"({"x":9})");
  EXPECT_EQ(write("$.l[1]", "{\"l\":[1,2]}"), R"({"l":[1,9]})");
  EXPECT_EQ(write("$.l[2]", "{\"l\":[1,2]}"), "NO");
  EXPECT_EQ(write("$.x.y", "{\"x\":1}"), "NO");
}

struct PathCase {
  const char* path;
  const char* document;
  const char* expected;
};

void expectAll(const std::vector<PathCase>& cases) {
  for (const auto& [path, document, expected] : cases) EXPECT_EQ(readText(path, document), expected) << path << " of " << document;
}

TEST(Path, EveryWayToNameOnePlace) {
  expectAll({
      {"$", "[1]", "[1]"},
      {"$.a", R"({"a":{}})", "{}"},
      {"$['a']", R"({"a":1})", "1"},
      {"$[\"a\"]", R"({"a":1})", "1"},
      {"$[ 'a' ]", R"({"a":1})", "1"},
      {"$.a.['b c']", R"({"a":{"b c":1}})", "1"},
      {"$.['a'].[0]", R"({"a":[7]})", "7"},
      {"$['']", R"({"":1})", "1"},
      {"$['a.b']", R"({"a.b":1,"a":{"b":2}})", "1"},
      {"$['a[0]']", R"({"a[0]":1})", "1"},
      {"$['*']", R"({"*":1,"b":2})", "1"},
      {"$['it\\'s']", R"({"it's":1})", "1"},
      {"$[\"say \\\"x\\\"\"]", R"({"say \"x\"":1})", "1"},
      {"$['back\\\\slash']", R"({"back\\slash":1})", "1"},
      {"$.größe", R"({"größe":1})", "1"},
      {"$['日本','x']", R"({"日本":1})", R"({"日本":1})"},
      {"$.日本.👍", R"({"日本":{"👍":1}})", "1"},
      {"$.a-b_c:d@e", R"({"a-b_c:d@e":1})", "1"},
      {"$.0", R"({"0":1})", "1"},
      {"$.length", R"({"length":1})", "1"},
      {"$[0]", "[1,2]", "1"},
      {"$[ 1 ]", "[1,2]", "2"},
      {"$[-1]", "[1,2]", "2"},
      {"$[-2]", "[1,2]", "1"},
      {"$[-0]", "[1,2]", "1"},
      {"$[0][1][0]", "[[1,[2]]]", "2"},
      {"$.a", R"({"a":null})", "null"},
      {"$.a", R"({"a":1,"a":2})", "2"},
  });
}

TEST(Path, WhatIsMissingByItsPosition) {
  expectAll({
      {"$.a", "{}", "NONE No results for path: $['a']"},
      {"$.a.b", R"({"a":{}})", "NONE No results for path: $['a']['b']"},
      {"$.a.b", "{}", "NONE Missing property in path $['a']"},
      {"$.a.b.c", R"({"a":{}})", "NONE Missing property in path $['a']['b']"},
      {"$.a", "[1]", "NONE Missing property in path $['a']"},
      {"$.a.b", R"({"a":null})", "NONE Missing property in path $['a']['b']"},
      {"$.a[0]", "{}", "NONE Missing property in path $['a']"},
      {"$.a[0]", R"({"a":[]})", "NONE No results for path: $['a'][0]"},
      {"$.a[2]", R"({"a":[1,2]})", "NONE No results for path: $['a'][2]"},
      {"$.a[-3]", R"({"a":[1,2]})", "NONE No results for path: $['a'][-3]"},
      {"$.a[5].b", R"({"a":[1]})", "NONE No results for path: $['a'][5]['b']"},
      {"$.a[0]", R"({"a":{"0":1}})", "NONE No results for path: $['a'][0]"},
      {"$[99999999999]", "[1]", "NONE No results for path: $[99999999999]"},
      {"$.a['b','c']", "{}", "NONE Missing property in path $['a']"},
      {"$.a['b','c']", R"({"a":1})", "NONE Missing property in path $['a']['b', 'c']"},
      // Without one place there is nothing to miss.
      {"$.a[*]", "{}", "[]"},
      {"$.a[*].b", R"({"a":[{"b":1},{},3]})", "[1]"},
      {"$.a[0:9].b", R"({"a":[]})", "[]"},
      {"$.a[0,1].b", R"({"a":[{"b":1},{"b":2}]})", "[1,2]"},
      {"$.a[0,9]", R"({"a":[1]})", "[1]"},
      {"$..b", R"({"a":1})", "[]"},
      {"$.a[?(@.b)]", "{}", "[]"},
      {"$.a[?(@.b)]", R"({"a":7})", "[]"},
  });
}

TEST(Path, SlicesUnionsAndWildcards) {
  const auto* const digits = "[0,1,2,3,4,5,6,7,8,9]";
  expectAll({
      {"$[2:5]", digits, "[2,3,4]"},
      {"$[:3]", digits, "[0,1,2]"},
      {"$[8:]", digits, "[8,9]"},
      {"$[:]", digits, digits},
      {"$[-3:]", digits, "[7,8,9]"},
      {"$[:-8]", digits, "[0,1]"},
      {"$[-4:-2]", digits, "[6,7]"},
      {"$[1:8:3]", digits, "[1,4,7]"},
      {"$[::4]", digits, "[0,4,8]"},
      {"$[::100]", digits, "[0]"},
      {"$[5:2]", digits, "[]"},
      {"$[20:30]", digits, "[]"},
      {"$[-99:2]", digits, "[0,1]"},
      {"$[8:99]", digits, "[8,9]"},
      {"$[9:]", digits, "[9]"},
      {"$[0:1]", "[]", "[]"},
      {"$[0:1]", R"({"0":1})", "[]"},
      {"$[ 1 : 3 ]", digits, "[1,2]"},
      {"$[0,-1]", digits, "[0,9]"},
      {"$[3,1,3]", digits, "[3,1,3]"},
      {"$[*]", R"({"a":1,"b":[2]})", "[1,[2]]"},
      {"$.*", "[1,[2]]", "[1,[2]]"},
      {"$[*][*]", "[[1],[2,3],4]", "[1,2,3]"},
      {"$.*.n", R"({"a":{"n":1},"b":{"n":2},"c":3})", "[1,2]"},
      {"$[*]", "7", "[]"},
      // Several members of one object make an object of their own.
      {"$['a','c']", R"({"a":1,"b":2,"c":3})", R"({"a":1,"c":3})"},
      {"$['c','a','no']", R"({"a":1,"b":2,"c":3})", R"({"c":3,"a":1})"},
      {"$['no','nor']", "{}", "{}"},
      {"$.l[*]['a','b']", R"({"l":[{"a":1,"b":2,"c":3},{"b":4},5]})", R"([{"a":1,"b":2},{"b":4}])"},
      {"$['a','b'].c", R"({"a":{"c":1},"b":{"c":2}})", "[1,2]"},
  });
}

TEST(Path, RecursiveDescent) {
  const auto* const tree = R"({"a":{"n":1,"l":[{"n":2},{"m":{"n":3}}]},"n":0})";
  expectAll({
      {"$..n", tree, "[0,1,2,3]"},
      {"$.a..n", tree, "[1,2,3]"},
      {"$..l[0]", tree, R"([{"n":2}])"},
      {"$..l[*].n", tree, "[2]"},
      {"$..[0]", "[[1],[2]]", "[[1],1,2]"},
      {"$..*", R"({"a":[1,{"b":2}]})", R"([[1,{"b":2}],1,{"b":2},2])"},
      {"$..*", "7", "[]"},
      {"$..['n']", tree, "[0,1,2,3]"},
      {"$..[?(@.n == 2)]", tree, R"([{"n":2}])"},
      {"$..no", tree, "[]"},
      {"$..n[0]", tree, "[]"},
  });
}

TEST(Path, FiltersOfEveryKind) {
  const auto* const shop =
      R"({"min":10,"list":[{"id":1,"p":5,"tags":["x","y"],"name":"Log-1","in":{"a":[1]}},{"id":2,"p":10,"tags":[],"name":"log-22"},)"
      R"({"id":3,"p":20.5,"tags":["z"],"name":"größe","gone":null},{"id":4,"name":""}]})";
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"@.p == 10", "[2]"},
      {"@.p == 10.0", "[2]"},
      {"@.p != 10", "[1,3,4]"},
      {"@.p < 10", "[1]"},
      {"@.p <= 10", "[1,2]"},
      {"@.p > 10", "[3]"},
      {"@.p >= $.min", "[2,3]"},
      {"$.min == @.p", "[2]"},
      {"10 < @.p", "[3]"},
      {"@.p=='10'", "[]"},
      {"@.name < 'a'", "[1,4]"},
      {"@.name == 'größe'", "[3]"},
      {"@.name == \"gr\\u00f6\\u00dfe\"", "[3]"},
      {"@.gone", "[3]"},
      {"@.gone == null", "[3]"},
      {"@.gone != null", "[1,2,4]"},
      {"!@.p", "[4]"},
      {"!(@.p)", "[4]"},
      {"!(@.p > 5) && @.id != 4", "[1]"},
      {"@.id == 1 || @.id == 2 && @.p == 5", "[1]"},
      {"(@.id == 1 || @.id == 2) && @.p == 5", "[1]"},
      {"@.in.a[0] == 1", "[1]"},
      {"@.in.a[*]", "[1]"},
      {"@.tags[?(@ == 'z')]", "[3]"},
      {"@['name'] == 'Log-1'", "[1]"},
      {"@.tags == ['x','y']", "[1]"},
      {"@.id in [1,3,'x']", "[1,3]"},
      {"@.id in[4]", "[4]"},
      {"@.id nin [1,3]", "[2,4]"},
      {"'x' in @.tags", "[1]"},
      {"@.name in ['a]','it\\'s','log-22']", "[2]"},
      {"@.tags subsetof ['x','y','z']", "[1,2,3]"},
      {"@.tags anyof ['y','z']", "[1,3]"},
      {"@.tags noneof ['y']", "[2,3]"},
      {"@.tags contains 'x'", "[1]"},
      {"@.name contains 'og-'", "[1,2]"},
      {"@.tags size 2", "[1]"},
      {"@.tags size 0", "[2]"},
      {"@.name size 5", "[1,3]"},
      {"@.tags empty true", "[2]"},
      {"@.tags empty false", "[1,3]"},
      {"@.name empty true", "[4]"},
      {"@.name =~ /log-\\d+/", "[2]"},
      {"@.name =~ /log-\\d+/i", "[1,2]"},
      {"@.name =~ /log/i", "[]"},
      {"@.name =~ /(x'y|gr..e|a\\/b)/", "[3]"},
      {"@.p =~ /[0-9]+\\.5/", "[3]"},
      {"@.tags =~ /x/", "[]"},
      {"@.tags[?(@ =~ /[x'\"]/)]", "[1]"},
  };
  for (const auto& [filter, ids] : cases) EXPECT_EQ(readText(fmt::format("$.list[?({})].id", filter), shop), ids) << filter;
  expectAll({
      {"$.[?(@.n < 2)].s", R"([{"n":1,"s":"a"},{"n":2,"s":"b"}])", R"(["a"])"},
      {"$[?(@ > 1)]", "[1,2,3]", "[2,3]"},
      {"$.o[?(@.n == 1)]", R"({"o":{"n":1}})", R"([{"n":1}])"},
      {"$[?(@.n == 1)][0]", R"([{"n":1}])", "[]"},
      {"$[?(@['a','b'])]", R"([{"a":1},5])", R"([{"a":1}])"},
      {"$[?(@.n == 9223372036854775807)].s", R"([{"n":9223372036854775806,"s":1},{"n":9223372036854775807,"s":2}])", "[2]"},
      {"$[?(@.n > 9223372036854775807)].s", R"([{"n":9223372036854775807,"s":1},{"n":9223372036854775808,"s":2}])", "[2]"},
  });
}

TEST(Path, RefusesMore) {
  for (const auto* text : {"$..",
                           "$...a",
                           "$.a.",
                           "$..[",
                           "$.a..",
                           "$[1,]",
                           "$[,1]",
                           "$['a',]",
                           "$['a' 'b']",
                           "$[1:2:3:4]",
                           "$[1:x]",
                           "$[::-1]",
                           "$[1.5]",
                           "$[a]",
                           "$[?]",
                           "$[?()]",
                           "$[?(@.a]",
                           "$[?(@.a ==)]",
                           "$[?(== 1)]",
                           "$[?(1)]",
                           "$[?('x')]",
                           "$[?(@.a === 1)]",
                           "$[?(@.a && )]",
                           "$[?(@.a & @.b)]",
                           "$[?(@.a 1)]",
                           "$[?(@.a in)]",
                           "$[?(@.a in [1)]",
                           "$[?(@.a in [1 2])]",
                           "$[?(@.a = 1)]",
                           "$[?(@.a =~ 'x')]",
                           "$[?(@.a =~ /x)]",
                           "$[?(@.a =~ /(/)]",
                           "$[?(@.a =~ /x/q)]",
                           "$[?(@.a foo 1)]",
                           "$.a.length()",
                           "$.a b",
                           "$.a'b'",
                           " $.a",
                           "$.a ",
                           "@.a",
                           "$a",
                           "$$a"})
    EXPECT_FALSE(Path::parse(text)) << text;
}

TEST(Path, WhatIsWritten) {
  const auto write = [](std::string_view path, std::string_view document) {
    auto value = *json::parse(document);
    return Path::parse(path)->write(value, json::Value(9)) ? json::toText(value) : "NO";
  };
  const std::vector<PathCase> cases = {
      {"$", "1", "9"},
      {"$.a", "{}", R"({"a":9})"},
      {"$['a b'].c", "{}", R"({"a b":{"c":9}})"},
      {"$.a.b", R"({"a":null})", R"({"a":{"b":9}})"},
      {"$.a.b", R"({"a":{"b":1,"c":2}})", R"({"a":{"b":9,"c":2}})"},
      {"$.a.b", R"({"a":[]})", "NO"},
      {"$.a.b", R"({"a":"x"})", "NO"},
      {"$.a", "[]", "NO"},
      {"$.a", "null", "NO"},
      {"$.a[-1]", R"({"a":[1,2]})", R"({"a":[1,9]})"},
      {"$.a[0].b", R"({"a":[{}]})", R"({"a":[{"b":9}]})"},
      {"$.a[0]", R"({"a":{}})", "NO"},
  };
  for (const auto& [path, document, expected] : cases) EXPECT_EQ(write(path, document), expected) << path << " of " << document;
}

TEST(Pattern, TakesWholeTexts) {
  const auto takes = [](std::string_view pattern, std::string_view text, std::string_view flags = "") {
    const auto made = Pattern::compile(pattern, flags);
    if (!made) ADD_FAILURE() << pattern << ": " << made.error().message;
    Work work;
    return made && made->matches(text, work);
  };
  const std::vector<std::tuple<const char*, const char*, bool>> cases = {
      {"", "", true},
      {"", "a", false},
      {"abc", "abc", true},
      {"abc", "abcd", false},
      {"abc", "ABC", false},
      {"a.c", "aéc", true},
      {"a.c", "a\nc", false},
      {"a*", "", true},
      {"a*", "aaab", false},
      {"a+", "", false},
      {"a?b", "b", true},
      {"a{3}", "aaa", true},
      {"a{3}", "aa", false},
      {"a{2,}", "aaaa", true},
      {"a{2,3}", "aaaa", false},
      {"a{0}", "", true},
      {"(ab|cd)+", "abcdab", true},
      {"(?:ab)?c", "c", true},
      {"a|b|", "", true},
      {"a|bc", "ac", false},
      {"[abc]", "b", true},
      {"[^abc]", "b", false},
      {"[a-cx-z]+", "abxyz", true},
      {"[]a]+", "]a", true},
      {"[a-]+", "a-", true},
      {"[\\]\\d]+", "]1", true},
      {"[à-ü]+", "éü", true},
      {"\\d{4}-\\d\\d", "2024-01", true},
      {"\\w+", "a_Z9", true},
      {"\\w+", "é", false},
      {"\\W", "é", true},
      {"\\s\\S", " x", true},
      {"\\D+", "12", false},
      {"a\\.b", "a.b", true},
      {"a\\.b", "axb", false},
      {"^a$", "a", true},
      {"a^b", "ab", false},
      {"\\x41\\u00e9", "Aé", true},
      {"\\bfoo\\b.*", "foo bar", true},
      {"fo\\Bo", "foo", true},
      {"fo\\bo", "foo", false},
      {".*?b", "aab", true},
      {"(a*)*", "aaa", true},
      {"(a|a)*b", "aaaaaab", true},
      {"👍+", "👍👍", true},
      {"()*x", "x", true},
  };
  for (const auto& [pattern, text, expected] : cases) EXPECT_EQ(takes(pattern, text), expected) << pattern << " on " << text;
  EXPECT_TRUE(takes("[a-f]X", "Ex", "i"));
  EXPECT_TRUE(takes("a.b", "a\nb", "s"));
  EXPECT_TRUE(takes("é", "É", "i"));
  for (const auto* bad :
       {"(",  ")",   "a)",  "[",     "[a",      "[b-a]", "*",      "a**", "+", "{2}", "a{2,1}", "a{9999}", "(a{1000}){1000}",
        "\\", "\\q", "\\1", "(?=a)", "(?<n>a)", "\\x4",  "\\u12g4"})
    EXPECT_FALSE(Pattern::compile(bad, "")) << bad;
  EXPECT_FALSE(Pattern::compile("a", "m"));
}

TEST(Pattern, OfADefinitionAreBoundedTogether) {
  {
    const PatternBudget whole;
    const PatternBudget inner;
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(Pattern::compile("a+", "")) << i;
    EXPECT_EQ(Pattern::compile("a+", "").error().code, "asl.patterns");
    EXPECT_FALSE(Path::parse("$[?(@.a =~ /a+/)]"));
  }
  EXPECT_TRUE(Pattern::compile("a+", "")) << "each definition has its own";
  const PatternBudget large;
  std::size_t taken = 0;
  while (taken < 200 && Pattern::compile("(a|b|c|d|[^x]){1,150}", "")) ++taken;
  EXPECT_GT(taken, 1U);
  EXPECT_LT(taken, 100U) << "their programs count too";
  std::string path = "$";
  for (int i = 0; i < 201; ++i) path += "[?(@.a =~ /a/)]";
  EXPECT_FALSE(Path::parse(path));
}

TEST(Pattern, IsBounded) {
  const auto made = Pattern::compile("(a|a|b*)*(x+x+)+y{0,50}", "");
  ASSERT_TRUE(made);
  Work work(100'000);
  EXPECT_FALSE(made->matches(std::string(1'000'000, 'x'), work));
  EXPECT_TRUE(work.exhausted());
  EXPECT_FALSE(Pattern::compile(std::string(100'000, '('), ""));
  EXPECT_FALSE(Pattern::compile(std::string(100'000, 'a'), ""));
}

// Whatever is compared is counted by what is looked at: the budget of a state is used up long before a second is.
TEST(Filter, WhatItComparesIsBounded) {
  json::Array numbers(30'000, json::Value(0));
  json::Object document{
      {"v", json::Object{{"x", numbers}}}, {"w", json::Object{{"x", numbers}}}, {"l", json::Array(60'000, json::Value(0))}};
  document["w"].as_object()["x"].as_array().back() = 1;
  document["list"] = json::Array{document["w"], document["w"]};
  document["text"] = std::string(160'000, 'a');
  document["part"] = std::string(80'000, 'a') + "b";
  for (const auto* filter : {"$.v == $.w", "$.v != $.w", "$.text == $.text", "$.text size 5", "$.text contains $.part", "$.v in $.list"}) {
    const auto path = Path::parse(fmt::format("$.l[?({})]", filter));
    ASSERT_TRUE(path) << filter;
    Work work(2'000'000);
    static_cast<void>(path->read(document, &work));
    EXPECT_TRUE(work.exhausted()) << filter;
    // One comparison more than the budget at most: no element looked at without being counted.
    EXPECT_LT(work.used(), 2'100'000) << filter;
  }
}

}  // namespace
}  // namespace sp::asl
