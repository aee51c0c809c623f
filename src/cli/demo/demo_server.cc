#include "cli/demo/demo_server.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/strings.h"
#include "json/json.h"
#include "os/file.h"

extern char** environ;

namespace sp::cli {
namespace {

constexpr std::string_view kPrefix = "stillpoint-demo-";
constexpr int kReadySeconds = 30;
constexpr int kEndSeconds = 20;

std::string temporaryDirectory() {
  const char* given = std::getenv("TMPDIR");
  return given != nullptr && *given == '/' ? given : "/tmp";
}

std::string selfPath() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

// First processes of the machines that run: after their change of root no command line names the directory.
void addMachines(const std::string& directory, std::vector<pid_t>& found) {
  std::error_code error;
  const auto own = std::filesystem::read_symlink("/proc/self/ns/pid", error).string();
  for (const auto& entry : std::filesystem::directory_iterator(directory + "/state/machines", error)) {
    const auto state = json::parse(os::readFile(entry.path().string() + "/state.json", 1U << 16U).value_or(""));
    if (!state || !state->is_object()) continue;
    const auto pid = json::intOr(state->get_object(), "pid", 0);
    // The number may be another process's by now; its namespace is not. No machine lives in ours, whatever the file says.
    const auto space = std::filesystem::read_symlink(fmt::format("/proc/{}/ns/pid", pid), error).string();
    if (pid > 0 && !error && space != own && space == json::textOr(state->get_object(), "namespace"))
      found.push_back(static_cast<pid_t>(pid));
  }
}

// Every process whose command line names the directory (the server, its agent and what runs for them), and the machines.
std::vector<pid_t> processesOf(const std::string& directory) {
  std::vector<pid_t> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const auto pid = parseInt(entry.path().filename().string());
    if (!pid || *pid == getpid()) continue;
    const auto words = os::readFile(entry.path().string() + "/cmdline", 1U << 20U).value_or("");
    // "demo --stop DIR" names it too.
    if (words.find(directory + "/state") != std::string::npos) found.push_back(static_cast<pid_t>(*pid));
  }
  addMachines(directory, found);
  return found;
}

bool serverAlive(const std::string& directory) {
  return !os::lockFile(directory + "/state/lock") && std::filesystem::exists(directory + "/state/lock");
}

void removeLeftovers() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(temporaryDirectory(), error)) {
    if (!entry.path().filename().string().starts_with(kPrefix)) continue;
    struct stat info{};
    if (::lstat(entry.path().c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != geteuid()) continue;
    if (std::filesystem::exists(entry.path() / "kept") || serverAlive(entry.path())) continue;
    if (const auto removed = removeDemo(entry.path()); removed)
      fmt::print("removed what an interrupted demo left in {}\n", entry.path().string());
  }
}

Result<std::string> readLine(int fd) {
  std::string line;
  const auto deadline = SystemClock().boottime() + std::chrono::seconds(kReadySeconds);
  while (line.find('\n') == std::string::npos) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - SystemClock().boottime()).count();
    if (left <= 0) return fail("demo.server", fmt::format("the server was not ready within {} s", kReadySeconds));
    pollfd wait{fd, POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(left)) <= 0) continue;
    char buffer[512];
    const auto got = ::read(fd, buffer, sizeof buffer);
    if (got <= 0) return fail("demo.server", "the server ended before it was ready");
    line.append(buffer, static_cast<std::size_t>(got));
  }
  return line.substr(0, line.find('\n'));
}

}  // namespace

Result<void> removeDemo(const std::string& directory) {
  if (!std::filesystem::path(directory).filename().string().starts_with(kPrefix))
    return fail("demo.directory", fmt::format("{} is not a directory of a demo ({}…)", directory, kPrefix));
  const auto deadline = SystemClock().boottime() + std::chrono::seconds(kEndSeconds);
  for (auto left = processesOf(directory); !left.empty(); left = processesOf(directory)) {
    if (SystemClock().boottime() > deadline) return fail("demo.end", fmt::format("process {} of {} does not end", left.front(), directory));
    for (const auto pid : left) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, WNOHANG);
    }
    ::poll(nullptr, 0, 20);
  }
  // The kernel takes a moment to let go of the machines' mounts, and files vanish with their last process.
  while (true) {
    std::error_code error;
    std::filesystem::remove_all(directory, error);
    if (!error) return {};
    if (SystemClock().boottime() > deadline) return fail("demo.remove", fmt::format("cannot remove {}: {}", directory, error.message()));
    ::poll(nullptr, 0, 50);
  }
}

Result<DemoServer> DemoServer::start() {
  removeLeftovers();
  DemoServer server;
  auto pattern = temporaryDirectory() + "/" + std::string(kPrefix) + "XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) return failErrno("demo.directory", "cannot make " + pattern, errno);
  server.directory_ = pattern;
  // Machines need to reach their own trees.
  ::chmod(pattern.c_str(), 0755);

  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) return failErrno("demo.pipe", "cannot make a pipe", errno);
  const os::Fd read_end(ready[0]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ready[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, (server.directory_ + "/server.log").c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                   0644);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // A session of its own: Ctrl-C reaches the demo alone, which then ends the server in order.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::vector<std::string> words = {selfPath(),         "serve",       "--data-dir",     server.dataDir(), "--listen", "127.0.0.1:0",
                                    "--console-listen", "127.0.0.1:0", "--agent-listen", "127.0.0.1:0"};
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int failed = posix_spawn(&server.pid_, words[0].c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ::close(ready[1]);
  if (failed != 0) return failErrno("demo.server", "cannot start " + words[0], failed);
  const auto line = readLine(read_end.get());
  if (!line) {
    const auto log = os::readFile(server.directory_ + "/server.log", 1U << 20U).value_or("");
    return fail("demo.server", line.error().message + ":\n" + log);
  }
  return server;
}

DemoServer::DemoServer(DemoServer&& other) noexcept : directory_(std::move(other.directory_)), pid_(other.pid_) {
  other.directory_.clear();
  other.pid_ = -1;
}

DemoServer::~DemoServer() { remove(); }

std::string DemoServer::keep() {
  const auto directory = directory_;
  if (const auto kept = os::writeFileDurably(directory + "/kept", "", 0644); !kept)
    fmt::print(stderr, "stillpoint: {}\n", kept.error().text());
  directory_.clear();
  return selfPath() + " demo --stop " + directory;
}

std::string DemoServer::keepLog() const {
  const auto log = directory_ + "/server.log";
  std::error_code error;
  std::filesystem::rename(log, directory_ + ".log", error);
  return error ? log : directory_ + ".log";
}

void DemoServer::remove() {
  if (directory_.empty()) return;
  if (const auto removed = removeDemo(directory_); !removed) fmt::print(stderr, "stillpoint: {}\n", removed.error().text());
  directory_.clear();
}

}  // namespace sp::cli
