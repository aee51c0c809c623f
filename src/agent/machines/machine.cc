#include "agent/machines/machine.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>

#include <fmt/format.h>

#include "agent/machines/tree.h"
#include "base/failpoint.h"
#include "os/process.h"
#include "os/systemd.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;

constexpr int kLockFd = 3;
constexpr std::chrono::milliseconds kLaunchPatience{20'000};

Result<json::Object> readObject(const std::string& path) {
  SP_TRY(const auto text, os::readFile(path, 1U << 20U));
  SP_TRY(auto value, withContext(json::parse(text), "read " + path));
  if (!value.is_object()) return fail("machine.record", path + " is not a JSON object");
  return std::move(value.get_object());
}

Result<void> removeTree(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return fail("machine.remove", fmt::format("cannot remove {}: {}", path, error.message()));
  return {};
}

}  // namespace

Machine::Machine(std::string machines_dir, std::string id) : machines_dir_(std::move(machines_dir)), id_(std::move(id)) {}

bool Machine::exists() const {
  std::error_code ignored;
  return fs::exists(directory() + "/machine.json", ignored);
}

Result<MachineSpec> Machine::spec() const {
  SP_TRY(const auto record, readObject(directory() + "/machine.json"));
  MachineSpec spec;
  spec.image = json::textOr(record, "image");
  spec.hostname = json::textOr(record, "hostname");
  spec.data_bytes = json::intOr(record, "dataBytes", spec.data_bytes);
  return spec;
}

std::int64_t Machine::generation() const {
  const auto record = readObject(directory() + "/boot.json");
  return record ? json::intOr(*record, "generation", 0) : 0;
}

