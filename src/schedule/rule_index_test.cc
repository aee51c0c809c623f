#include "schedule/rule_index.h"

#include <memory>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sp::schedule {
namespace {

using testing::ElementsAre;

json::Object object(std::string_view text) { return json::parse(text)->as_object(); }

struct Rules {
  explicit Rules(const std::vector<std::string>& texts) {
    for (const auto& text : texts) {
      auto parsed = Pattern::parse(text);
      if (!parsed) throw std::invalid_argument(text + ": " + parsed.error().message);
      patterns.push_back(std::make_unique<Pattern>(std::move(*parsed)));
      pointers.push_back(patterns.back().get());
    }
    index = RuleIndex(pointers);
  }
  std::vector<std::size_t> plain(const json::Object& event) const {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < patterns.size(); ++i)
      if (patterns[i]->matches(event)) out.push_back(i);
    return out;
  }
  std::vector<std::size_t> indexed(const json::Object& event) const {
    std::vector<std::size_t> out;
    for (const auto i : index.candidates(event))
      if (patterns[i]->matches(event)) out.push_back(i);
    return out;
  }
  std::vector<std::unique_ptr<Pattern>> patterns;
  std::vector<const Pattern*> pointers;
  RuleIndex index;
};

TEST(RuleIndex, AsksFewOfMany) {
  std::vector<std::string> texts;
  for (int i = 0; i < 1000; ++i) texts.push_back(R"({"source":["a"],"detail-type":["t)" + std::to_string(i) + R"("]})");
  texts.emplace_back(R"({"source":[{"prefix":"a"}]})");
  const Rules rules(texts);
  EXPECT_THAT(rules.index.candidates(object(R"({"source":"a","detail-type":"t7"})")), ElementsAre(7, 1000));
  EXPECT_THAT(rules.index.candidates(object(R"({"source":"a","detail-type":"none"})")), ElementsAre(1000));
}

TEST(RuleIndex, FindsByWhatTellsRulesApart) {
  const Rules rules({R"({"source":["a"],"detail":{"state":["FAILED"]}})", R"({"source":["a"],"detail":{"state":["ABORTED","EXPIRED"]}})"});
  EXPECT_THAT(rules.index.candidates(object(R"({"source":"a","detail":{"state":"EXPIRED"}})")), ElementsAre(1));
}

TEST(RuleIndex, ElementsOfArraysCount) {
  const Rules rules({R"({"resources":["x"]})", R"({"detail":{"a":{"b":["y"]}}})"});
  EXPECT_THAT(rules.indexed(object(R"({"resources":["w","x"],"detail":[{"a":[[{"b":["z",["y"]]}]]}]})")), ElementsAre(0, 1));
}

// Patterns and events of few names and values, so that they meet often: what the index finds is what asking each pattern finds.
class Maker {
 public:
  explicit Maker(unsigned seed) : random_(seed) {}
  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  std::string name() { return std::array{"source", "detail-type", "detail", "a", "b", "resources"}[static_cast<std::size_t>(below(6))]; }
  std::string leaf() {
    return std::array{R"("x")", R"("y")", R"("xy")", R"("")", "1", "2.5", "true", "null"}[static_cast<std::size_t>(below(8))];
  }
  std::string matcher() {
    if (below(3) > 0) return leaf();
    return std::array{R"({"prefix":"x"})",       R"({"suffix":"y"})",
                      R"({"exists":true})",      R"({"exists":false})",
                      R"({"anything-but":"x"})", R"({"anything-but":["x","y"]})",
                      R"({"numeric":["<",2]})",  R"({"equals-ignore-case":"X"})",
                      R"({"wildcard":"x*"})",    R"({"cidr":"10.0.0.0/8"})"}[static_cast<std::size_t>(below(10))];
  }
  std::string list(const std::function<std::string()>& one) {
    std::string out = one();
    for (int more = below(3); more > 0; --more) out += "," + one();
    return "[" + out + "]";
  }
  std::string members(const std::function<std::string()>& value) {
    std::vector<std::string> names;
    for (int n = 1 + below(3); n > 0; --n)
      if (auto fresh = name(); std::ranges::find(names, fresh) == names.end()) names.push_back(std::move(fresh));
    std::string out;
    for (const auto& one : names) out += (out.empty() ? "\"" : ",\"") + one + "\":" + value();
    return out;
  }
  std::string pattern(int depth) {
    auto out = members([&] { return depth > 0 && below(3) == 0 ? pattern(depth - 1) : list([&] { return matcher(); }); });
    if (below(6) == 0) out += R"(,"$or":[)" + pattern(0) + "," + pattern(0) + "]";
    return "{" + out + "}";
  }
  std::string value(int depth) {
    const int kind = below(depth > 0 ? 5 : 2);
    if (kind == 2) return list([&] { return value(depth - 1); });
    if (kind > 2) return event(depth - 1);
    return leaf();
  }
  std::string event(int depth) {
    return "{" + members([&] { return value(depth); }) + "}";
  }

 private:
  std::mt19937 random_;
};

TEST(RuleIndex, FindsWhatThePlainMatcherFinds) {
  std::size_t matched = 0;
  std::size_t asked = 0;
  std::size_t all = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    Maker maker(seed);
    std::vector<std::string> texts;
    for (int i = 0; i < 40; ++i) texts.push_back(maker.pattern(2));
    const Rules rules(texts);
    for (int i = 0; i < 200; ++i) {
      const auto text = maker.event(4);
      const auto event = object(text);
      const auto wanted = rules.plain(event);
      matched += wanted.size();
      asked += rules.index.candidates(event).size();
      all += rules.patterns.size();
      ASSERT_EQ(rules.indexed(event), wanted) << "seed " << seed << ": " << text;
    }
  }
  // They do meet, and not all are asked.
  EXPECT_GT(matched, 20'000U);
  EXPECT_LT(asked, all * 9 / 10);
}

}  // namespace
}  // namespace sp::schedule
