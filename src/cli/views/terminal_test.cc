#include "cli/views/terminal.h"

#include <gtest/gtest.h>

namespace sp::cli {
namespace {

TEST(Terminal, SizesAndTimesReadWell) {
  EXPECT_EQ(humanBytes(0), "0 B");
  EXPECT_EQ(humanBytes(1536), "1.5 KiB");
  EXPECT_EQ(humanBytes(300.0 * 1024 * 1024), "300.0 MiB");
  EXPECT_EQ(humanSeconds(3.44), "3.4 s");
  EXPECT_EQ(humanSeconds(125), "2 min 05 s");
  EXPECT_EQ(humanSeconds(4320), "1 h 12 min");
  EXPECT_EQ(humanSeconds(86'399), "23 h 59 min");
  EXPECT_EQ(humanSeconds(3 * 86'400 + 4 * 3600), "3 d 04 h");
  EXPECT_EQ(shortSeconds(3.44), "3.4 s");
  EXPECT_EQ(shortSeconds(125), "2m05s");
  EXPECT_EQ(shortSeconds(4320), "1h12m");
  EXPECT_EQ(shortSeconds(3 * 86'400 + 4 * 3600), "3d04h");
}

TEST(Terminal, BarsHaveTheirWidthWhateverTheFraction) {
  for (const double fraction : {-1.0, 0.0, 0.01, 0.5, 0.99, 1.0, 7.0}) EXPECT_EQ(columnsOf(progressBar(fraction, 12)), 12U) << fraction;
  EXPECT_EQ(progressBar(0.5, 4), "██  ");
}

TEST(Terminal, EscapesTakeNoColumns) {
  EXPECT_EQ(columnsOf("\x1b[31mrot\x1b[0m"), 3U);
  EXPECT_EQ(cutTo("\x1b[31mrot\x1b[0m", 2), "\x1b[31mro\x1b[0m");
  EXPECT_EQ(padded("ü", 3), "ü  ");
}

TEST(Terminal, LinesAreBrokenAtBlanks) {
  EXPECT_EQ(wrapped("  one two", 80, "    "), "  one two");
  EXPECT_EQ(wrapped("  one two  three", 9, "    "), "  one two\n    three");
  EXPECT_EQ(wrapped("  one, two, three", 8, "    "), "  one,\n    two,\n    three");
  EXPECT_EQ(wrapped("plan  p: r  cron(0 2 ? * * *)  UTC", 21, "    "), "plan  p: r\n    cron(0 2 ? * * *)\n    UTC");
  EXPECT_EQ(wrapped("  anextremelylongword b", 10, "    "), "  anextremelylongword\n    b");
  EXPECT_EQ(wrapped("\x1b[31mrot\x1b[0m und", 7, "  "), "\x1b[31mrot\x1b[0m und");
  EXPECT_EQ(wrapped("\x1b[31mrot\x1b[0m und", 6, "  "), "\x1b[31mrot\x1b[0m\n  und");
}

}  // namespace
}  // namespace sp::cli
