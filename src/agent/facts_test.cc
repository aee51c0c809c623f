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
  const auto hash = machineHash(file);
  EXPECT_EQ(hash.size(), 64U);
  ASSERT_TRUE(os::writeFile(file, "4c4c4544-0042-4810-8052-b4c04f4e4d32"));
  EXPECT_EQ(machineHash(file), hash);
  ASSERT_TRUE(os::writeFile(file, "other"));
  EXPECT_NE(machineHash(file), hash);
  EXPECT_EQ(machineHash(folder.path() + "/missing"), "");
}

}  // namespace
}  // namespace sp::agent
