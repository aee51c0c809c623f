#include "os/user.h"

#include <array>
#include <thread>

#include <gtest/gtest.h>

namespace sp::os {
namespace {

TEST(User, IsFoundByNameAndByNumber) {
  const auto root = findUser("root");
  ASSERT_TRUE(root) << root.error().text();
  EXPECT_EQ(root->uid, 0U);
  EXPECT_EQ(root->gid, 0U);
  const auto daemon = findUser(uid_t{1});
  ASSERT_TRUE(daemon) << daemon.error().text();
  EXPECT_EQ(daemon->name, "daemon");
  EXPECT_EQ(daemon->gid, 1U);
}

TEST(User, OfNoSuchNameOrNumberIsAnErrorThatNamesIt) {
  const auto by_name = findUser("no-such-user");
  ASSERT_FALSE(by_name);
  EXPECT_EQ(by_name.error().code, "os.no_user");
  EXPECT_EQ(by_name.error().message, "there is no user no-such-user");
  const auto by_number = findUser(uid_t{4000000123});
  ASSERT_FALSE(by_number);
  EXPECT_EQ(by_number.error().message, "there is no user 4000000123");
}

TEST(User, ThreadsDoNotSeeEachOthersAnswers) {
  std::array<int, 2> wrong{};
  const auto look = [&](std::size_t at) {
    for (int i = 0; i < 2000; ++i) {
      const auto user = findUser(at == 0 ? "root" : "daemon");
      if (!user || user->uid != at || user->name != (at == 0 ? "root" : "daemon")) ++wrong.at(at);
    }
  };
  std::thread other(look, 1);
  look(0);
  other.join();
  EXPECT_EQ(wrong[0] + wrong[1], 0);
}

}  // namespace
}  // namespace sp::os
