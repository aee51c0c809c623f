#include "os/user.h"

#include <pwd.h>

#include <cerrno>
#include <vector>

#include <fmt/format.h>

namespace sp::os {
namespace {

constexpr std::size_t kFirstTry = 1024;
constexpr std::size_t kLargest = 1U << 20U;

/// `find` is getpwnam_r or getpwuid_r with its key bound: asked again with more room while an entry does not fit.
template <typename Find>
Result<User> lookUp(const std::string& who, const Find& find) {
  for (std::size_t size = kFirstTry; size <= kLargest; size *= 2) {
    std::vector<char> room(size);
    passwd entry{};
    passwd* found = nullptr;
    const int error = find(&entry, room.data(), room.size(), &found);
    if (found != nullptr) return User{found->pw_name, found->pw_uid, found->pw_gid, found->pw_dir == nullptr ? "/" : found->pw_dir};
    // These say "not found" on some systems and by some sources of users, see getpwnam(3).
    if (error == 0 || error == ENOENT || error == ESRCH) return fail("os.no_user", fmt::format("there is no user {}", who));
    if (error != ERANGE && error != EINTR) return failErrno("os.user", "cannot look up the user " + who, error);
  }
  return fail("os.user", fmt::format("cannot look up the user {}: the entry is larger than {} bytes", who, kLargest));
}

}  // namespace

Result<User> findUser(const std::string& name) {
  return lookUp(name, [&](passwd* entry, char* room, std::size_t size, passwd** found) {
    return ::getpwnam_r(name.c_str(), entry, room, size, found);
  });
}

Result<User> findUser(uid_t uid) {
  return lookUp(std::to_string(uid),
                [&](passwd* entry, char* room, std::size_t size, passwd** found) { return ::getpwuid_r(uid, entry, room, size, found); });
}

}  // namespace sp::os
