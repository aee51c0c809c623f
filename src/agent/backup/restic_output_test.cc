#include "agent/backup/restic_output.h"

#include <sys/stat.h>

#include <fstream>

#include <gtest/gtest.h>

#include "agent/testing_test.h"

namespace sp::agent {
namespace {

/// Adds up numbers, as a task adds up what it hears.
class Adder final : public ResticListener {
 public:
  void line(bool error_stream, std::string_view text) override {
    (error_stream ? err : out).emplace_back(text);
    sum += static_cast<std::int64_t>(text.size());
  }
  json::Object kept() const override { return {{"sum", sum}}; }
  void recall(const json::Object& kept) override { sum = json::intOr(kept, "sum", 0); }
  std::vector<std::string> out;
  std::vector<std::string> err;
  std::int64_t sum = 0;
};

class ResticOutputTest : public ::testing::Test {
 protected:
  void say(const std::string& name, const std::string& text) const { std::ofstream(folder_.path() + "/" + name, std::ios::app) << text; }
  std::int64_t onDisk(const std::string& name) const {
    struct stat info{};
    return ::stat((folder_.path() + "/" + name).c_str(), &info) == 0 ? info.st_blocks * 512 : -1;
  }
  agent::testing::TempFolder folder_;
};

TEST_F(ResticOutputTest, WholeLinesAreToldOnceAndTheLastOneAtTheEnd) {
  Adder adder;
  ResticOutput output(folder_.path(), adder);
  output.read(false);
  say("stdout", "one\ntwo\nthr");
  say("stderr", "{\"message_type\":\"error\"}\nplain\n");
  output.read(false);
  EXPECT_EQ(adder.out, (std::vector<std::string>{"one", "two"}));
  output.read(false);
  say("stdout", "ee\n\nfour");
  output.read(false);
  EXPECT_EQ(adder.out, (std::vector<std::string>{"one", "two", "three", ""}));
  output.read(true);
  EXPECT_EQ(adder.out.back(), "four");
  EXPECT_EQ(adder.err.size(), 2U);
  EXPECT_EQ(output.words(), "plain");
}

TEST_F(ResticOutputTest, AnotherAgentReadsAllOfItAgainOrGoesOnFromWhatWasNoted) {
  const std::string line(99, 'x');
  say("stderr", "first words\n");
  {
    Adder adder;
    ResticOutput output(folder_.path(), adder, 10'000);
    for (int i = 0; i < 50; ++i) say("stdout", line + "\n");
    output.read(false);
    EXPECT_EQ(adder.out.size(), 50U);
  }
  // Less than is worth a note: from the beginning.
  Adder second;
  {
    ResticOutput output(folder_.path(), second, 10'000);
    output.read(false);
    EXPECT_EQ(second.out.size(), 50U);
    EXPECT_EQ(output.words(), "first words");
    for (int i = 0; i < 1'000; ++i) say("stdout", line + "\n");
    say("stdout", "half a li");
    output.read(false);
    EXPECT_EQ(second.out.size(), 1'050U);
  }
  Adder third;
  ResticOutput output(folder_.path(), third, 10'000);
  EXPECT_GT(third.sum, 90'000);
  output.read(false);
  // What came after the note is heard again, and nothing twice.
  EXPECT_LT(third.out.size(), 1'000U);
  EXPECT_EQ(third.sum, second.sum);
  EXPECT_EQ(output.words(), "first words");
  say("stdout", "ne\n");
  output.read(false);
  ASSERT_FALSE(third.out.empty());
  EXPECT_EQ(third.out.back(), "half a line");
}

TEST_F(ResticOutputTest, FilesStayShort) {
  Adder adder;
  ResticOutput output(folder_.path(), adder, 64U << 10U);
  const std::string piece(8'191, 'y');
  for (int i = 0; i < 400; ++i) {
    say("stdout", piece + "\n");
    say("stderr", "{}\n");
    output.read(false);
  }
  EXPECT_EQ(adder.out.size(), 400U);
  struct stat info{};
  ASSERT_EQ(::stat((folder_.path() + "/stdout").c_str(), &info), 0);
  EXPECT_EQ(info.st_size, 400 * 8'192);
  EXPECT_LT(onDisk("stdout"), 256 << 10) << "of " << info.st_size;
}

TEST_F(ResticOutputTest, ALineWithoutAnEndIsNotKept) {
  Adder adder;
  ResticOutput output(folder_.path(), adder);
  say("stdout", std::string(3U << 20U, 'z'));
  output.read(false);
  say("stdout", "\nnext\n");
  output.read(false);
  ASSERT_FALSE(adder.out.empty());
  EXPECT_EQ(adder.out.back(), "next");
  EXPECT_LT(adder.out.front().size(), 2U << 20U);
}

}  // namespace
}  // namespace sp::agent
