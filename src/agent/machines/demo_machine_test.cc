// A machine of ami-demo from its first boot to the proof that its stopped files hold what the pre-script left.
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agent/demo/demo_app.h"
#include "agent/machines/machine.h"
#include "agent/testing_test.h"
#include "base/strings.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using testing::TempFolder;
using testing::until;

/// Enough for several pages and a file larger than the catalogue's; the demo itself has 256 MiB.
constexpr std::int64_t kDataBytes = 16 << 20;
constexpr const char* kId = "i-0ddddddddddddddd1";

class DemoMachineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "demo machines need root: run this test with sudo";
    if (!fs::exists(std::string(kPostgresBin) + "/postgres")) GTEST_SKIP() << "PostgreSQL 15 is not installed: ./x deps";
    ::chmod(folder_.path().c_str(), 0755);
    const auto made = machine_.create({"ami-demo", kId, kDataBytes}, {});
    ASSERT_TRUE(made) << made.error().text();
  }
  void TearDown() override {
    if (const auto process = machine_.process()) {
      os::signalPidfd(process->pidfd.get(), SIGKILL);
      os::waitReadable(process->pidfd.get(), milliseconds(10'000));
    }
  }
  os::Output inside(const std::string& script) const {
    const auto process = machine_.process();
    if (!process) return {};
    const os::SpawnSpec spec{.argv = {"nsenter", "-t", std::to_string(process->pid), "-m", "-u", "-p", "-i", "sh", "-c", script},
                             .environment = std::vector<std::string>{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}};
    auto output = os::run(spec, milliseconds(60'000));
    return output ? std::move(*output) : os::Output{};
  }
  std::string sql(const std::string& statement) const {
    return std::string(
        trim(inside(fmt::format("{}/psql -h /run/postgresql -U postgres -XAtqc \"{}\" postgres", kPostgresBin, statement)).out));
  }
  void boot() {
    const auto started = machine_.start();
    ASSERT_TRUE(started) << started.error().text();
    ASSERT_TRUE(until(
        [&] {
          return fs::exists(machine_.root() + kPostgresHome + "/first-boot-done") && sql("SELECT count(*) > 1 FROM demo.chain_a") == "t";
        },
        60))
        << os::readFile(machine_.root() + "/var/log/demo-app.log").value_or("")
        << os::readFile(machine_.root() + "/var/log/postgresql.log").value_or("");
  }
  void stop() {
    const auto process = machine_.process();
    ASSERT_TRUE(process);
    os::signalPidfd(process->pidfd.get(), SIGTERM);
    ASSERT_TRUE(os::waitReadable(process->pidfd.get(), milliseconds(60'000)));
  }
  os::Output verify(const std::string& marker = "") const {
    std::vector<std::string> argv{os::ownProgram(), "demo-verify", machine_.root()};
    if (!marker.empty()) argv.insert(argv.end(), {"--marker", marker});
    auto output = os::run({.argv = argv}, milliseconds(60'000));
    return output ? std::move(*output) : os::Output{};
  }
  std::string script(const char* name) const { return os::readFile(std::string(SP_SOURCE_DIR) + "/packaging/demo/" + name).value_or(""); }

  TempFolder folder_;
  Machine machine_{folder_.path() + "/machines", kId};
};

TEST_F(DemoMachineTest, TheStoppedFilesEndAtTheMarkerAndAFlippedByteIsFound) {
  boot();
  EXPECT_GE(parseInt(sql("SELECT pg_database_size('postgres')")).value_or(0), kDataBytes);
  const auto pre = inside(script("pre-script.sh"));
  ASSERT_TRUE(pre.status.ok()) << pre.err;
  const auto words = split(trim(pre.out), ' ');
  ASSERT_EQ(words.size(), 3U) << pre.out;
  EXPECT_EQ(words[0], "MARKER");
  const auto marker = fmt::format("{}:{}", words[1], words[2]);
  const auto rows = sql("SELECT count(*) FROM demo.chain_a");
  EXPECT_EQ(sql("SELECT pg_sleep(0.3); SELECT count(*) FROM demo.chain_b"), rows) << "nothing is committed while the writer is held";
  stop();
  const auto good = verify(marker);
  EXPECT_TRUE(good.status.ok()) << good.out << good.err;
  EXPECT_NE(good.out.find("MARKER " + std::string(words[1])), std::string::npos) << good.out;
  EXPECT_EQ(verify(fmt::format("{}:{}", words[1], std::string(64, '0'))).status.code, 1) << "another hash must be refused";
  boot();
  EXPECT_EQ(sql("SELECT count(*) FROM demo.chain_a"), rows) << "the hold survives a stop and a start";
  ASSERT_TRUE(inside(script("post-script.sh")).status.ok());
  ASSERT_TRUE(inside(script("post-script.sh")).status.ok()) << "twice is as good as once";
  ASSERT_TRUE(until([&] { return parseInt(sql("SELECT count(*) FROM demo.chain_a")) > parseInt(rows); }));
  stop();
  const auto unmarked = verify();
  EXPECT_EQ(unmarked.status.code, 1);
  EXPECT_NE(unmarked.out.find("not end at a marker"), std::string::npos) << unmarked.out;
  // One byte in the middle of the largest table file.
  fs::path largest;
  for (const auto& entry : fs::recursive_directory_iterator(machine_.root() + kPostgresData + "/base"))
    if (entry.is_regular_file() && (largest.empty() || entry.file_size() > fs::file_size(largest))) largest = entry.path();
  const auto file = std::unique_ptr<std::FILE, int (*)(std::FILE*)>(std::fopen(largest.c_str(), "r+b"), &std::fclose);
  ASSERT_TRUE(file);
  std::fseek(file.get(), 5'000'000, SEEK_SET);
  const int byte = std::fgetc(file.get());
  std::fseek(file.get(), 5'000'000, SEEK_SET);
  std::fputc(byte ^ 1, file.get());
  std::fflush(file.get());
  const auto flipped = verify();
  EXPECT_EQ(flipped.status.code, 1);
  EXPECT_NE(flipped.out.find("FAIL every page has its checksum"), std::string::npos) << flipped.out;
}

TEST_F(DemoMachineTest, KilledInItsFirstBootItMakesItsClusterAnew) {
  ASSERT_TRUE(machine_.start());
  ASSERT_TRUE(until([&] { return fs::exists(machine_.root() + kPostgresData + "/postmaster.pid"); }, 30));
  const auto process = machine_.process();
  ASSERT_TRUE(process);
  os::signalPidfd(process->pidfd.get(), SIGKILL);
  ASSERT_TRUE(os::waitReadable(process->pidfd.get(), milliseconds(10'000)));
  boot();
  // Killed in its work: it comes up by recovery, and the checker says that this is no clean copy.
  const auto running = machine_.process();
  os::signalPidfd(running->pidfd.get(), SIGKILL);
  ASSERT_TRUE(os::waitReadable(running->pidfd.get(), milliseconds(10'000)));
  const auto crashed = verify();
  EXPECT_EQ(crashed.status.code, 1);
  EXPECT_NE(crashed.out.find("FAIL the database was shut down"), std::string::npos) << crashed.out;
  boot();
}

}  // namespace
}  // namespace sp::agent
