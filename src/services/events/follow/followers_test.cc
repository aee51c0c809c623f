#include "services/events/follow/followers.h"

#include <gtest/gtest.h>

namespace sp::services::events {
namespace {

std::shared_ptr<const std::string> text(std::string bytes) { return std::make_shared<const std::string>(std::move(bytes)); }

TEST(EventFollowers, EventsComeInOrder) {
  Follower follower("default", std::nullopt);
  int told = 0;
  follower.onReady([&] { ++told; });
  EXPECT_EQ(follower.read(1000), "");
  follower.offer(text("{\"a\":1}"));
  follower.offer(text("{\"a\":2}"));
  EXPECT_EQ(told, 2);
  EXPECT_EQ(follower.read(1), "event: event\ndata: {\"a\":1}\n\n") << "one, however long";
  EXPECT_EQ(follower.read(1000), "event: event\ndata: {\"a\":2}\n\n");
  EXPECT_EQ(follower.read(1000), "");
}

TEST(EventFollowers, ASlowReaderIsToldWhatItLost) {
  Follower follower("default", std::nullopt);
  follower.offer(text(std::string(Follower::kRoom - 2, 'x')));
  follower.offer(text("yyy"));
  follower.offer(text("z"));
  const auto first = follower.read(1);
  EXPECT_TRUE(first.ends_with("\n\nevent: lost\ndata: {\"events\":2}\n\n")) << "the gap stands where it is";
  follower.offer(text("again"));
  EXPECT_EQ(follower.read(1000), "event: event\ndata: again\n\n");
}

TEST(EventFollowers, PatternAndBus) {
  Followers followers;
  auto pattern = schedule::Pattern::parse(R"({"source":["aws.backup"]})");
  ASSERT_TRUE(pattern);
  auto backups = followers.follow("default", std::move(*pattern));
  auto other = followers.follow("other", std::nullopt);
  ASSERT_TRUE(backups && other);
  EXPECT_TRUE(followers.any("default"));
  EXPECT_EQ(followers.wanting("default", {{"source", "aws.backup"}}), std::vector{*backups});
  EXPECT_TRUE(followers.wanting("default", {{"source", "aws.ssm"}}).empty());
  EXPECT_EQ(followers.wanting("other", {{"source", "aws.ssm"}}), std::vector{*other});
  backups->reset();
  EXPECT_FALSE(followers.any("default"));
}

TEST(EventFollowers, NoMoreThanTheMost) {
  Followers followers;
  std::vector<std::shared_ptr<Follower>> held;
  for (std::size_t i = 0; i < Followers::kMost; ++i) held.push_back(*followers.follow("default", std::nullopt));
  EXPECT_EQ(followers.follow("default", std::nullopt).error().code, "feed.many");
  held.pop_back();
  EXPECT_TRUE(followers.follow("default", std::nullopt));
}

}  // namespace
}  // namespace sp::services::events
