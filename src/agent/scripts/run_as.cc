#include "agent/scripts/run_as.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <mutex>

#include <fmt/format.h>

#include "base/strings.h"
#include "os/file.h"
#include "os/user.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;

// Becomes the user, with all of the user's groups, and executes: its exit status is the script's.
constexpr const char* kBecome = "/usr/bin/setpriv";
constexpr int kBusyTries = 500;
constexpr int kBusyPauseMs = 10;

std::unexpected<Error> failed(const std::string& what, const std::error_code& error) {
  return fail("agent.run_as", fmt::format("{}: {}", what, error.message()));
}

/// To be walked through by everybody, and changed by us alone.
Result<void> makeUsersFolder(const std::string& path) {
  if (::mkdir(path.c_str(), 0711) != 0 && errno != EEXIST) return failErrno("agent.run_as", "cannot make " + path, errno);
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return failErrno("agent.run_as", "cannot look at " + path, errno);
  if (!S_ISDIR(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & 022U) != 0)
    return fail("agent.run_as", fmt::format("{} must be a folder that only the agent's user may write to", path));
  if (::chmod(path.c_str(), 0711) != 0) return failErrno("agent.run_as", "cannot open " + path + " for users", errno);
  return {};
}

/// Links are handed over as such.
Result<void> giveTo(const os::User& user, const std::string& folder) {
  if (::lchown(folder.c_str(), user.uid, user.gid) != 0) return failErrno("agent.run_as", "cannot give " + folder + " away", errno);
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(folder, error))
    if (::lchown(entry.path().c_str(), user.uid, user.gid) != 0)
      return failErrno("agent.run_as", "cannot give " + entry.path().string() + " away", errno);
  if (error) return failed("cannot give " + folder + " away", error);
  return {};
}

/// A process that was just forked may hold the new script open for writing until it executes: till then nobody can run it.
void awaitWritersGone(const std::string& path) {
  const os::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  for (int tries = 0; file && tries < kBusyTries; ++tries) {
    if (::fcntl(file.get(), F_SETLEASE, F_RDLCK) == 0) {
      ::fcntl(file.get(), F_SETLEASE, F_UNLCK);
      return;
    }
    if (errno != EAGAIN) return;
    ::poll(nullptr, 0, kBusyPauseMs);
  }
}

void setVariable(std::vector<std::string>& environment, const std::string& name, const std::string& value) {
  std::erase_if(environment, [&](const std::string& each) { return each.starts_with(name + "="); });
  environment.push_back(name + "=" + value);
}

/// The working directory, where it lies in the state directory, as it is seen by the user; empty: it is elsewhere.
Result<std::string> copyWork(const std::string& state_dir, const std::string& cwd, const std::string& folder) {
  const auto inside = fs::path(cwd).lexically_relative(state_dir);
  if (inside.empty() || *inside.begin() == "..") return std::string();
  // runs/RUN/downloads/… holds what was fetched; runs/RUN/STEP only what is the agent's.
  auto part = inside.begin();
  fs::path downloads(state_dir);
  fs::path rest;
  std::size_t depth = 0;
  for (; part != inside.end(); ++part, ++depth) (depth < 3 ? downloads : rest) /= *part;
  if (downloads.filename() != "downloads") return folder;
  std::error_code error;
  const auto work = fs::path(folder) / "downloads";
  fs::copy(downloads, work, fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
  if (error) return failed("cannot copy what was fetched to " + work.string(), error);
  return rest.empty() ? work.string() : (work / rest).string();
}

}  // namespace

std::string usersFolder(const std::string& state_dir) { return state_dir + "-users"; }

Result<std::optional<std::string>> chooseUser(const std::vector<std::string>& allowed, const std::string& asked, const std::string& own,
                                              bool is_root) {
  const auto& wanted = !asked.empty() ? asked : allowed.empty() ? own : allowed.front();
  if (!allowed.empty() && std::ranges::find(allowed, wanted) == allowed.end())
    return fail("agent.run_as",
                fmt::format("scripts may run as {} on this machine, not as '{}' (its agent's --run-as, or \"runAs\" in agent.json)",
                            join(allowed, ", "), wanted));
  if (wanted == own) return std::nullopt;
  if (!is_root)
    return fail("agent.run_as",
                fmt::format("the agent of this machine runs as {}, not as root: its scripts cannot run as '{}'", own, wanted));
  return wanted;
}

Result<void> runAs(SuperviseSpec& spec, const Identity& identity, const std::string& asked, const std::string& name) {
  if (asked.empty() && identity.runAs().empty()) return {};
  const auto self = os::findUser(::geteuid());
  SP_TRY(const auto chosen, chooseUser(identity.runAs(), asked, self ? self->name : std::to_string(::geteuid()), ::geteuid() == 0));
  if (!chosen) return {};
  SP_TRY(const auto user, os::findUser(*chosen));
  if (::access(kBecome, X_OK) != 0) return fail("agent.run_as", fmt::format("{} is missing (package util-linux)", kBecome));
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  const auto& state_dir = identity.stateDir();
  const auto users = usersFolder(state_dir);
  SP_CHECK_OK(makeUsersFolder(users));
  tidyRunAs(state_dir);
  const auto folder = users + "/" + name;
  std::error_code error;
  fs::remove_all(folder, error);
  if (::mkdir(folder.c_str(), 0700) != 0) return failErrno("agent.run_as", "cannot make " + folder, errno);
  SP_TRY(const auto work, copyWork(state_dir, spec.cwd, folder));
  const auto script = folder + "/_script.sh";
  SP_TRY(const auto text, os::readFile(spec.argv.front()));
  SP_CHECK_OK(os::writeFile(script, text, 0500));
  awaitWritersGone(script);
  SP_CHECK_OK(giveTo(user, folder));
  spec.argv.front() = script;
  if (!work.empty()) {
    for (auto& variable : spec.environment)
      if (variable.starts_with("PATH=") && variable.ends_with(":" + spec.cwd))
        variable.replace(variable.size() - spec.cwd.size(), spec.cwd.size(), work);
    spec.cwd = work;
  }
  setVariable(spec.environment, "HOME", user.home);
  setVariable(spec.environment, "USER", user.name);
  setVariable(spec.environment, "LOGNAME", user.name);
  spec.argv.insert(spec.argv.begin(), {kBecome, fmt::format("--reuid={}", user.uid), fmt::format("--regid={}", user.gid), "--init-groups",
                                       "--inh-caps=-all", "--"});
  return {};
}

void tidyRunAs(const std::string& state_dir) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(usersFolder(state_dir), error)) {
    const auto name = entry.path().filename().string();
    const auto run = state_dir + "/runs/" + name.substr(0, name.rfind('-'));
    std::error_code ignored;
    if (!fs::exists(run, ignored)) fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace sp::agent
