#include "services/backup/tags.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sp::services::backup {
namespace {

std::string bad(const std::string& key, const std::string& value = "v") { return badTags("Tags", {{key, value}}).value_or(""); }

TEST(Tags, KeysAndValues) {
  EXPECT_EQ(bad("Name"), "");
  EXPECT_EQ(bad("a b_.:/=+-@9", ""), "");
  EXPECT_EQ(bad("Zweck", "Tägliche Sicherung"), "");
  EXPECT_EQ(bad(""), "Tags: a tag's key must not be empty.");
  EXPECT_EQ(bad("aws:x"), "Tags: the key 'aws:x' begins with 'aws:', which is reserved: give it another name.");
  EXPECT_NE(bad("AwS:x"), "");
  EXPECT_EQ(bad("awsome"), "");
  EXPECT_EQ(bad("a*"), "Tags: the key 'a*' may hold letters, digits, blanks and _ . : / = + - @ only.");
  EXPECT_NE(bad("a", "b<c>"), "");
  EXPECT_NE(bad("a", "b\n"), "");
}

TEST(Tags, LengthsAreOfCharacters) {
  std::string key;
  for (int i = 0; i < 128; ++i) key += "ä";
  EXPECT_EQ(bad(key), "");
  EXPECT_NE(bad(key + "a").find("has 129 characters; at most 128 are allowed."), std::string::npos);
  EXPECT_EQ(bad("a", std::string(256, 'x')), "");
  EXPECT_EQ(bad("a", std::string(257, 'x')), "Tags: the value of 'a' has 257 characters; at most 256 are allowed.");
}

TEST(Tags, FiftyAreTheMost) {
  TextMap tags;
  while (tags.size() < 50) tags[fmt::format("k{}", tags.size())] = "";
  EXPECT_EQ(badTags("Tags", tags), std::nullopt);
  tags["more"] = "";
  EXPECT_EQ(badTags("Tags", tags), "Tags: 51 tags are given; at most 50 are allowed.");
}

}  // namespace
}  // namespace sp::services::backup
