#include "agent/facts.h"

#include <gtest/gtest.h>

#include "agent/testing_test.h"
#include "os/file.h"

namespace sp::agent {
namespace {

TEST(OsRelease, NameAndVersion) {
  const auto read =
      readOsRelease("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n");
  EXPECT_EQ(read.name, "Debian GNU/Linux");
  EXPECT_EQ(read.version, "12");
}

TEST(OsRelease, PlainAndEscapedValues) {
  const auto read = readOsRelease("NAME=Arch\\ Linux\nVERSION_ID='2'");
  EXPECT_EQ(read.name, "Arch Linux");
  EXPECT_EQ(read.version, "2");
  EXPECT_EQ(readOsRelease("nothing").name, "Linux");
}

TEST(MachineHash, IsTheSameForTheSameHardwareAndSaysNothingOfIt) {
  const testing::TempFolder folder;
  const auto file = folder.path() + "/uuid";
  ASSERT_TRUE(os::writeFile(file, "4C4C4544-0042-4810-8052-B4C04F4E4D32\n"));
  const auto hash = machineHash(file).value_or("");
  EXPECT_EQ(hash.size(), 64U);
  ASSERT_TRUE(os::writeFile(file, "4c4c4544-0042-4810-8052-b4c04f4e4d32"));
  EXPECT_EQ(machineHash(file).value_or(""), hash);
  ASSERT_TRUE(os::writeFile(file, "other"));
  EXPECT_NE(machineHash(file).value_or(hash), hash);
}

TEST(MachineHash, AFileThatIsNamedMustHoldAName) {
  const testing::TempFolder folder;
  const auto file = folder.path() + "/uuid";
  const auto missing = machineHash(file);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, "agent.machine_id");
  EXPECT_TRUE(missing.error().message.contains(file)) << missing.error().message;
  ASSERT_TRUE(os::writeFile(file, " \n"));
  const auto empty = machineHash(file);
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().message, file + " (--machine-id-file) is empty: it must hold a name of this hardware");
}

}  // namespace
}  // namespace sp::agent
