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

#include "agent/identity.h"
#include "base/strings.h"
#include "net/relay.h"
#include "os/file.h"
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

/// Whether the process that started this one is the supervisor of the run in `folder`; from then on this one ends with it.
bool endWithSupervisor(const std::string& folder) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return false;
  const auto text = os::readFile(folder + "/pid", 256);
  return text && text->starts_with(std::to_string(::getppid()) + " ");
}

/// In a session of its own: what asks a program to end asks its whole group, and on its way it still needs the server.
Result<void> startRelay(const std::string& to) {
  SP_TRY(const auto relay, os::spawn({.argv = {os::ownProgram(), "agent-relay", std::to_string(::getpid()), to},
                                      .stderr_fd = STDERR_FILENO,
                                      .pass = {{kRelayFd, 3}},
                                      .new_session = true}));
  return {};
}

Result<void> contain(const Containment& how) {
  if (!how.relay.empty()) {
    SP_CHECK_OK(startRelay(how.relay));
    ::close(kRelayFd);
  }
  return how.root.empty() ? Result<void>() : enter(how.root, how.work);
}

}  // namespace

std::vector<std::string> containedCommand(const Containment& how, std::vector<std::string> command) {
  std::vector<std::string> out{os::ownProgram(), "agent-contain", how.folder, how.root, how.work, how.relay};
  out.insert(out.end(), std::make_move_iterator(command.begin()), std::make_move_iterator(command.end()));
  return out;
}

int containMain(int argc, char** argv) {
  constexpr int kCommand = 6;
  if (argc <= kCommand) return 2;
  const Containment how{argv[2], argv[3], argv[4], argv[5]};
  if (!endWithSupervisor(how.folder)) return 1;
  if (auto contained = contain(how); !contained) {
    std::fputs((contained.error().text() + "\n").c_str(), stderr);
    return 1;
  }
  ::execvp(argv[kCommand], argv + kCommand);
  std::fputs(failErrno("contain.exec", fmt::format("cannot start {}", argv[kCommand]), errno).error().text().append("\n").c_str(), stderr);
  return 127;
}

int relayMain(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto parent = parseInt(argv[2]);
  const auto server = parseHostPort(argv[3]);
  if (!server || ::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || !parent || ::getppid() != static_cast<pid_t>(*parent)) return 1;
  ::signal(SIGPIPE, SIG_IGN);
  const auto relay = net::Relay::start(3, server->host, server->port);
  if (!relay) {
    std::fputs((relay.error().text() + "\n").c_str(), stderr);
    return 1;
  }
  while (true) ::pause();
}

}  // namespace sp::agent
