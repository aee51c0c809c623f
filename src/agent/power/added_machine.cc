#include "agent/power/added_machine.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "os/file.h"
#include "os/process.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;

std::optional<json::Object> readObject(const std::string& path) {
  const auto text = os::readFile(path, 4U << 20U);
  if (!text) return std::nullopt;
  auto value = json::parse(*text);
  if (!value || !value->is_object()) return std::nullopt;
  return std::move(value->get_object());
}

/// Seconds since this boot, sleep included: no jump of the clock moves it.
std::int64_t bootSeconds() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec;
}

}  // namespace

bool isInstanceId(const std::string& id) {
  return id.size() > 2 && id.size() < 64 && id.starts_with("i-") && id.find_first_not_of("0123456789abcdef", 2) == std::string::npos;
}

AddedMachine::AddedMachine(const std::string& state_dir, std::string instance)
    : instance_(std::move(instance)), folder_(fmt::format("{}/power/{}", state_dir, instance_)) {}

std::vector<std::string> AddedMachine::all(const std::string& state_dir) {
  std::vector<std::string> ids;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(state_dir + "/power", ignored))
    if (auto name = entry.path().filename().string(); isInstanceId(name) && fs::exists(entry.path() / "power.json", ignored))
      ids.push_back(std::move(name));
  std::ranges::sort(ids);
  return ids;
}

Result<std::unique_ptr<PowerDriver>> AddedMachine::make(const std::string& driver, const json::Object& power) const {
  SP_TRY(auto description, parsePower(driver, power));
  if (driver == kExec) return makeExecDriver(instance_, std::move(description));
  if (driver == kQemu) return makeQemuDriver(instance_, std::move(description), folder_);
  return fail("power.unknown", fmt::format("machine {} has no power driver", instance_));
}

Result<std::unique_ptr<PowerDriver>> AddedMachine::load() const {
  const auto kept = readObject(path("power.json"));
  const auto* power = kept ? json::find(*kept, "power") : nullptr;
  if (power == nullptr || !power->is_object())
    return fail("power.unknown", fmt::format("this agent holds no power driver of {}", instance_));
  return make(json::textOr(*kept, "driver"), power->get_object());
}

Result<std::unique_ptr<PowerDriver>> AddedMachine::take(const std::string& driver, const json::Object& power) const {
  SP_TRY(auto made, make(driver, power));
  const json::Object wanted{{"driver", driver}, {"power", power}};
  if (readObject(path("power.json")) == wanted) return made;
  SP_CHECK_OK(os::makeDirectories(folder_));
  SP_CHECK_OK(os::writeFileDurably(path("power.json"), json::toText(wanted)));
  return made;
}

Result<void> AddedMachine::forget() const {
  // A virtual machine that runs keeps its monitor and its lock: whoever is given it again finds it so.
  for (const auto* file : {"power.json", "boots.json", "keep-up.json"})
    if (::unlink(path(file).c_str()) != 0 && errno != ENOENT) return failErrno("os.unlink", "cannot remove " + path(file), errno);
  ::rmdir(folder_.c_str());
  return {};
}

std::int64_t AddedMachine::generation() const {
  const auto kept = readObject(path("boots.json"));
  return kept ? json::intOr(*kept, "generation", 0) : 0;
}

Result<std::int64_t> AddedMachine::seen(const PowerNow& now) const {
  const auto kept = readObject(path("boots.json")).value_or(json::Object{});
  const auto before = json::intOr(kept, "generation", 0);
  const bool ran = json::boolOr(kept, "running", false);
  const bool other_boot = ran && !now.boot.empty() && json::textOr(kept, "boot") != now.boot;
  const auto generation = now.running && (!ran || other_boot) ? before + 1 : before;
  json::Object wanted{{"generation", generation}, {"running", now.running}, {"boot", now.boot}};
  if (kept == wanted) return generation;
  SP_CHECK_OK(os::makeDirectories(folder_));
  SP_CHECK_OK(os::writeFileDurably(path("boots.json"), json::toText(wanted)));
  return generation;
}

Result<void> AddedMachine::keepUp(std::chrono::seconds time) const {
  return os::writeFileDurably(path("keep-up.json"),
                              json::toText(json::Object{{"bootId", os::bootId()}, {"until", bootSeconds() + time.count()}}));
}

Result<void> AddedMachine::wentDown() const {
  auto kept = readObject(path("keep-up.json")).value_or(json::Object{});
  if (json::boolOr(kept, "down", false)) return {};
  kept["down"] = true;
  return os::writeFileDurably(path("keep-up.json"), json::toText(kept));
}

void AddedMachine::letDown() const { ::unlink(path("keep-up.json").c_str()); }

bool AddedMachine::isKeptUp() const {
  const auto kept = readObject(path("keep-up.json"));
  if (!kept) return false;
  return json::boolOr(*kept, "down", false) ||
         (json::textOr(*kept, "bootId") == os::bootId() && bootSeconds() < json::intOr(*kept, "until", 0));
}

bool AddedMachine::isDown() const {
  const auto kept = readObject(path("keep-up.json"));
  return kept && json::boolOr(*kept, "down", false);
}

}  // namespace sp::agent
