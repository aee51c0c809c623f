#include "agent/former.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "agent/scripts/supervisor.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "json/json.h"
#include "os/file.h"
#include "os/process.h"
#include "os/systemd.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFileMost = 64 * 1024;
constexpr auto kBeat = std::chrono::seconds(1);

std::string noteOf(const std::string& state_dir) { return state_dir + "/former.json"; }

Result<void> move(const std::string& from, const std::string& to) {
  struct stat status{};
  if (::stat(from.c_str(), &status) != 0 && errno == ENOENT) return {};
  if (::rename(from.c_str(), to.c_str()) != 0) return failErrno("agent.enrol", "cannot set aside " + from, errno);
  return {};
}

/// Of every script, backup and restore that has a supervisor: all are told to end, then awaited.
Result<void> endRuns(const std::string& runs, int stop_fd) {
  std::vector<std::unique_ptr<SupervisedRun>> living;
  std::error_code ignored;
  for (const auto& request : fs::directory_iterator(runs, ignored))
    for (const auto& folder : fs::directory_iterator(request.path(), ignored)) {
      auto run = std::make_unique<SupervisedRun>(folder.path().string());
      if (run->alive()) living.push_back(std::move(run));
    }
  for (const auto& run : living) {
    log::warn("ends what the former identity was asked", {{"folder", run->directory()}});
    run->cancel();
  }
  for (const auto& run : living)
    while (!run->endsWithin(stop_fd, kBeat)) {
      os::beatWatchdog();
      if (os::waitReadable(stop_fd, std::chrono::milliseconds(0)))
        return fail("agent.stopped", "stopped while it waited for the end of what the former identity ran in " + run->directory());
    }
  return {};
}

}  // namespace

Result<void> setIdentityAside(const std::string& state_dir, const std::string& agent, bool same_machine) {
  const auto aside = fmt::format("{}/former-{}-{}", state_dir, agent, toMicros(SystemClock().now()) / 1000);
  SP_CHECK_OK(os::makeDirectories(aside, 0700));
  const auto authority = os::readFile(state_dir + "/ca.pem", kFileMost);
  const json::Object note{{"agent", agent}, {"folder", aside}, {"authority", same_machine && authority ? sha256Hex(*authority) : ""}};
  SP_CHECK_OK(os::writeFileDurably(noteOf(state_dir), json::toText(note) + "\n", 0600));
  // agent.json first: without it the folder is not enrolled, whatever else is still there.
  for (const auto* name : {"agent.json", "cert.pem", "key.pem", "ca.pem", "endpoint", "rejected"})
    SP_CHECK_OK(move(fmt::format("{}/{}", state_dir, name), fmt::format("{}/{}", aside, name)));
  SP_CHECK_OK(os::fsyncDirectory(aside));
  SP_CHECK_OK(os::fsyncDirectory(state_dir));
  log::warn("the former identity was set aside", {{"agent", agent}, {"folder", aside}});
  return {};
}

Result<void> settleFormer(const std::string& state_dir, const std::string& agent, const std::string& authority, int stop_fd) {
  struct stat status{};
  if (::stat(noteOf(state_dir).c_str(), &status) != 0) return {};
  SP_TRY(const auto text, os::readFile(noteOf(state_dir), kFileMost));
  SP_TRY(const auto note, withContext(json::parse(text), "read " + noteOf(state_dir)));
  const auto told = [&](std::string_view key) { return note.is_object() ? json::textOr(note.get_object(), key) : std::string(); };
  if (told("agent") == agent && told("authority") == sha256Hex(authority)) {
    log::info("goes on with what the former identity was asked", {{"agent", agent}});
    return {};
  }
  SP_CHECK_OK(endRuns(state_dir + "/runs", stop_fd));
  const auto aside = told("folder");
  SP_CHECK_OK(os::makeDirectories(aside, 0700));
  for (const auto* name : {"journal", "runs"}) SP_CHECK_OK(move(fmt::format("{}/{}", state_dir, name), fmt::format("{}/{}", aside, name)));
  SP_CHECK_OK(os::fsyncDirectory(aside));
  SP_CHECK_OK(os::fsyncDirectory(state_dir));
  log::warn("what the former identity was asked was set aside: nothing of it will be done", {{"agent", told("agent")}, {"folder", aside}});
  return {};
}

void forgetFormer(const std::string& state_dir) { ::unlink(noteOf(state_dir).c_str()); }

}  // namespace sp::agent
