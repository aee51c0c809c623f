#include "services/ssm/nodes/tokens.h"

#include <gtest/gtest.h>

namespace sp::services::ssm {
namespace {

const std::string kSecret(64, 'a');

TEST(TokenText, IsReadWithAndWithoutItsPin) {
  for (const auto& text : {"et-1." + kSecret, "et-1." + kSecret + "." + std::string(64, 'b')}) {
    const auto read = readTokenText(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(read->id, "et-1");
    EXPECT_EQ(read->secret, kSecret);
  }
}

TEST(TokenText, AnythingElseIsNone) {
  for (const auto& text : {std::string(), std::string("et-1"), std::string("et-1."), "." + kSecret, "et-1." + kSecret + "0",
                           "et-1." + std::string(64, 'G'), std::string(41, 'x') + "." + kSecret})
    EXPECT_FALSE(readTokenText(text)) << text;
}

}  // namespace
}  // namespace sp::services::ssm
