#include "schedule/pattern.h"

#include <gtest/gtest.h>

namespace sp::schedule {
namespace {

struct MatchCase {
  const char* pattern;
  const char* event;
  bool wanted;
};

class Matching : public testing::TestWithParam<MatchCase> {};

TEST_P(Matching, Decides) {
  const auto pattern = Pattern::parse(GetParam().pattern);
  ASSERT_TRUE(pattern) << GetParam().pattern << ": " << pattern.error().message;
  EXPECT_EQ(pattern->matches(json::parse(GetParam().event)->get_object()), GetParam().wanted)
      << GetParam().pattern << " " << GetParam().event;
}

INSTANTIATE_TEST_SUITE_P(
    Operators, Matching,
    testing::Values(
        // Exact: type-strict and case-sensitive, any of the list, all of the fields.
        MatchCase{R"({"a":["x","y"]})", R"({"a":"y"})", true}, MatchCase{R"({"a":["x"]})", R"({"a":"X"})", false},
        MatchCase{R"({"a":[1]})", R"({"a":"1"})", false}, MatchCase{R"({"a":[1]})", R"({"a":1.0})", true},
        MatchCase{R"({"a":[true]})", R"({"a":"true"})", false}, MatchCase{R"({"a":[null]})", R"({"a":null})", true},
        MatchCase{R"({"a":[""]})", R"({"a":null})", false}, MatchCase{R"({"a":[null]})", R"({})", false},
        MatchCase{R"({"a":["x"],"b":[1]})", R"({"a":"x","b":2})", false},
        MatchCase{R"({"a":{"b":["x"]}})", R"({"a":{"b":"x","c":1}})", true}, MatchCase{R"({"a":{"b":["x"]}})", R"({"a":"x"})", false},
        MatchCase{R"({"a":["x"]})", R"({"a":{"b":"x"}})", false},
        MatchCase{R"({"a":[9007199254740993]})", R"({"a":9007199254740992})", false},
        // Arrays in the event: any element; fields of one pattern object are of one element.
        MatchCase{R"({"a":["x"]})", R"({"a":["w","x"]})", true}, MatchCase{R"({"a":["x"]})", R"({"a":[]})", false},
        MatchCase{R"({"a":{"b":[1],"c":[2]}})", R"({"a":[{"b":1,"c":2}]})", true},
        MatchCase{R"({"a":{"b":[1],"c":[2]}})", R"({"a":[{"b":1},{"c":2}]})", false}, MatchCase{R"({"a":["x"]})", R"({"a":[["x"]]})", true},
        // Prefix, suffix, case, wildcard.
        MatchCase{R"({"a":[{"prefix":"us-"}]})", R"({"a":"us-east-1"})", true},
        MatchCase{R"({"a":[{"prefix":"us-"}]})", R"({"a":"eu"})", false},
        MatchCase{R"({"a":[{"prefix":{"equals-ignore-case":"Us-"}}]})", R"({"a":"uS-x"})", true},
        MatchCase{R"({"a":[{"suffix":".png"}]})", R"({"a":"x.png"})", true},
        MatchCase{R"({"a":[{"suffix":".png"}]})", R"({"a":"x.PNG"})", false},
        MatchCase{R"({"a":[{"suffix":{"equals-ignore-case":".png"}}]})", R"({"a":"x.PNG"})", true},
        MatchCase{R"({"a":[{"equals-ignore-case":"Alice"}]})", R"({"a":"aLICE"})", true},
        MatchCase{R"({"a":[{"equals-ignore-case":"Alice"}]})", R"({"a":"alic"})", false},
        MatchCase{R"({"a":[{"wildcard":"dir/*.png"}]})", R"({"a":"dir/a/b.png"})", true},
        MatchCase{R"({"a":[{"wildcard":"dir/*.png"}]})", R"({"a":"dir/a.jpg"})", false},
        MatchCase{R"({"a":[{"wildcard":"a\\*b*"}]})", R"({"a":"a*bc"})", true},
        MatchCase{R"({"a":[{"wildcard":"a\\*b*"}]})", R"({"a":"axbc"})", false},
        MatchCase{R"({"a":[{"wildcard":"*a*b*"}]})", R"({"a":"xxaxxaxxbxx"})", true},
        MatchCase{R"({"a":[{"wildcard":"ab*ba"}]})", R"({"a":"aba"})", false},
        MatchCase{R"({"a":[{"wildcard":"ab*ba"}]})", R"({"a":"abba"})", true},
        MatchCase{R"({"a":[{"wildcard":"*ab*ab"}]})", R"({"a":"aababxab"})", true},
        MatchCase{R"({"a":[{"wildcard":"*ab*ab"}]})", R"({"a":"aab"})", false},
        MatchCase{R"({"a":[{"wildcard":"a*"}]})", R"({"a":"a"})", true},
        MatchCase{R"({"a":[{"wildcard":"abc"}]})", R"({"a":"abcd"})", false},
        MatchCase{R"({"a":[{"wildcard":"a\\\\*"}]})", R"({"a":"a\\b"})", true},
        MatchCase{R"({"a":[{"wildcard":"a?c"}]})", R"({"a":"abc"})", false}, MatchCase{R"({"a":[{"wildcard":"*"}]})", R"({"a":""})", true},
        // Anything but.
        MatchCase{R"({"a":[{"anything-but":"x"}]})", R"({"a":"y"})", true},
        MatchCase{R"({"a":[{"anything-but":"x"}]})", R"({"a":"x"})", false},
        MatchCase{R"({"a":[{"anything-but":"x"}]})", R"({"b":"x"})", false},
        MatchCase{R"({"a":[{"anything-but":["x","y"]}]})", R"({"a":"y"})", false},
        MatchCase{R"({"a":[{"anything-but":[1,2]}]})", R"({"a":3})", true},
        MatchCase{R"({"a":[{"anything-but":[1,2]}]})", R"({"a":2})", false},
        MatchCase{R"({"a":[{"anything-but":1}]})", R"({"a":"1"})", true},
        MatchCase{R"({"a":[{"anything-but":{"prefix":"in"}}]})", R"({"a":"init"})", false},
        MatchCase{R"({"a":[{"anything-but":{"prefix":["in","go"]}}]})", R"({"a":"stop"})", true},
        MatchCase{R"({"a":[{"anything-but":{"suffix":".txt"}}]})", R"({"a":"a.txt"})", false},
        MatchCase{R"({"a":[{"anything-but":{"equals-ignore-case":["A","b"]}}]})", R"({"a":"B"})", false},
        MatchCase{R"({"a":[{"anything-but":{"wildcard":"*/lib/*"}}]})", R"({"a":"x/lib/y"})", false},
        MatchCase{R"({"a":[{"anything-but":{"wildcard":["*.c","*.h"]}}]})", R"({"a":"x.py"})", true},
        // Numbers.
        MatchCase{R"({"a":[{"numeric":[">",0,"<=",5]}]})", R"({"a":5})", true},
        MatchCase{R"({"a":[{"numeric":[">",0,"<=",5]}]})", R"({"a":0})", false},
        MatchCase{R"({"a":[{"numeric":["=",3.02e2]}]})", R"({"a":302})", true},
        MatchCase{R"({"a":[{"numeric":["<",10]}]})", R"({"a":"5"})", false},
        MatchCase{R"({"a":[{"numeric":[">=",-1.5]}]})", R"({"a":-1.5})", true},
        // Existence is of leaves.
        MatchCase{R"({"a":[{"exists":true}]})", R"({"a":null})", true}, MatchCase{R"({"a":[{"exists":true}]})", R"({"b":1})", false},
        MatchCase{R"({"a":[{"exists":false}]})", R"({"b":1})", true}, MatchCase{R"({"a":[{"exists":false}]})", R"({"a":1})", false},
        MatchCase{R"({"a":[{"exists":true}]})", R"({"a":{"b":1}})", false}, MatchCase{R"({"a":{"b":[{"exists":false}]}})", R"({})", true},
        MatchCase{R"({"a":{"b":[{"exists":false}]}})", R"({"a":{"b":1}})", false},
        MatchCase{R"({"a":["x",{"exists":false}]})", R"({})", true},
        // Addresses.
        MatchCase{R"({"a":[{"cidr":"10.0.0.0/24"}]})", R"({"a":"10.0.0.255"})", true},
        MatchCase{R"({"a":[{"cidr":"10.0.0.0/24"}]})", R"({"a":"10.0.1.0"})", false},
        MatchCase{R"({"a":[{"cidr":"0.0.0.0/0"}]})", R"({"a":"8.8.8.8"})", true},
        MatchCase{R"({"a":[{"cidr":"2001:db8::/33"}]})", R"({"a":"2001:db8:7fff::1"})", true},
        MatchCase{R"({"a":[{"cidr":"2001:db8::/33"}]})", R"({"a":"2001:db8:8000::1"})", false},
        MatchCase{R"({"a":[{"cidr":"10.0.0.0/8"}]})", R"({"a":"no address"})", false},
        // $or.
        MatchCase{R"({"s":["x"],"$or":[{"a":[1]},{"b":[2]}]})", R"({"s":"x","b":2})", true},
        MatchCase{R"({"s":["x"],"$or":[{"a":[1]},{"b":[2]}]})", R"({"s":"y","b":2})", false},
        MatchCase{R"({"s":["x"],"$or":[{"a":[1]},{"b":[2]}]})", R"({"s":"x","b":3})", false},
        MatchCase{R"({"d":{"$or":[{"a":[{"numeric":["<",3]}]},{"$or":[{"b":[1]},{"c":[1]}]}]}})", R"({"d":{"a":9,"c":1}})", true},
        MatchCase{R"({"$or":["x"]})", R"({"$or":"x"})", true}));

TEST(Pattern, RefusesWhatIsNoPattern) {
  for (const auto* text : {"",
                           "x",
                           "[]",
                           "{}",
                           R"({"a":"x"})",
                           R"({"a":1})",
                           R"({"a":[]})",
                           R"({"a":{}})",
                           R"({"a":[["x"]]})",
                           R"({"a":[{}]})",
                           R"({"a":[{"prefix":1}]})",
                           R"({"a":[{"prefix":{"suffix":"x"}}]})",
                           R"({"a":[{"nope":1}]})",
                           R"({"a":[{"prefix":"x","suffix":"y"}]})",
                           R"({"a":[{"exists":"true"}]})",
                           R"({"a":[{"numeric":5}]})",
                           R"({"a":[{"numeric":["<"]}]})",
                           R"({"a":[{"numeric":["<","5"]}]})",
                           R"({"a":[{"numeric":["<>",5]}]})",
                           R"({"a":[{"numeric":["=",5000000001]}]})",
                           R"({"a":[{"numeric":[">",5,"<",5]}]})",
                           R"({"a":[{"numeric":["<",5,">",1]}]})",
                           R"({"a":[{"numeric":[]}]})",
                           R"({"a":[{"cidr":"10.0.0.0"}]})",
                           R"({"a":[{"cidr":"10.0.0.0/33"}]})",
                           R"({"a":[{"cidr":"x/3"}]})",
                           R"({"a":[{"cidr":"10.0.0.0/x"}]})",
                           R"({"a":[{"wildcard":"a**b"}]})",
                           R"({"a":[{"wildcard":"a\\b"}]})",
                           R"({"a":[{"wildcard":3}]})",
                           R"({"a":[{"anything-but":[]}]})",
                           R"({"a":[{"anything-but":["x",1]}]})",
                           R"({"a":[{"anything-but":null}]})",
                           R"({"a":[{"anything-but":{"numeric":["<",1]}}]})",
                           R"({"a":[{"anything-but":{"prefix":""}}]})",
                           R"({"a":[{"equals-ignore-case":["x"]}]})",
                           R"({"$or":[]})",
                           R"({"$or":[{"a":[1]}]})",
                           R"({"$or":[{"a":[1]},2,[]]})",
                           R"({"a":["x"]} x)"})
    EXPECT_FALSE(Pattern::parse(text)) << text;
}

// Going back a character at a time would take minutes for each.
TEST(Pattern, AWildcardTakesATimeThatGrowsWithItsTexts) {
  const std::string part(400'000, 'a');
  const auto pattern = Pattern::parse(json::toText(json::Object{{"a", json::Array{json::Object{{"wildcard", "*" + part + "b*"}}}}}));
  ASSERT_TRUE(pattern);
  EXPECT_FALSE(pattern->matches(json::Object{{"a", std::string(1'000'000, 'a')}}));
  EXPECT_TRUE(pattern->matches(json::Object{{"a", std::string(1'000'000, 'a') + "b"}}));
}

TEST(Pattern, SaysWhy) {
  EXPECT_EQ(Pattern::parse(R"({"source":"x"})").error().message, "\"source\" must be an object or an array");
  EXPECT_EQ(Pattern::parse(R"({"a":[{"nope":1}]})").error().message, "Unrecognized match type nope");
  EXPECT_EQ(Pattern::parse(R"({"a":[{"anything-but":["x",1]}]})").error().message,
            "Inside anything but list, either all values are number or string, mixed type is not supported");
}

TEST(Pattern, TellsWhatItCanBeFoundBy) {
  EXPECT_EQ(Pattern::parse(R"({"source":["a","b"]})")->exactTexts("source"), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(Pattern::parse(R"({"source":["a",{"prefix":"b"}]})")->exactTexts("source").empty());
  EXPECT_TRUE(Pattern::parse(R"({"detail":{"a":[1]}})")->exactTexts("source").empty());
}

}  // namespace
}  // namespace sp::schedule
