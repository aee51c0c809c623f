#include "schedule/transform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sp::schedule {
namespace {

std::string fill(std::string_view text) {
  const std::map<std::string, json::Value, std::less<>> values = {
      {"name", "web"}, {"count", 3}, {"object", *json::parse(R"({"acc_id":1})")}, {"list", *json::parse(R"(["a","b"])")},
      {"odd", "a\"b"}, {"no", false}};
  const auto parsed = Template::parse(text, {"name", "count", "object", "list", "odd", "no", "missing"});
  if (!parsed) return parsed.error().message;
  const auto filled = parsed->fill(values, 100'000);
  return filled ? *filled : filled.error().code;
}

TEST(Template, PutsJsonWhereJsonStands) {
  EXPECT_EQ(fill(R"({"a":<name>,"b":<count>,"c":<object>,"d":<list>,"e":<no>})"),
            R"({"a":"web","b":3,"c":{"acc_id":1},"d":["a","b"],"e":false})");
}

TEST(Template, PutsTextBetweenQuotes) {
  EXPECT_EQ(fill(R"("<name> has <count>")"), R"("web has 3")");
  EXPECT_EQ(fill(R"({"a":"x <object> <list>"})"), R"({"a":"x {acc_id:1} [a,b]"})");
  EXPECT_EQ(fill(R"("<odd>")"), R"("a\"b")");
  EXPECT_EQ(fill(R"("say \"<name>\" twice")"), R"("say \"web\" twice")");
}

TEST(Template, StopsAtItsLimit) {
  const auto parsed = Template::parse("<a><a><a><a>", {"a"});
  ASSERT_TRUE(parsed);
  const std::map<std::string, json::Value, std::less<>> values = {{"a", json::String(30, 'x')}};
  EXPECT_EQ(parsed->fill(values, 4 * 32).value_or("").size(), 4U * 32);
  EXPECT_EQ(parsed->fill(values, 4 * 32 - 1).error().code, "schedule.too_large");
}

TEST(Template, LeavesWhatIsMissingEmpty) { EXPECT_EQ(fill(R"({"a":<missing>,"b":"x<missing>y"})"), R"({"a":"","b":"xy"})"); }

TEST(Template, KeepsWhatIsNoVariable) {
  EXPECT_EQ(fill(R"("1 < 2 > 0 <>")"), R"("1 < 2 > 0 <>")");
  EXPECT_EQ(fill(""), "");
}

TEST(Template, RefusesVariablesThatAreNotThere) {
  EXPECT_EQ(fill(R"("<other>")"), "the placeholder <other> is not defined");
  EXPECT_TRUE(Template::parse(R"({"a":<aws.events.event.json>,"b":"<aws.events.rule-name>"})", {}));
}

TEST(Template, ChecksThatJsonIsJson) {
  const auto check = [](std::string_view text) {
    const auto good = Template::parse(text, {"a", "b"})->checkJson();
    return good ? std::string("good") : good.error().message;
  };
  for (const auto* text : {R"({"x":<a>,"y":"of <a> and <b>","z":[<b>,"\"<a>\""]})", R"( [<a>])", R"([])", R"({"a":"a","<":1,"<c":2})",
                           // What begins otherwise is text.
                           "", " ", "<a>", R"("<a> {")", R"("one <a>"
"two <b>")"})
    EXPECT_EQ(check(text), "good") << text;
  for (const auto* text : {R"({"x" <a>})", R"({"x": "unterminated <a>)", "[<a>, ", " {", R"({"x":<a>}})", R"([<a><b>])"})
    EXPECT_THAT(check(text), ::testing::StartsWith("with its placeholders filled in it is no JSON: ")) << text;
  for (const auto* text : {R"({"<a>":1})", R"({<a>:1})", R"([{"x":[{"y":<b>,"of <a>":1}]}])"})
    EXPECT_EQ(check(text), "The placeholder cannot be used as an object key") << text;
}

}  // namespace
}  // namespace sp::schedule
