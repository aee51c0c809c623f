#include "agent/backup/contain.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

#include <fmt/format.h>

#include "base/strings.h"
#include "os/process.h"

namespace sp::agent {
namespace {

Result<void> mountAt(const char* from, const std::string& to, const char* type, unsigned long flags, const char* options) {
  if (::mount(from, to.c_str(), type, flags, options) == 0) return {};
  return failErrno("contain.mount", fmt::format("cannot mount {} on {}", from == nullptr ? "options" : from, to), errno);
}

Result<void> bindReadOnly(const char* from, const std::string& to) {
  SP_CHECK_OK(mountAt(from, to, nullptr, MS_BIND, nullptr));
  return mountAt(nullptr, to, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr);
}

// The tree itself is bound read-only before anything is mounted in it; its mount points are part of every machine's tree.
Result<void> enter(const std::string& root, const std::string& work) {
  if (::unshare(CLONE_NEWNS) != 0) return failErrno("contain.namespace", "cannot make a mount namespace", errno);
  SP_CHECK_OK(mountAt(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
  for (const char* folder : {"/usr", "/proc", "/sys", "/dev"})
    if (::mkdir((root + folder).c_str(), 0755) != 0 && errno != EEXIST)
      return failErrno("contain.folder", "cannot create " + root + folder, errno);
  SP_CHECK_OK(bindReadOnly(root.c_str(), root));
  SP_CHECK_OK(bindReadOnly("/usr", root + "/usr"));
  SP_CHECK_OK(mountAt("/proc", root + "/proc", nullptr, MS_BIND | MS_REC, nullptr));
  SP_CHECK_OK(mountAt("/dev", root + "/dev", nullptr, MS_BIND | MS_REC, nullptr));
  SP_CHECK_OK(mountAt("tmpfs", root + "/sys", "tmpfs", MS_NOSUID | MS_NODEV, "mode=555,size=64k"));
  const auto inside = root + kContainedWork;
  if (::mkdir(inside.c_str(), 0700) != 0) return failErrno("contain.folder", "cannot create " + inside, errno);
  SP_CHECK_OK(mountAt(work.c_str(), inside, nullptr, MS_BIND, nullptr));
  if (::chroot(root.c_str()) != 0 || ::chdir("/") != 0) return failErrno("contain.root", "cannot enter " + root, errno);
  return {};
}

}  // namespace

std::vector<std::string> containedCommand(const std::string& root, const std::string& work, std::vector<std::string> command) {
  std::vector<std::string> out{os::ownProgram(), "agent-contain", std::to_string(::getpid()), root.empty() ? "-" : root, work};
  out.insert(out.end(), std::make_move_iterator(command.begin()), std::make_move_iterator(command.end()));
  return out;
}

int containMain(int argc, char** argv) {
  if (argc < 6) return 2;
  const auto parent = parseInt(argv[2]);
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || !parent || ::getppid() != static_cast<pid_t>(*parent)) return 1;
  const std::string root = argv[3];
  if (root != "-") {
    if (auto entered = enter(root, argv[4]); !entered) {
      std::fputs((entered.error().text() + "\n").c_str(), stderr);
      return 1;
    }
  }
  ::execvp(argv[5], argv + 5);
  std::fputs(failErrno("contain.exec", fmt::format("cannot start {}", argv[5]), errno).error().text().append("\n").c_str(), stderr);
  return 127;
}

}  // namespace sp::agent
