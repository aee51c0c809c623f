#include "schedule/transform.h"

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

}  // namespace
}  // namespace sp::schedule
