#include "agent/scripts/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <mutex>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "os/systemd.h"

namespace sp::agent {
namespace {

constexpr std::size_t kGivenMost = 8;

/// One field of the file `spec`. An environment may come from outside; a NUL in it would shift all that follows.
Result<void> addField(std::string& out, std::string_view field) {
  if (field.find('\0') != std::string_view::npos)
    return fail("agent.spec", fmt::format("'{}' holds a NUL byte, which no argument or variable can", field.substr(0, field.find('\0'))));
  out.append(field).push_back('\0');
  return {};
}

Result<std::string> encode(const std::string& run, const SuperviseSpec& spec) {
  std::string out;
  SP_CHECK_OK(addField(out, run));
  SP_CHECK_OK(addField(out, std::to_string(spec.timeout_ms)));
  SP_CHECK_OK(addField(out, std::to_string(spec.end_signal)));
  SP_CHECK_OK(addField(out, std::to_string(spec.grace_ms)));
  SP_CHECK_OK(addField(out, spec.reserve));
  SP_CHECK_OK(addField(out, spec.cwd));
  SP_CHECK_OK(addField(out, std::to_string(spec.argv.size())));
  for (const auto* list : {&spec.argv, &spec.environment})
    for (const auto& text : *list) SP_CHECK_OK(addField(out, text));
  return out;
}

}  // namespace

Result<std::string> superviseProgram(const std::string& state_dir) {
  static const auto name = "/supervise-" + sha256Hex(kSuperviseProgram).substr(0, 16);
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  auto path = state_dir + name;
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0 && static_cast<std::size_t>(info.st_size) == kSuperviseProgram.size()) return path;
  SP_CHECK_OK(os::writeFileDurably(path, kSuperviseProgram, 0700));
  // Those of other versions; who still runs one keeps its file.
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(state_dir, ignored))
    if (entry.path().filename().string().starts_with("supervise-") && entry.path() != path) std::filesystem::remove(entry.path(), ignored);
  return path;
}

Result<void> SupervisedRun::prepare(const SuperviseSpec& spec) {
  SP_CHECK_OK(os::makeDirectories(directory_));
  lock_ = os::Fd(::open((directory_ + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock_) return failErrno("os.open", "cannot open " + directory_ + "/lock", errno);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) return failErrno("os.lock", "cannot lock " + directory_ + "/lock", errno);
  SP_TRY(const auto text, encode(run_, spec));
  // Not durable: after a power cut nobody runs by it any more.
  return os::writeFile(directory_ + "/spec", text);
}

namespace {

/// The one process that forks a supervisor for each script of this agent, and the socket that it takes its orders from.
struct Nursery {
  std::mutex mutex;
  os::Process process;
  os::Fd socket;
  static Nursery& only() {
    static Nursery one;
    return one;
  }
};

/// With the mutex held.
Result<void> start(Nursery& nursery, const std::string& program) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return failErrno("os.socket", "cannot make a pair of sockets", errno);
  os::Fd ours(ends[0]);
  const os::Fd theirs(ends[1]);
  SP_TRY(nursery.process, os::spawn({.argv = os::inScope("scripts", {program}),
                                     .environment = std::vector<std::string>{},
                                     .pass = {{theirs.get(), 3}},
                                     .new_session = true}));
  nursery.socket = std::move(ours);
  return {};
}

/// One that takes no more orders; those it forked go on.
void end(Nursery& nursery) {
  if (!nursery.socket) return;
  nursery.socket.reset();
  nursery.process.signal(SIGKILL);
  [[maybe_unused]] const auto reaped = nursery.process.wait();
}

}  // namespace

bool orderSupervisor(int socket, const std::string& directory, int lock, int done, const std::vector<int>& given) {
  std::vector<int> descriptors{lock, done};
  descriptors.insert(descriptors.end(), given.begin(), given.end());
  const auto size = descriptors.size() * sizeof(int);
  alignas(cmsghdr) std::array<char, CMSG_SPACE((2 + kGivenMost) * sizeof(int))> control{};
  if (given.size() > kGivenMost) return false;
  iovec bytes{const_cast<char*>(directory.data()), directory.size()};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(size);
  auto* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(size);
  std::memcpy(CMSG_DATA(header), descriptors.data(), size);
  return ::sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(directory.size());
}

