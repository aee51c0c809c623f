#include "agent/machines/launcher.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include <fmt/format.h>

#include "agent/machines/init.h"
#include "agent/machines/machine.h"
#include "base/strings.h"
#include "os/process.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;

constexpr int kLockFd = 3;

Result<void> bindMount(const std::string& from, const std::string& to, bool read_only) {
  if (::mount(from.c_str(), to.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
    return failErrno("machine.mount", fmt::format("cannot bind {} to {}", from, to), errno);
  constexpr unsigned long kReadOnly = MS_REMOUNT | MS_BIND | MS_RDONLY;
  if (read_only && ::mount(nullptr, to.c_str(), nullptr, kReadOnly, nullptr) != 0)
    return failErrno("machine.mount", "cannot make read-only " + to, errno);
  return {};
}

Result<void> mountNew(const char* type, const std::string& to, unsigned long flags, const char* options) {
  if (::mount(type, to.c_str(), type, flags, options) == 0) return {};
  return failErrno("machine.mount", fmt::format("cannot mount {} on {}", type, to), errno);
}

Result<void> makeDevices(const std::string& dev) {
  struct Device {
    const char* name;
    unsigned minor;
  };
  ::umask(0);
  for (const auto& device : {Device{"null", 3}, Device{"zero", 5}, Device{"full", 7}, Device{"random", 8}, Device{"urandom", 9}}) {
    const auto path = dev + "/" + device.name;
    if (::mknod(path.c_str(), S_IFCHR | 0666, ::makedev(1, device.minor)) == 0) continue;
    // Without the right to make devices the host's own are bound.
    SP_CHECK_OK(os::writeFile(path, "", 0666));
    SP_CHECK_OK(bindMount(std::string("/dev/") + device.name, path, false));
  }
  ::umask(022);
  struct Link {
    const char* name;
    const char* target;
  };
  for (const auto& link : {Link{"fd", "/proc/self/fd"}, Link{"stdin", "/proc/self/fd/0"}, Link{"stdout", "/proc/self/fd/1"},
                           Link{"stderr", "/proc/self/fd/2"}})
    if (::symlink(link.target, (dev + "/" + link.name).c_str()) != 0)
      return failErrno("machine.mount", fmt::format("cannot link {}/{}", dev, link.name), errno);
  const auto shm = dev + "/shm";
  if (::mkdir(shm.c_str(), 0777) != 0) return failErrno("machine.mount", "cannot create " + shm, errno);
  return mountNew("tmpfs", shm, MS_NOSUID | MS_NODEV, "mode=1777");
}

/// A mount of this program's file, taken before the namespaces are changed: by the running file itself, not by its name,
/// which another version may have by now.
Result<os::Fd> detachProgram() {
  const int tree = ::open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0) return failErrno("machine.mount", "cannot take this program's file", errno);
  return os::Fd(tree);
}

Result<void> mountProgram(int tree, const std::string& to) {
  if (::move_mount(tree, "", AT_FDCWD, to.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return failErrno("machine.mount", "cannot mount this program at " + to, errno);
  if (::mount(nullptr, to.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0)
    return failErrno("machine.mount", "cannot make read-only " + to, errno);
  return {};
}

Result<void> enterTree(const std::string& root, const std::string& hostname, int program) {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return failErrno("machine.mount", "cannot make mounts private", errno);
  if (::sethostname(hostname.c_str(), hostname.size()) != 0) return failErrno("machine.mount", "cannot set the host name", errno);
  SP_CHECK_OK(bindMount(root, root, false));
  SP_CHECK_OK(bindMount("/usr", root + "/usr", true));
  SP_CHECK_OK(mountProgram(program, root + "/opt/stillpoint"));
  SP_CHECK_OK(mountNew("proc", root + "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr));
  SP_CHECK_OK(mountNew("tmpfs", root + "/dev", MS_NOSUID, "mode=755,size=4m"));
  SP_CHECK_OK(mountNew("tmpfs", root + "/run", MS_NOSUID | MS_NODEV, "mode=755"));
  SP_CHECK_OK(makeDevices(root + "/dev"));
  if (::chdir(root.c_str()) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0)
    return failErrno("machine.mount", "cannot pivot to " + root, errno);
  if (::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) return failErrno("machine.mount", "cannot leave the host's tree", errno);
  return {};
}

Result<void> becomeInit() {
  const os::Fd console(::open("/var/log/console.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  const os::Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!console || !nothing) return failErrno("machine.console", "cannot open /var/log/console.log and /dev/null", errno);
  ::dup2(nothing.get(), 0);
  ::dup2(console.get(), 1);
  ::dup2(console.get(), 2);
  ::fcntl(kLockFd, F_SETFD, 0);
  std::array<std::string, 2> arguments{"/opt/stillpoint", "machine-init"};
  std::array<std::string, 4> environment{"PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                         "HOME=/root", "LANG=C.UTF-8", "TZ=UTC"};
  std::array<char*, 3> argv{arguments[0].data(), arguments[1].data(), nullptr};
  std::array<char*, 5> envp{environment[0].data(), environment[1].data(), environment[2].data(), environment[3].data(), nullptr};
  ::execve(argv[0], argv.data(), envp.data());
  return failErrno("machine.exec", "cannot start /opt/stillpoint in the machine", errno);
}

/// The machine's pid 1 up to its exec. `go` ends without a byte when the launcher died before the state was written.
[[noreturn]] void firstProcess(const std::string& root, const std::string& hostname, int program, int go, int errors) {
  char byte = 0;
  if (::read(go, &byte, 1) != 1) ::_exit(1);
  auto entered = enterTree(root, hostname, program);
  if (entered) entered = becomeInit();
  const auto text = entered.error().text();
  (void)!::write(errors, text.data(), text.size());
  ::_exit(1);
}

Result<void> writeState(const std::string& directory, pid_t pid, const std::string& generation) {
  std::error_code error;
  const auto space = fs::read_symlink(fmt::format("/proc/{}/ns/pid", pid), error).string();
  const json::Object state{{"pid", pid},
                           {"startTime", os::processStartTime(pid)},
                           {"namespace", space},
                           {"bootId", os::bootId()},
                           {"generation", parseInt(generation).value_or(0)}};
  const auto path = directory + "/state.json";
  SP_CHECK_OK(os::writeFile(path + ".new", json::toText(state)));
  if (::rename((path + ".new").c_str(), path.c_str()) != 0) return failErrno("os.rename", "cannot rename to " + path, errno);
  return {};
}

Result<void> launch(const std::string& directory, const std::string& generation) {
  const fs::path folder(directory);
  const Machine machine(folder.parent_path(), folder.filename());
  SP_TRY(const auto spec, machine.spec());
  SP_TRY(const auto program, detachProgram());
  if (::unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID) != 0)
    return failErrno("machine.namespaces", "cannot make namespaces", errno);
  SP_TRY(auto go, os::makePipe());
  SP_TRY(auto errors, os::makePipe());
  // A pid 1 never sees a signal that comes before it can take it, unless it is blocked: then it waits for machine-init.
  sigset_t stops;
  sigemptyset(&stops);
  for (const int number : {SIGTERM, SIGINT, kStaySignal}) sigaddset(&stops, number);
  ::sigprocmask(SIG_BLOCK, &stops, nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return failErrno("machine.fork", "cannot start the machine's first process", errno);
  if (pid == 0) {
    go.write.reset();
    firstProcess(machine.root(), spec.hostname, program.get(), go.read.get(), errors.write.get());
  }
  errors.write.reset();
  if (auto written = writeState(directory, pid, generation); !written) {
    ::kill(pid, SIGKILL);
    return written;
  }
  (void)!::write(go.write.get(), "g", 1);
  std::string why(4096, '\0');
  // Closed by the exec: nothing to read is success.
  const auto got = ::read(errors.read.get(), why.data(), why.size());
  if (got <= 0) return {};
  why.resize(static_cast<std::size_t>(got));
  ::waitpid(pid, nullptr, 0);
  return fail("machine.start", why);
}

}  // namespace

int launchMachine(const std::string& directory, const std::string& generation) {
  const auto launched = launch(directory, generation);
  if (!launched) std::fputs((launched.error().text() + "\n").c_str(), stderr);
  std::fflush(stderr);
  // What a process starts from now on belongs to the machine's pid namespace, even what only looks for leaks at an exit: that waits for
  // ever for a process it does not see.
  ::_exit(launched ? 0 : 1);
}

}  // namespace sp::agent
