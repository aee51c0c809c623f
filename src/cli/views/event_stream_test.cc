#include "cli/views/event_stream.h"

#include <vector>

#include <gtest/gtest.h>

namespace sp::cli {
namespace {

std::vector<ServerEvent> eventsOf(std::string_view text, std::size_t piece) {
  EventStream stream;
  std::vector<ServerEvent> found;
  for (std::size_t at = 0; at < text.size(); at += piece)
    EXPECT_TRUE(stream.feed(text.substr(at, piece), [&](const ServerEvent& event) -> Result<void> {
      found.push_back(event);
      return {};
    }));
  return found;
}

TEST(EventStream, PiecesOfAnySizeGiveTheSameEvents) {
  constexpr std::string_view text =
      ": still here\n\nid: 3.0\nevent: output\ndata: {\"a\":1}\n\ndata: one\r\ndata: two\r\n\r\nid: 9\nevent: lost\n\nevent: end\ndata: "
      "cut off";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    const auto found = eventsOf(text, piece);
    ASSERT_EQ(found.size(), 2U) << piece;
    EXPECT_EQ(found[0].id, "3.0");
    EXPECT_EQ(found[0].event, "output");
    EXPECT_EQ(found[0].data, "{\"a\":1}");
    EXPECT_EQ(found[1].id, "3.0");
    EXPECT_EQ(found[1].event, "");
    EXPECT_EQ(found[1].data, "one\ntwo");
  }
}

TEST(EventStream, AnEndlessLineIsRefused) {
  EventStream stream;
  const std::string much(2U << 20U, 'x');
  const auto fed = stream.feed(much, [](const ServerEvent&) -> Result<void> { return {}; });
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().code, "cli.stream");
}

TEST(EventStream, WhatTakesAnEventMayEndTheFeeding) {
  EventStream stream;
  int taken = 0;
  const auto fed = stream.feed("data: 1\n\ndata: 2\n\n", [&](const ServerEvent&) -> Result<void> {
    ++taken;
    return fail("enough", "enough");
  });
  EXPECT_FALSE(fed);
  EXPECT_EQ(taken, 1);
}

}  // namespace
}  // namespace sp::cli
