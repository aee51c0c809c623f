// The host's users. The C library's plain getpwnam and getpwuid answer in memory that all threads share; these do not.
#pragma once
#include <sys/types.h>

#include <string>

#include "base/result.h"

namespace sp::os {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string home;
};

/// The user of that name; "os.no_user" when there is none, "os.user" when it cannot be looked up. May read files and ask
/// other processes (nsswitch). Any thread.
Result<User> findUser(const std::string& name);
/// The same by number.
Result<User> findUser(uid_t uid);

}  // namespace sp::os
