#include "cli/views/run_view.h"

#include <gtest/gtest.h>

namespace sp::cli {
namespace {

constexpr double kMiB = 1024.0 * 1024;

LaneView backingUp() {
  LaneView lane;
  lane.instance = "i-0123456789abcdef0";
  lane.step = "RunBackupJob";
  lane.steps = {{"pre", "Success"}, {"stop", "stopped"}, {"backup", "RUNNING"}, {"start", ""}, {"post", ""}};
  lane.bytes_done = 387.2 * kMiB;
  lane.bytes_total = 1228.8 * kMiB;
  lane.rate = 123.4 * kMiB;
  lane.frozen_seconds = 12.34;
  lane.frozen_now = true;
  return lane;
}

RunView running(std::vector<LaneView> lanes) {
  RunView run;
  run.name = "run-20261124T102301Z-042";
  run.status = "RUNNING";
  run.path = 1;
  run.lanes = std::move(lanes);
  return run;
}

// What can be seen of the first lane.
std::string seen(const RunView& run, std::size_t columns) { return cutTo(drawRun(run, Terminal(false), columns).at(1), columns); }

void expectWords(const std::string& line, const std::vector<std::string>& words) {
  for (const auto& word : words) EXPECT_NE(line.find(word), std::string::npos) << word << " in: " << line;
}

TEST(RunView, WithoutALimitEverythingIsWrittenOut) {
  EXPECT_EQ(drawRun(running({backingUp()}), Terminal(false)).at(1),
            "  i-0123456789abcdef0 ✓ pre    ✓ stop   ▸ backup · start  · post     ███▊          32 %  387.2 MiB of 1.2 GiB  123.4 MiB/s  "
            "6.8 s left"
            "  frozen 12.3 s");
}

TEST(RunView, TheLaneFitsTheTerminal) {
  const auto run = running({backingUp()});
  EXPECT_EQ(seen(run, 132),
            "  i-0123456789abcdef0 ✓✓▸·· backup  ███▊          32 %  387.2 MiB of 1.2 GiB  123.4 MiB/s  6.8 s left  frozen 12.3 s");
  EXPECT_EQ(seen(run, 100), " …89abcdef0 ✓✓▸·· backup ██▌       32 % 0.4/1.2 GiB 123.4 MiB/s 6.8 s left frozen 12.3 s");
  EXPECT_EQ(seen(run, 80), " …cdef0 ▸ backup █▎    32 % 0.4/1.2 GiB 123.4 MiB/s 6.8 s left frozen 12.3 s");
  EXPECT_EQ(seen(run, 40), " …cdef0 ▸ backup  32 % frozen 12.3 s");
}

TEST(RunView, TheLongestNumbersAreSeenAt80Columns) {
  auto lane = backingUp();
  lane.bytes_done = 1023.4 * kMiB;
  lane.bytes_total = 1023.9 * kMiB;
  lane.rate = 1023.9 * 1024 / 3600;
  lane.frozen_seconds = 725;
  expectWords(seen(running({lane}), 80), {"backup", "100 %", "1023.4/1023.9 MiB", "291 B/s", "30m00s left", "frozen 12m05s"});
  lane.bytes_done = 999.9 * kMiB;
  lane.rate = 32.1 * 1024;
  expectWords(seen(running({lane}), 80), {"backup", "98 %", "999.9/1023.9 MiB", "32.1 KiB/s", "12m45s left", "frozen 12m05s"});
}

TEST(RunView, AllLanesHaveOneShape) {
  auto waiting = backingUp();
  waiting.step = "";
  waiting.steps = {{"pre", ""}, {"stop", ""}, {"backup", ""}, {"start", ""}, {"post", ""}};
  waiting.frozen_seconds = 0;
  const auto lines = drawRun(running({backingUp(), waiting}), Terminal(false), 100);
  EXPECT_EQ(lines.at(2), " …89abcdef0 ····· waits ");
}

TEST(RunView, AMachineThatWasNeverTouchedIsNotDone) {
  auto lane = backingUp();
  lane.step = "done";
  lane.frozen_seconds = 0;
  lane.steps = {{"pre", "skipped"}, {"stop", "skipped"}, {"backup", "skipped"}, {"start", "skipped"}, {"post", "skipped"}};
  EXPECT_TRUE(lane.untouched());
  expectWords(seen(running({lane}), 132), {"nothing was done here"});
  expectWords(seen(running({lane}), 40), {"nothing done"});
  lane.steps[2].second = "COMPLETED";
  EXPECT_FALSE(lane.untouched());
}

TEST(RunView, TheEndIsSeenInNarrowTerminals) {
  auto lane = backingUp();
  lane.step = "done";
  lane.frozen_now = false;
  auto run = running({lane});
  run.lanes[0].steps = {{"pre", "Success"}, {"stop", "stopped"}, {"backup", "COMPLETED"}, {"start", "running"}, {"post", "Success"}};
  expectWords(seen(run, 40), {"✓✓✓✓✓ done", "frozen 12.3 s"});
  run.lanes[0].steps[2].second = "FAILED";
  run.lanes[0].failure = "restic ended with 1 and told much about it";
  expectWords(seen(run, 40), {"✓✓✗✓✓ backup", "frozen 12.3 s"});
  expectWords(seen(run, 80), {"backup", "frozen 12.3 s", "restic"});
  run.lanes[0].skipped = true;
  run.lanes[0].frozen_seconds = 0;
  expectWords(seen(run, 40), {"SKIPPED"});
  run.status = "FAILED";
  run.result = "PARTIAL";
  expectWords(cutTo(drawRun(run, Terminal(false), 40).at(0), 40), {"FAILED (PARTIAL)", "-042"});
}

TEST(RunView, AScreenHasTheHeadingTheLanesUnderWayAndACount) {
  std::vector<LaneView> lanes;
  for (int i = 0; i < 41; ++i) {
    auto lane = backingUp();
    lane.instance = "i-" + std::to_string(i);
    if (i < 20) {
      lane.step = "";
      lane.steps.clear();
      lane.frozen_now = false;
    } else if (i < 32) {
      lane.step = "done";
    } else if (i < 35) {
      lane.step = "done";
      lane.failure = "why";
    }
    lanes.push_back(lane);
  }
  const auto run = running(lanes);
  auto lines = drawRunOnScreen(run, Terminal(false), 80, 12);
  ASSERT_EQ(lines.size(), 11U);
  expectWords(lines.at(0), {"run-20261124T102301Z-042  RUNNING"});
  expectWords(lines.at(1), {"i-35 "});
  expectWords(lines.at(6), {"i-40 "});
  expectWords(lines.at(9), {"i-34 ", "why"});
  EXPECT_EQ(lines.at(10), "… and 32 more: 12 done, 20 waiting");
  for (const std::size_t rows : {1U, 2U, 3U, 4U, 24U, 41U, 42U}) {
    lines = drawRunOnScreen(run, Terminal(false), 80, rows);
    EXPECT_LE(lines.size(), std::max<std::size_t>(rows - 1, 1)) << rows;
  }
  EXPECT_EQ(drawRunOnScreen(run, Terminal(false), 80, 43).size(), 42U);
  EXPECT_EQ(drawRun(run, Terminal(false), 80).size(), 42U);
}

}  // namespace
}  // namespace sp::cli
