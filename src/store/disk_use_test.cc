#include "store/disk_use.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/random.h"

namespace sp::store {
namespace {

namespace fs = std::filesystem;

class FolderSizesTest : public testing::Test {
 protected:
  FolderSizesTest() : root_(fs::temp_directory_path() / ("sp-sizes-" + random_.hex(12))) { fs::create_directories(root_); }
  ~FolderSizesTest() override { fs::remove_all(root_); }

  std::uint64_t put(const fs::path& path, std::size_t bytes) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << std::string(bytes, 'x') << std::flush;
    return blocks(path);
  }
  std::uint64_t blocks(const fs::path& path) {
    struct stat info{};
    EXPECT_EQ(::lstat((root_ / path).c_str(), &info), 0);
    return static_cast<std::uint64_t>(info.st_blocks) * 512;
  }

  SystemRandom random_;
  fs::path root_;
  ManualClock clock_{fromMicros(1'700'000'000'000'000)};
};

TEST_F(FolderSizesTest, CountsWhatIsBelowAndFollowsNoLink) {
  auto bytes = put("a/one", 100'000) + put("a/deep/er/two", 5) + put("a/three", 0);
  put("elsewhere", 1'000'000);
  fs::create_symlink(root_ / "elsewhere", root_ / "a/link");
  fs::create_directory_symlink(root_, root_ / "a/round");
  bytes += blocks("a/link") + blocks("a/round") + blocks("a/deep") + blocks("a/deep/er");
  FolderSizes sizes(clock_, {root_ / "no/where", root_ / "a", root_ / "missing"});
  EXPECT_FALSE(sizes.of(root_ / "a"));
  sizes.refresh();
  ASSERT_TRUE(sizes.settled(std::chrono::seconds(20)));
  const auto size = sizes.of(root_ / "a");
  ASSERT_TRUE(size);
  EXPECT_EQ(size->files, 5U);
  EXPECT_EQ(size->bytes, bytes);
  EXPECT_EQ(size->counted, clock_.now());
  EXPECT_EQ(size->disk.device, diskOf(root_)->device);
  EXPECT_GE(size->disk.bytes, size->disk.free_bytes);
  const auto empty = sizes.of(root_ / "missing");
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->bytes, 0U);
  EXPECT_EQ(empty->disk.device, size->disk.device);
  EXPECT_FALSE(sizes.of(root_ / "no/where"));
}

TEST_F(FolderSizesTest, AFolderThatIsGoneIsAnError) {
  const auto disk = diskOf(root_ / "missing");
  ASSERT_FALSE(disk);
  EXPECT_EQ(disk.error().code, "os.read");
  EXPECT_NE(disk.error().text().find((root_ / "missing").string()), std::string::npos);
}

TEST_F(FolderSizesTest, TheSizeOfAFile) {
  put("file", 12'345);
  EXPECT_EQ(fileBytes(root_ / "file"), 12'345U);
  EXPECT_EQ(fileBytes(root_ / "missing"), 0U);
}

TEST_F(FolderSizesTest, EndsWithoutHavingCounted) {
  const FolderSizes never(clock_, {root_});
  FolderSizes at_once(clock_, {root_});
  at_once.refresh();
}

}  // namespace
}  // namespace sp::store
