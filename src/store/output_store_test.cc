#include "store/output_store.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/random.h"
#include "os/file.h"

namespace sp::store {
namespace {

namespace fs = std::filesystem;

class OutputStoreTest : public testing::Test {
 protected:
  OutputStoreTest() : directory_(fs::temp_directory_path() / ("sp-outputs-" + random_.hex(12))) { open(100U << 20U); }
  ~OutputStoreTest() override { fs::remove_all(directory_); }

  void open(std::uint64_t quota) {
    store_.reset();
    auto opened = OutputStore::open(directory_, {quota, 0});
    ASSERT_TRUE(opened) << opened.error().text();
    store_ = std::move(*opened);
  }
  std::string add(std::uint64_t offset, std::string_view bytes) {
    const auto writer = store_->append(key_, offset);
    if (!writer) return writer.error().code;
    const auto written = (*writer)->write(bytes);
    return written ? "" : written.error().code;
  }
  std::string read(std::uint64_t offset, std::size_t limit = 1U << 20U) const {
    return store_->read(key_, offset, limit).value_or("error");
  }

  SystemRandom random_;
  fs::path directory_;
  std::unique_ptr<OutputStore> store_;
  const OutputKey key_{"c1", "i-1", "step/../one", "stdout"};
};

TEST_F(OutputStoreTest, GrowsAtItsEndOnly) {
  EXPECT_EQ(store_->state(key_).have, 0U);
  EXPECT_EQ(add(0, "hello "), "");
  EXPECT_EQ(add(3, "lo"), "output.offset");
  EXPECT_EQ(add(7, "lo"), "output.offset");
  EXPECT_EQ(add(6, "world"), "");
  EXPECT_EQ(read(0), "hello world");
  EXPECT_EQ(read(6, 3), "wor");
  EXPECT_EQ(read(11), "");
  EXPECT_FALSE(store_->state(key_).ended);
  ASSERT_TRUE(store_->end(key_, 11, ""));
  EXPECT_TRUE(store_->state(key_).whole());
  EXPECT_EQ(add(11, "!"), "output.ended");
  EXPECT_TRUE(store_->end(key_, 11, "")) << "told twice";
  open(100U << 20U);
  EXPECT_TRUE(store_->state(key_).whole());
  EXPECT_EQ(read(0), "hello world");
}

TEST_F(OutputStoreTest, ANewerWriterEndsTheOlder) {
  const auto older = store_->append(key_, 0);
  ASSERT_TRUE(older && (*older)->write("abc"));
  const auto newer = store_->append(key_, 3);
  ASSERT_TRUE(newer);
  EXPECT_EQ((*older)->write("x").error().code, "output.superseded");
  EXPECT_TRUE((*newer)->write("def"));
  EXPECT_EQ(read(0), "abcdef");
}

TEST_F(OutputStoreTest, NumbersThatDoNotFitEndNothing) {
  EXPECT_EQ(add(0, "abcdef"), "");
  EXPECT_EQ(store_->end(key_, 5, "").error().code, "output.offset");
  EXPECT_EQ(store_->end(key_, 7, "xy").error().code, "output.offset");
  EXPECT_FALSE(store_->state(key_).ended);
}

TEST_F(OutputStoreTest, TheQuotaLeavesHeadAndTail) {
  open(2U << 20U);
  const std::string mega(1U << 20U, 'a');
  EXPECT_EQ(add(0, mega), "");
  EXPECT_EQ(add(1U << 20U, mega), "");
  EXPECT_EQ(add(2U << 20U, "b"), "output.limited");
  EXPECT_EQ(add(2U << 20U, ""), "output.limited") << "no hole is left";
  ASSERT_TRUE(store_->end(key_, 5U << 20U, std::string(100, 'z')));
  const auto state = store_->state(key_);
  EXPECT_TRUE(state.ended && state.limited && !state.whole());
  EXPECT_EQ(state.tail_at, (5U << 20U) - 100);
  EXPECT_EQ(read(3U << 20U), "") << "the gap";
  EXPECT_EQ(read(state.tail_at + 90), std::string(10, 'z'));
  // Others still have their beginning kept.
  const OutputKey other{"c2", "i-1", "one", "stderr"};
  const auto writer = store_->append(other, 0);
  ASSERT_TRUE(writer);
  EXPECT_TRUE((*writer)->write(mega));
  EXPECT_EQ((*writer)->write("x").error().code, "output.limited");
}

TEST_F(OutputStoreTest, WhatHasNoEndGoesWithTheBoot) {
  const OutputKey whole{"c1", "i-1", "two", "stdout"};
  EXPECT_EQ(add(0, "abc"), "");
  ASSERT_TRUE(store_->append(whole, 0) && (*store_->append(whole, 0))->write("kept"));
  ASSERT_TRUE(store_->end(whole, 4, ""));
  open(100U << 20U);
  EXPECT_EQ(store_->state(key_).have, 3U) << "the same boot";
  ASSERT_TRUE(os::writeFile(directory_ / "boot", "another"));
  open(100U << 20U);
  EXPECT_EQ(store_->state(key_).have, 0U);
  EXPECT_EQ(store_->read(whole, 0, 100), "kept");
}

TEST_F(OutputStoreTest, WatchersAreToldOfTheirOwnAlone) {
  int told = 0;
  int others = 0;
  const auto id = store_->watch("c1", "i-1", [&] { ++told; });
  store_->watch("c1", "i-2", [&] { ++others; });
  EXPECT_EQ(add(0, "abc"), "");
  ASSERT_TRUE(store_->end(key_, 3, ""));
  EXPECT_EQ(told, 2);
  store_->unwatch(id);
  const OutputKey more{"c1", "i-1", "two", "stdout"};
  ASSERT_TRUE((*store_->append(more, 0))->write("x"));
  EXPECT_EQ(told, 2);
  EXPECT_EQ(others, 0);
}

TEST_F(OutputStoreTest, AForgottenCommandGivesItsRoomBack) {
  EXPECT_EQ(add(0, std::string(1000, 'a')), "");
  EXPECT_GE(store_->used(), 1000U);
  EXPECT_EQ(store_->commands(), std::vector<std::string>{"c1"});
  store_->remove("c1");
  EXPECT_TRUE(store_->commands().empty());
  EXPECT_LT(store_->used(), 100U);
  EXPECT_EQ(store_->state(key_).have, 0U);
}

TEST_F(OutputStoreTest, NamesOfAnyLengthAndKind) {
  const std::string base(300, 'n');
  const OutputKey one{"c1", "i-1", base + "1", "stdout"};
  const OutputKey two{"c1", "i-1", base + "2", "stdout"};
  const OutputKey dots{"c1", "i-1", "..", "stdout"};
  for (const auto* key : {&one, &two, &dots}) ASSERT_TRUE((*store_->append(*key, 0))->write(key->step));
  for (const auto* key : {&one, &two, &dots}) EXPECT_EQ(store_->read(*key, 0, 1000), key->step);
  for (const auto& entry : fs::directory_iterator(directory_.parent_path()))
    EXPECT_NE(entry.path().filename(), "stdout") << "nothing lies outside";
}

}  // namespace
}  // namespace sp::store
