// The check of histories can fail: whatever is taken out of a good history, put elsewhere or changed is found.
#include "history_check.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sp::sim {
namespace {

struct Line {
  std::int64_t previous = 0;
  std::string type;
  std::string details = {};
};

// A task that is tried again, two branches, an end, a redrive, another end.
std::vector<Line> good() {
  const auto name = [](const std::string& state, const std::string& member, const std::string& document) {
    return fmt::format(R"("stateEventDetails":{{"name":"{}","{}":"{}"}})", state, member, document);
  };
  return {
      {0, "ExecutionStarted", R"("executionStartedEventDetails":{"input":"0"})"},
      {0, "TaskStateEntered", name("A", "input", "0")},
      {2, "TaskScheduled"},
      {3, "TaskStarted"},
      {4, "TaskFailed"},
      {5, "TaskScheduled"},
      {6, "TaskStarted"},
      {7, "TaskSucceeded", R"("taskSucceededEventDetails":{"output":"1"})"},
      {8, "TaskStateExited", name("A", "output", "1")},
      {9, "ParallelStateEntered", name("P", "input", "1")},
      {10, "ParallelStateStarted"},
      {11, "PassStateEntered", name("B", "input", "1")},
      {11, "TaskStateEntered", name("C", "input", "1")},
      {12, "PassStateExited", name("B", "output", "2")},
      {13, "ActivityScheduled"},
      {15, "ActivityStarted"},
      {16, "ActivitySucceeded", R"("activitySucceededEventDetails":{"output":"3"})"},
      {17, "TaskStateExited", name("C", "output", "3")},
      {18, "ParallelStateSucceeded"},
      {18, "ParallelStateExited", name("P", "output", "[2,3]")},
      {20, "TaskStateEntered", name("D", "input", "[2,3]")},
      {21, "ActivityScheduled"},
      {22, "ActivityStarted"},
      {23, "ActivityTimedOut"},
      {24, "ExecutionFailed"},
      {25, "ExecutionRedriven", R"("executionRedrivenEventDetails":{"redriveCount":1})"},
      {26, "ActivityScheduled"},
      {27, "ActivityStarted"},
      {28, "ActivitySucceeded", R"("activitySucceededEventDetails":{"output":"4"})"},
      {29, "TaskStateExited", name("D", "output", "4")},
      {30, "ExecutionSucceeded", R"("executionSucceededEventDetails":{"output":"4"})"},
  };
}
constexpr std::int64_t kRedriven = 26;

std::string textOf(std::size_t id, const Line& line, std::size_t time) {
  return fmt::format(R"({{"timestamp":{}.000,"type":"{}","id":{},"previousEventId":{}{}{}}})", 1000 + time, line.type, id, line.previous,
                     line.details.empty() ? "" : ",", line.details);
}

std::string check(const std::vector<Line>& lines) {
  HistoryCheck history;
  for (std::size_t i = 0; i < lines.size(); ++i)
    if (auto wrong = history.take(textOf(i + 1, lines[i], i)); !wrong.empty()) return wrong;
  return history.status() == "SUCCEEDED" ? "" : "it has no end";
}

TEST(HistoryCheck, AGoodHistoryIsGood) { EXPECT_EQ(check(good()), ""); }

TEST(HistoryCheck, AnythingThatIsMissingIsFound) {
  for (std::size_t i = 0; i < good().size(); ++i) {
    // The others keep what they follow; what followed it follows what it followed.
    auto lines = good();
    const auto id = static_cast<std::int64_t>(i) + 1;
    const auto before = lines[i].previous;
    lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(i));
    for (auto& line : lines) {
      if (line.previous == id) line.previous = before;
      if (line.previous > id) --line.previous;
    }
    EXPECT_NE(check(lines), "") << "without event " << id;
  }
}

TEST(HistoryCheck, WhateverFollowsAnotherEventIsFound) {
  for (std::size_t i = 0; i < good().size(); ++i)
    for (std::int64_t previous = 0; previous <= static_cast<std::int64_t>(good().size()); ++previous) {
      auto lines = good();
      if (previous == lines[i].previous) continue;
      lines[i].previous = previous;
      EXPECT_NE(check(lines), "") << "event " << i + 1 << " behind " << previous;
    }
}

TEST(HistoryCheck, WhateverComesTwiceIsFound) {
  for (std::size_t i = 0; i < good().size(); ++i) {
    auto lines = good();
    const auto id = static_cast<std::int64_t>(i) + 1;
    // Two tasks behind a redrive may be two iterations'.
    if (lines[i].type == "ActivityScheduled" && lines[i].previous == kRedriven) continue;
    for (auto& line : lines)
      if (line.previous > id) ++line.previous;
    lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(i), lines[i]);
    EXPECT_NE(check(lines), "") << "event " << id;
  }
}

TEST(HistoryCheck, NumbersTimesAndDocumentsAreLookedAt) {
  HistoryCheck history;
  EXPECT_EQ(history.take(textOf(1, good()[0], 5)), "");
  EXPECT_NE(history.take(textOf(3, good()[1], 5)), "");
  EXPECT_NE(HistoryCheck(history).take(textOf(2, good()[1], 4)), "");
  for (const std::size_t with_document : {9U, 30U}) {
    auto lines = good();
    auto& text = lines[with_document].details;
    text.replace(text.rfind(":\"") + 2, 1, "7");
    EXPECT_NE(check(lines), "") << "event " << with_document + 1;
  }
  auto lines = good();
  lines[kRedriven - 1].details = R"("executionRedrivenEventDetails":{"redriveCount":2})";
  EXPECT_NE(check(lines), "");
}

}  // namespace
}  // namespace sp::sim
