#include "store/blob_store.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "base/failpoint.h"

namespace sp::store {
namespace {

namespace fs = std::filesystem;

class BlobStoreTest : public testing::Test {
 protected:
  BlobStoreTest() : directory_(fs::temp_directory_path() / ("sp-blobs-" + random_.hex(12))) { blobs_ = opened(); }
  ~BlobStoreTest() override { fs::remove_all(directory_); }

  std::unique_ptr<BlobStore> opened() {
    auto store = BlobStore::open(directory_ / "blobs", random_);
    EXPECT_TRUE(store) << store.error().text();
    return std::move(*store);
  }
  std::string put(std::string_view bytes) {
    auto writer = blobs_->create();
    EXPECT_TRUE(writer);
    EXPECT_TRUE((*writer)->write(bytes));
    auto id = (*writer)->commit();
    EXPECT_TRUE(id) << id.error().text();
    return *id;
  }
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(directory_))
      if (entry.is_regular_file()) names.insert(entry.path().filename());
    return names;
  }

  SystemRandom random_;
  fs::path directory_;
  std::unique_ptr<BlobStore> blobs_;
};

TEST_F(BlobStoreTest, WhatWasCommittedIsReadBack) {
  std::string bytes;
  for (int i = 0; i < 300'000; ++i) bytes += static_cast<char>(i * 7 % 251);
  const auto id = put(bytes);
  blobs_ = opened();
  auto reader = blobs_->openBlob(id);
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->size(), bytes.size());
  EXPECT_EQ((*reader)->read(0, 1 << 20), bytes);
  EXPECT_EQ((*reader)->read(299'990, 100), bytes.substr(299'990));
  EXPECT_EQ((*reader)->read(5, 7), bytes.substr(5, 7));
  EXPECT_EQ((*reader)->read(300'000, 1), "");
}

TEST_F(BlobStoreTest, WithoutCommitNothingStays) {
  {
    auto writer = blobs_->create();
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->write("half"));
    EXPECT_EQ(files().size(), 1U);
  }
  EXPECT_TRUE(files().empty());
}

TEST_F(BlobStoreTest, ARemovedBlobIsGoneButOpenReadersGoOn) {
  const auto id = put("abc");
  auto reader = blobs_->openBlob(id);
  ASSERT_TRUE(reader);
  blobs_->remove(id);
  EXPECT_EQ((*reader)->read(0, 10), "abc");
  const auto again = blobs_->openBlob(id);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, "blob.missing");
}

TEST_F(BlobStoreTest, NamesThatAreNotIdsReachNoFile) {
  for (const std::string_view name : {"", "..", "../../etc/passwd", "ZZ0123456789abcdef0123456789abcdef"}) {
    EXPECT_EQ(blobs_->openBlob(name).error().code, "blob.missing") << name;
    blobs_->remove(name);
  }
}

TEST_F(BlobStoreTest, TheSweepRemovesWhatNobodyNames) {
  const auto kept = put("kept");
  put("orphan");
  std::ofstream(directory_ / "blobs/incoming/0123456789abcdef0123456789abcdef") << "half";
  EXPECT_EQ(files().size(), 3U);
  blobs_ = opened();
  const auto fresh = put("not yet in a row");
  auto writer = blobs_->create();
  ASSERT_TRUE(writer);
  blobs_->sweep([&](std::string_view id) { return id == kept; });
  EXPECT_TRUE((*writer)->commit());
  EXPECT_TRUE(blobs_->openBlob(kept));
  EXPECT_TRUE(blobs_->openBlob(fresh));
  EXPECT_EQ(files().size(), 3U);
}

TEST_F(BlobStoreTest, ATruncatedBlobIsAnErrorNotAShortRead) {
  const auto id = put("0123456789");
  auto reader = blobs_->openBlob(id);
  ASSERT_TRUE(reader);
  fs::resize_file(directory_ / "blobs" / id.substr(0, 2) / id, 4);
  EXPECT_EQ((*reader)->read(0, 10).error().code, "blob.io");
}

// A child process dies by a fail point; what the parent then finds must be whole or nothing.
TEST_F(BlobStoreTest, AKillLeavesNoHalfBlob) {
  for (const std::string point : {"blob.written", "blob.durable"}) {
    const auto plan = directory_ / "points";
    std::ofstream(plan) << point << " kill\n";
    const auto child = fork();
    if (child == 0) {
      if (!failpoint::arm(plan)) _exit(2);
      auto writer = blobs_->create();
      if (!writer || !(*writer)->write("whole")) _exit(3);
      _exit((*writer)->commit() ? 4 : 5);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << point << ": " << status;
    fs::remove(plan);
    fs::remove(directory_ / "points.hits");
    auto found = files();
    ASSERT_EQ(found.size(), 1U) << point;
    const auto reader = blobs_->openBlob(*found.begin());
    EXPECT_EQ(reader.has_value(), point == "blob.durable");
    if (reader) EXPECT_EQ((*reader)->read(0, 10), "whole");
    blobs_ = opened();
    blobs_->sweep([](std::string_view) { return false; });
    EXPECT_TRUE(files().empty());
  }
}

TEST_F(BlobStoreTest, AFullDiskHasItsOwnCode) {
  // In a child, because armed points stay armed.
  const auto plan = directory_ / "points";
  std::ofstream(plan) << "blob.write fail\n";
  const auto child = fork();
  if (child == 0) {
    if (!failpoint::arm(plan)) _exit(2);
    auto writer = blobs_->create();
    if (!writer) _exit(3);
    const auto written = (*writer)->write("x");
    _exit(!written && written.error().code == "blob.full" ? 0 : 4);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace sp::store