void keepSupervisorsReady(const std::string& program) {
  auto& nursery = Nursery::only();
  const std::lock_guard lock(nursery.mutex);
  if (nursery.socket) return;
  if (const auto started = start(nursery, program); !started)
    log::warn("scripts' supervisors are not started ahead", {{"why", started.error().text()}});
}

Result<void> SupervisedRun::launch(const std::string& program, const std::vector<int>& given) {
  SP_TRY(auto done, os::makePipe());
  {
    auto& nursery = Nursery::only();
    const std::lock_guard lock(nursery.mutex);
    // An order that was not taken has started nothing: it goes to the next one.
    if (!nursery.socket || !orderSupervisor(nursery.socket.get(), directory_, lock_.get(), done.write.get(), given)) {
      end(nursery);
      SP_CHECK_OK(start(nursery, program));
      if (!orderSupervisor(nursery.socket.get(), directory_, lock_.get(), done.write.get(), given))
        return failErrno("os.spawn", "the script's supervisor did not start", errno);
    }
  }
  done_ = std::move(done.read);
  // From here on the lock lives exactly as long as the supervisor, or the message to it.
  lock_.reset();
  return {};
}

std::optional<ScriptStatus> SupervisedRun::status() const {
  const auto text = os::readFile(directory_ + "/status");
  if (!text) return std::nullopt;
  const auto value = json::parse(*text);
  if (!value || !value->is_object()) return std::nullopt;
  const auto& object = value->get_object();
  // Of another script that had the folder before: a power cut can bring it back.
  if (json::textOr(object, "run", run_) != run_) return std::nullopt;
  const auto* usage = json::find(object, "usage");
  return ScriptStatus{json::textOr(object, "reason"), static_cast<int>(json::intOr(object, "exitCode", -1)),
                      json::intOr(object, "durationMs", 0), json::textOr(object, "message"),
                      usage && usage->is_object() ? usage->get_object() : json::Object()};
}

bool SupervisedRun::alive() const {
  const os::Fd lock(::open((directory_ + "/lock").c_str(), O_RDWR | O_CLOEXEC));
  if (!lock) return false;
  return ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

pid_t SupervisedRun::scriptPid() {
  if (pidfd() < 0) return -1;
  const auto words = os::readFile(directory_ + "/pid", 256);
  const auto pid = words ? parseInt(trim(*words).substr(0, words->find(' '))) : std::nullopt;
  if (!pid) return -1;
  const auto children = os::readFile(fmt::format("/proc/{0}/task/{0}/children", *pid), 4096);
  if (!children) return -1;
  return static_cast<pid_t>(parseInt(std::string_view(*children).substr(0, children->find(' '))).value_or(-1));
}

int SupervisedRun::pidfd() {
  if (adopted_) return adopted_.get();
  const auto text = os::readFile(directory_ + "/pid", 256);
  if (!text) return -1;
  const auto words = split(trim(*text), ' ');
  if (words.size() != 2) return -1;
  const auto pid = parseInt(words[0]);
  const auto start = parseInt(words[1]);
  if (!pid || !start) return -1;
  auto fd = os::openPidfd(static_cast<pid_t>(*pid));
  // The number may belong to another process by now.
  if (!fd || os::processStartTime(static_cast<pid_t>(*pid)) != static_cast<std::uint64_t>(*start)) return -1;
  adopted_ = std::move(*fd);
  return adopted_.get();
}

bool SupervisedRun::wait(int cancel_fd) { return endsWithin(cancel_fd, std::chrono::milliseconds(-1)); }

bool SupervisedRun::endsWithin(int cancel_fd, std::chrono::milliseconds whole) {
  const auto deadline = std::chrono::steady_clock::now() + whole;
  while (true) {
    const int fd = done_ ? done_.get() : pidfd();
    // A supervisor that was started a moment ago may not have written its pid yet.
    auto limit = std::chrono::milliseconds(fd < 0 ? 5 : -1);
    if (whole.count() >= 0) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) return !alive();
      limit = fd < 0 ? std::min(limit, left) : left;
    }
    const int woken = os::waitEither(fd, cancel_fd, limit);
    if (woken == 1) return true;
    if (woken == 2) return false;
    if (!alive()) return true;
  }
}

void SupervisedRun::cancel() {
  // Its pid is on disk once it can take the signal.
  while (alive()) {
    if (const int fd = pidfd(); fd >= 0) {
      os::signalPidfd(fd, SIGTERM);
      return;
    }
    ::poll(nullptr, 0, 2);
  }
}

}  // namespace sp::agent