Result<void> Machine::create(const MachineSpec& spec, const std::vector<std::pair<std::string, std::string>>& files) {
  if (exists()) return {};
  // Made aside and renamed: what an interrupted creation left is never taken for a machine.
  const auto aside = fmt::format("{}/.new-{}", machines_dir_, id_);
  SP_CHECK_OK(os::makeDirectories(machines_dir_, 0711));
  SP_CHECK_OK(removeTree(aside));
  SP_CHECK_OK(os::makeDirectories(aside, 0711));
  SP_CHECK_OK(makeTree(aside + "/root", spec));
  for (const auto& [path, content] : files) {
    const auto full = aside + "/root/" + path;
    SP_CHECK_OK(os::makeDirectories(fs::path(full).parent_path()));
    SP_CHECK_OK(os::writeFile(full, content));
  }
  SP_CHECK_OK(
      os::writeFile(aside + "/machine.json",
                    json::toText(json::Object{{"image", spec.image}, {"hostname", spec.hostname}, {"dataBytes", spec.data_bytes}})));
  // One syncfs instead of an fsync for each of its files.
  const os::Fd folder(::open(aside.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::syncfs(folder.get()) != 0) return failErrno("os.fsync", "cannot sync " + aside, errno);
  failpoint::hit("agent.machine.made");
  if (::rename(aside.c_str(), directory().c_str()) != 0) return failErrno("os.rename", "cannot rename to " + directory(), errno);
  return os::fsyncDirectory(machines_dir_);
}

Result<os::Fd> Machine::lock(int kind) const {
  const auto path = directory() + "/lock";
  os::Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) return failErrno("machine.lock", "cannot open " + path, errno);
  if (::flock(file.get(), kind | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return fail("machine.running", fmt::format("machine {} runs", id_));
    return failErrno("machine.lock", "cannot lock " + path, errno);
  }
  return file;
}

bool Machine::alive() const {
  if (!exists()) return false;
  // Shared: two that look at once must not take each other for the machine.
  const auto held = lock(LOCK_SH);
  if (!held) return held.error().code == "machine.running";
  // Its pid 1 lets go of the lock a moment before the last of its processes is gone.
  return readState().has_value();
}

std::optional<MachineProcess> Machine::readState() const {
  const auto record = readObject(directory() + "/state.json");
  if (!record || json::textOr(*record, "bootId") != os::bootId()) return std::nullopt;
  const auto pid = static_cast<pid_t>(json::intOr(*record, "pid", -1));
  if (pid <= 0) return std::nullopt;
  auto pidfd = os::openPidfd(pid);
  if (!pidfd) return std::nullopt;
  // After the pidfd is held the number cannot pass to another process unnoticed.
  if (os::processStartTime(pid) != static_cast<std::uint64_t>(json::intOr(*record, "startTime", -1))) return std::nullopt;
  std::error_code ignored;
  const auto space = fs::read_symlink(fmt::format("/proc/{}/ns/pid", pid), ignored).string();
  if (!space.empty() && space != json::textOr(*record, "namespace")) return std::nullopt;
  if (os::waitReadable(pidfd->get(), std::chrono::milliseconds(0))) return std::nullopt;
  return MachineProcess{pid, std::move(*pidfd), json::intOr(*record, "generation", 0)};
}

Result<os::Fd> Machine::lockToStart() const {
  const auto deadline = std::chrono::steady_clock::now() + kLaunchPatience / 2;
  while (true) {
    auto held = lock(LOCK_EX);
    if (held || held.error().code != "machine.running" || readState() || std::chrono::steady_clock::now() > deadline) return held;
    ::poll(nullptr, 0, 2);
  }
}

std::optional<MachineProcess> Machine::process() const {
  const auto deadline = std::chrono::steady_clock::now() + kLaunchPatience / 2;
  while (true) {
    if (auto state = readState()) return state;
    if (!alive() || std::chrono::steady_clock::now() > deadline) return std::nullopt;
    ::poll(nullptr, 0, 2);
  }
}

Result<bool> Machine::start() {
  SP_CHECK_OK(canRunMachines());
  if (!exists()) return fail("machine.missing", fmt::format("there is no machine {} in {}", id_, machines_dir_));
  if (process()) return false;
  auto held = lockToStart();
  if (!held && held.error().code == "machine.running") return false;
  if (!held) return std::unexpected(std::move(held).error());
  const auto next = generation() + 1;
  SP_CHECK_OK(os::writeFileDurably(directory() + "/boot.json", json::toText(json::Object{{"generation", next}})));
  failpoint::hit("agent.machine.starting");
  ::unlink((directory() + "/state.json").c_str());
  SP_TRY(const auto errors, os::makePipe());
  const os::SpawnSpec spec{.argv = os::inScope(id_, {os::ownProgram(), "machine-launch", directory(), std::to_string(next)}),
                           .environment = std::vector<std::string>{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "TZ=UTC"},
                           .cwd = "/",
                           .stderr_fd = errors.write.get(),
                           .pass = {{held->get(), kLockFd}},
                           .new_session = true};
  SP_TRY(const auto launcher, os::spawn(spec));
  held->reset();
  failpoint::hit("agent.machine.launching");
  SP_TRY(const auto ended, launcher.wait(kLaunchPatience));
  if (!ended) {
    launcher.signal(SIGKILL);
    (void)launcher.wait();
    return fail("machine.start", fmt::format("machine {} did not start within {} ms", id_, kLaunchPatience.count()));
  }
  if (ended->ok()) return true;
  std::string text(4096, '\0');
  ::fcntl(errors.read.get(), F_SETFL, O_NONBLOCK);
  const auto got = ::read(errors.read.get(), text.data(), text.size());
  text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return fail("machine.start", fmt::format("machine {} did not start: {}", id_, text.empty() ? ended->text() : text));
}

Result<void> Machine::destroy() {
  std::error_code ignored;
  if (!fs::exists(directory(), ignored)) return {};
  if (alive()) return fail("machine.running", fmt::format("machine {} runs: its files are in use", id_));
  // Renamed first: an interrupted removal leaves no half machine.
  const auto aside = fmt::format("{}/.old-{}", machines_dir_, id_);
  SP_CHECK_OK(removeTree(aside));
  if (::rename(directory().c_str(), aside.c_str()) != 0) return failErrno("os.rename", "cannot rename " + directory(), errno);
  SP_CHECK_OK(os::fsyncDirectory(machines_dir_));
  return removeTree(aside);
}

std::vector<std::string> machineIds(const std::string& machines_dir) {
  std::vector<std::string> ids;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(machines_dir, ignored))
    if (const auto name = entry.path().filename().string(); name.starts_with("i-") && Machine(machines_dir, name).exists())
      ids.push_back(name);
  std::ranges::sort(ids);
  return ids;
}

Result<void> canRunMachines() {
  if (::geteuid() == 0) return {};
  return fail("agent.power", "demo machines need root: namespaces, mounts and the user postgres; start the server with sudo");
}

}  // namespace sp::agent
