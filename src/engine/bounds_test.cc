// What is made to take all the time or memory there is: it ends with a clear error, and in pieces, so that others go on.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/step.h"

namespace sp::engine {
namespace {

using testing::HasSubstr;

/// Runs an execution to its end or first real wait, firing what lets others go on.
struct Run {
  std::size_t steps = 0;
  /// Most events of one step.
  std::size_t largest = 0;
  std::size_t events = 0;
  std::size_t frames = 0;
  std::string end = "RUNNING";
};

Run drive(const std::string& text, std::string input, const Limits& limits = {}) {
  const auto definition = asl::compile(text);
  if (!definition) ADD_FAILURE() << asl::describe(definition.error());
  Run run;
  if (!definition) return run;
  const Inputs inputs{fromMicros(1'700'000'000'000'000), 1};
  Identity identity{"arn:aws:states:us-east-1:000000000000:execution:m:e", "e", "m", "m", "r", "d", inputs.now, false};
  auto state = initialState(identity, Payload::fromText(std::move(input)));
  Event event = Start{};
  while (true) {
    auto transition = step(**definition, std::move(state), event, inputs, limits);
    state = std::move(transition.state);
    ++run.steps;
    run.events += transition.history.size();
    run.largest = std::max(run.largest, transition.history.size());
    run.frames = std::max(run.frames, state.frames.size());
    for (const auto& effect : transition.effects)
      if (const auto* finish = std::get_if<Finish>(&effect))
        run.end = finish->status == "SUCCEEDED" ? finish->output.text() : fmt::format("{}: {}", finish->error, finish->cause);
    if (state.resume_timer == 0) return run;
    event = TimerFired{state.resume_timer};
  }
}

std::string repeated(std::string_view one, std::size_t times, std::string_view separator = "") {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all.append(i == 0 ? "" : separator).append(one);
  return all;
}
std::string passing(std::string_view fields) {
  return fmt::format(R"({{"StartAt":"A","States":{{"A":{{"Type":"Pass",{},"End":true}}}}}})", fields);
}
/// An array in an array … `depth` deep, around `leaves` numbers.
std::string nested(std::size_t depth, std::size_t leaves) {
  return std::string(depth, '[') + repeated("7", leaves, ",") + std::string(depth, ']');
}

TEST(Bounds, AMapOver100000Items) {
  const auto run = drive(
      R"({"StartAt":"A","States":{"A":{"Type":"Map","ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true}}})",
      "[" + repeated("1", 100'000, ",") + "]");
  EXPECT_EQ(run.end, "States.Runtime: The execution reached the maximum number of history events (25000).");
  EXPECT_EQ(run.events, 25'000U);
  EXPECT_GE(run.steps, 5U);
  EXPECT_LE(run.largest, 5'010U);
  EXPECT_LE(run.frames, 41U);
}

TEST(Bounds, ACycleOfChoicesWithoutWaits) {
  const auto run =
      drive(R"({"StartAt":"A","States":{"A":{"Type":"Choice","Choices":[{"Variable":"$.x","IsPresent":true,"Next":"C"}],"Default":"B"},
    "B":{"Type":"Choice","Choices":[{"Variable":"$.y","IsPresent":true,"Next":"C"}],"Default":"A"},"C":{"Type":"Succeed"}}})",
            "{}");
  EXPECT_EQ(run.end, "States.Runtime: The execution reached the maximum number of history events (25000).");
  EXPECT_GE(run.steps, 5U);
  EXPECT_LE(run.largest, 5'010U);
}

// Each would take years, or all memory, if it were carried through.
TEST(Bounds, PathsMadeToBlowUp) {
  const auto deep = nested(400, 60'000);
  const auto flat = "[" + repeated("1", 120'000, ",") + "]";
  // Seven filters, each over all that lies below.
  std::string filters = "$..x";
  for (int i = 0; i < 7; ++i) filters = "$..[?(@" + filters.substr(1) + ")]";
  const std::vector<std::pair<std::string, std::string>> bad = {{filters, deep},
                                                                {"$..*", deep},
                                                                {"$..*..*..*", deep},
                                                                {"$[?(@ == $[*])]", flat},
                                                                {"$[?($[*] == $[*])]", flat},
                                                                {"$..[?(@..* == $..*)]", deep},
                                                                {"$..[*][*]..y", deep}};
  for (const auto& [path, input] : bad) {
    const auto run = drive(passing(fmt::format(R"("Parameters":{{"x.$":"{}"}})", path)), input);
    EXPECT_THAT(run.end, HasSubstr("looks at more than the 2000000 places that one state may look at")) << path;
    EXPECT_THAT(run.end, testing::StartsWith("States.Runtime: An error occurred while executing the state 'A'")) << path;
    EXPECT_EQ(run.steps, 1U);
  }
  EXPECT_THAT(drive(passing(R"("InputPath":"$..*")"), deep).end, HasSubstr("looks at more than"));
  // Regular expressions that go back over a text in other engines: a small one is through at once, a large one is stopped.
  const auto text = "[\"" + std::string(250'000, 'x') + "\"]";
  EXPECT_EQ(drive(passing(R"x("InputPath":"$[?(@ =~ /(x+x+)+y/)]")x"), text).end, "[]");
  EXPECT_EQ(drive(passing(R"x("InputPath":"$[?(@ =~ /((x{0,20}){20})+y/)]")x"), text).end, "[]");
  EXPECT_THAT(
      drive(
          R"({"StartAt":"A","States":{"A":{"Type":"Choice","Choices":[{"Variable":"$..[?(@..[?(@..x)])]","IsPresent":true,"Next":"B"}]},"B":{"Type":"Succeed"}}})",
          deep)
          .end,
      HasSubstr("looks at more than"));
}

TEST(Bounds, APayloadOfManyCopies) {
  const auto input = "[" + repeated("1", 120'000, ",") + "]";
  std::string members;
  for (int i = 0; i < 1'000; ++i) members += fmt::format(R"({}"m{}.$":"$")", i == 0 ? "" : ",", i);
  EXPECT_THAT(drive(passing(fmt::format(R"("Parameters":{{{}}})", members)), input).end, HasSubstr("looks at more than"));
  // What a state may well do.
  EXPECT_EQ(drive(passing(R"x("Parameters":{"n.$":"States.ArrayLength($)","m.$":"States.ArrayLength($[?(@ == 1)])"})x"), input).end,
            R"({"n":120000,"m":120000})");
}

TEST(Bounds, PatternsMadeToBlowUp) {
  const auto text = "\"" + std::string(250'000, 'a') + "\"";
  const auto choice = [](std::string_view pattern) {
    return fmt::format(
        R"({{"StartAt":"A","States":{{"A":{{"Type":"Choice","Choices":[{{"Variable":"$","StringMatches":"{}","Next":"B"}}],"Default":"B"}},"B":{{"Type":"Succeed"}}}}}})",
        pattern);
  };
  EXPECT_THAT(drive(choice("*" + std::string(100'000, 'a') + "b"), text).end,
              HasSubstr("the Choice looks at more than the 2000000 places"));
  // Many stars cost nothing.
  EXPECT_EQ(drive(choice(repeated("*a", 50'000) + "*"), text).end, text);
  EXPECT_EQ(drive(choice(repeated("*a", 1'000) + "*b"), text).end, text);
}

TEST(Bounds, TextsSplitAtManySeparators) {
  const auto input = fmt::format(R"({{"t":"{}","s":"{}"}})", std::string(120'000, 'x'), std::string(120'000, 'y'));
  EXPECT_EQ(drive(passing(R"x("Parameters":{"n.$":"States.ArrayLength(States.StringSplit($.t, $.s))"})x"), input).end, R"({"n":1})");
}

TEST(Bounds, AStepThatWorkedHardLetsOthersGoOn) {
  // Each state takes some 200,000 of the 500,000 after which a step ends.
  std::string states;
  for (int i = 0; i < 30; ++i)
    states += fmt::format(R"x("S{}":{{"Type":"Pass","Parameters":{{"n.$":"States.ArrayLength($..*)"}},"ResultPath":null,"Next":"S{}"}},)x",
                          i, i + 1);
  const auto run =
      drive(fmt::format(R"({{"StartAt":"S0","States":{{{}"S30":{{"Type":"Pass","Result":0,"End":true}}}}}})", states), nested(20, 10'000));
  EXPECT_EQ(run.end, "0");
  EXPECT_GE(run.steps, 9U);
}

TEST(Bounds, ADefinitionOfOneMebibyteNested1000Deep) {
  const auto nestedDeep = [](int depth) {
    std::string text = R"({"StartAt":"L","States":{"L":{"Type":"Succeed"}}})";
    for (int i = 0; i < depth; ++i)
      text = fmt::format(R"({{"StartAt":"A{0}","States":{{"A{0}":{{"Type":"Parallel","End":true,"Branches":[{1}]}}}}}})", i, text);
    return text;
  };
  const auto deep = nestedDeep(1000);
  const auto refused = asl::compile(deep + std::string(1'048'576 - deep.size(), ' '));
  ASSERT_FALSE(refused);
  EXPECT_THAT(asl::describe(refused.error()), HasSubstr("INVALID_JSON_DESCRIPTION: "));
  EXPECT_LE(asl::describe(refused.error()).size(), 2'000U);
  // Within what JSON may be nested here, it runs.
  EXPECT_EQ(drive(nestedDeep(20), "1").end, std::string(20, '[') + "1" + std::string(20, ']'));
}

}  // namespace
}  // namespace sp::engine
