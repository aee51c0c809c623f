#include "json/duplicates.h"

#include <gtest/gtest.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "json/json.h"

namespace sp::json {
namespace {

std::string found(std::string_view text) {
  std::string all;
  for (const auto& one : findDuplicates(text, 20)) all += fmt::format("{} ", fmt::join(one.steps, "/"));
  return all;
}

TEST(Duplicates, AreNamedByTheirPlace) {
  EXPECT_EQ(found(R"({"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]})"), "");
  EXPECT_EQ(found(R"({"a":1,"a":2})"), "a ");
  EXPECT_EQ(found(R"({"a":1,"a":2,"a":3})"), "a a ");
  EXPECT_EQ(found(R"({"a":{"x":1},"b":[0,[],{},{"y":1,"z":2,"y":{"k":1,"k":2}}],"a":{}})"), "b/[3]/y b/[3]/y/k a ");
  EXPECT_EQ(found(R"({"\u0061":1,"a":2})"), "a ");
  EXPECT_EQ(found(R"([{"":1,"":2}])"), "[0]/ ");
  EXPECT_EQ(found(R"({"a":1,"a":)"), "");
  EXPECT_EQ(found("1"), "");
}

TEST(Duplicates, AreToldUpToALimit) {
  std::string text = "{\"a\":0";
  for (int i = 0; i < 100; ++i) text += ",\"a\":1";
  EXPECT_EQ(findDuplicates(text + "}", 20).size(), 20U);
  EXPECT_EQ(findDuplicates(text + "}", 1000).size(), 100U);
}

TEST(Duplicates, OnlyThoseAskedForCount) {
  std::string text = R"({"data":{)";
  for (int i = 0; i < 30; ++i) text += R"("x":1,)";
  text += R"("x":1},"list":[{"a":1,"a":2}]})";
  const auto inLists = [](std::span<const std::string_view> steps) { return steps.size() == 3 && steps[1] == "[]"; };
  const auto found = findDuplicates(text, 1, inLists);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].steps, (std::vector<std::string>{"list", "[0]", "a"}));
}

// 60,000 times a path of 700 KB would be 42 GB.
TEST(Duplicates, LongStepsAreBounded) {
  auto text = "{\"" + std::string(700'000, 'x') + "\":{\"\":1";
  for (int i = 0; i < 60'000; ++i) text += ",\"\":1";
  EXPECT_LE(findDuplicates(text + "}}", 60'000).size(), 20U);
}

// The last one is kept, where the first stood or not.
TEST(Duplicates, TheLastCounts) { EXPECT_EQ(toText(*parse(R"({"a":1,"b":2,"a":{"c":3}})")), R"({"a":{"c":3},"b":2})"); }

}  // namespace
}  // namespace sp::json
