#include "fleet/host_agent.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"
#include "json/json.h"
#include "os/file.h"
#include "os/systemd.h"

namespace sp::fleet {
namespace {

constexpr auto kLook = std::chrono::seconds(1);
constexpr std::string_view kName = "host";
// The agent's standard error; emptied at a start when it has grown past this.
constexpr std::uintmax_t kLogBytes = 16U << 20U;
// Where a machine's agent keeps its state, seen from inside.
constexpr std::string_view kStateInside = "var/lib/stillpoint-agent";

bool holds(const std::string& path, std::string_view text) {
  const auto now = os::readFile(path);
  return now && *now == text;
}

Result<void> writeIfOther(const std::string& path, std::string_view text, unsigned mode) {
  if (holds(path, text)) return {};
  return os::writeFileDurably(path, text, mode);
}

}  // namespace

Result<void> HostAgent::prepare() {
  const auto directory = options_.data_dir + "/host-agent";
  SP_CHECK_OK(os::makeDirectories(directory, 0700));
  SP_CHECK_OK(os::makeDirectories(options_.data_dir + "/machines", 0700));
  SP_CHECK_OK(writeIdentity(directory));
  SP_CHECK_OK(writeIfOther(directory + "/endpoint", options_.endpoint + "\n", 0644));
  tellMachines();
  return {};
}

Result<void> HostAgent::writeIdentity(const std::string& directory) {
  const bool ours = holds(directory + "/ca.pem", authority_.certificate());
  const bool whole = ::access((directory + "/agent.json").c_str(), F_OK) == 0;
  if (ours && whole) return {};
  SP_TRY(const auto issued, authority_.issueAgent(kName));
  SP_CHECK_OK(os::writeFileDurably(directory + "/key.pem", issued.key, 0600));
  SP_CHECK_OK(os::writeFileDurably(directory + "/cert.pem", issued.cert, 0644));
  SP_CHECK_OK(os::writeFileDurably(directory + "/ca.pem", authority_.certificate(), 0644));
  // Last: its presence says that the rest is whole.
  const json::Object self{{"agent", kName}, {"serverName", "stillpoint"}};
  return os::writeFileDurably(directory + "/agent.json", json::toText(self) + "\n", 0644);
}

// The tree belongs to the machine, and its root may have put a link in the way: only a real folder inside it is written to.
void HostAgent::tellMachines() {
  namespace fs = std::filesystem;
  std::error_code error;
  for (const auto& machine : fs::directory_iterator(options_.data_dir + "/machines", error)) {
    const auto root = fs::canonical(machine.path() / "root", error);
    if (error) continue;
    const auto state = fs::canonical(root / kStateInside, error);
    if (error || state != root / kStateInside) continue;
    if (const auto told = writeIfOther((state / "endpoint").string(), options_.endpoint + "\n", 0644); !told)
      log::warn("cannot tell a machine's agent where the server is",
                {{"machine", machine.path().filename().string()}, {"error", told.error().text()}});
  }
}

void HostAgent::endOutdated() {
  const auto text = os::readFile(options_.data_dir + "/host-agent/pid", 256);
  const auto words = text ? split(trim(*text), ' ') : std::vector<std::string_view>{};
  const auto pid = words.size() == 2 ? parseInt(words[0]) : std::nullopt;
  if (!pid || *pid <= 1) return;
  const auto process = os::openPidfd(static_cast<pid_t>(*pid));
  if (!process || words[1] != std::to_string(os::processStartTime(static_cast<pid_t>(*pid)))) return;
  std::error_code error;
  const auto program = std::filesystem::read_symlink(fmt::format("/proc/{}/exe", *pid), error).string();
  if (error || !program.ends_with(" (deleted)")) return;
  log::info("the host's agent is of an earlier version: a new one takes over", {{"pid", *pid}});
  os::signalPidfd(process->get(), SIGTERM);
}

void HostAgent::start() {
  endOutdated();
  thread_ = std::thread([this] { watch(); });
}

void HostAgent::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void HostAgent::watch() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    startIfDead();
    lock.lock();
    wake_.wait_for(lock, kLook, [this] { return stopping_; });
  }
}

void HostAgent::startIfDead() {
  if (child_) {
    const auto ended = child_->wait(std::chrono::milliseconds(0));
    if (ended && !*ended) return;
    log::warn("the host's agent ended", {{"status", ended ? (*ended)->text() : ended.error().text()}});
    child_.reset();
  }
  const auto directory = options_.data_dir + "/host-agent";
  // Held by a living agent, which may be the child of an earlier server.
  {
    const auto lock = os::lockFile(directory + "/lock");
    if (!lock) return;
  }
  const auto log_path = directory + "/agent.log";
  std::error_code error;
  const bool large = std::filesystem::file_size(log_path, error) > kLogBytes && !error;
  const os::Fd output(::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (large ? O_TRUNC : 0), 0600));
  os::SpawnSpec spec;
  auto program = os::ownProgram();
  if (::access(program.c_str(), X_OK) != 0) program = "/proc/self/exe";
  spec.argv = {program, "agent", "--state-dir", directory, "--machines-dir", options_.data_dir + "/machines"};
  if (!options_.failpoints.empty()) {
    spec.argv.emplace_back("--failpoints");
    spec.argv.push_back(options_.failpoints);
  }
  spec.argv = os::inScope("host-agent", std::move(spec.argv));
  spec.environment = os::environmentForChildren();
  spec.cwd = "/";
  spec.stdout_fd = output.get();
  spec.stderr_fd = output.get();
  spec.new_session = true;
  auto started = os::spawn(spec);
  if (!started) {
    log::error("cannot start the host's agent", {{"error", started.error().text()}});
    return;
  }
  log::info("host's agent started", {{"pid", started->pid()}});
  child_ = std::move(*started);
}

}  // namespace sp::fleet
