#include "os/limits.h"

#include <sys/resource.h>

#include <atomic>

namespace sp::os {
namespace {

/// The soft limit before it was raised; 0: it was not.
std::atomic<rlim_t> g_before = 0;

}  // namespace

std::size_t openFilesLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return limit.rlim_cur;
}

std::size_t raiseOpenFiles() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    const auto before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) g_before = before;
  }
  return openFilesLimit();
}

void lowerOpenFilesOf(pid_t child) {
  const auto before = g_before.load();
  rlimit limit{};
  if (before == 0 || ::prlimit(child, RLIMIT_NOFILE, nullptr, &limit) != 0) return;
  limit.rlim_cur = before;
  ::prlimit(child, RLIMIT_NOFILE, &limit, nullptr);
}

}  // namespace sp::os
