#include "model/power.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"

namespace sp {
namespace {

constexpr std::size_t kWordsMost = 256;
constexpr std::size_t kWordMost = 4096;
constexpr std::size_t kStatusWordsMost = 32;
// What virsh, ipmitool, qm and the clouds' command lines print.
const std::vector<std::string> kRunningWords{"running", "on", "active", "poweredon", "vm running"};
const std::vector<std::string> kStoppedWords{"stopped",    "off",        "shut off",    "shutoff",       "inactive",
                                             "poweredoff", "terminated", "deallocated", "vm deallocated"};

std::unexpected<Error> bad(std::string message) { return fail("power.description", std::move(message)); }

Result<void> checkWords(const std::string& member, const std::vector<std::string>& words, std::size_t most) {
  if (words.size() > most) return bad(fmt::format("Power.{} has {} words; at most {} are allowed", member, words.size(), most));
  for (const auto& word : words) {
    if (word.size() > kWordMost)
      return bad(fmt::format("a word of Power.{} has {} bytes; at most {} are allowed", member, word.size(), kWordMost));
    if (word.find('\0') != std::string::npos) return bad(fmt::format("a word of Power.{} holds a NUL byte", member));
  }
  return {};
}

Result<void> checkCommand(const std::string& member, const std::vector<std::string>& words) {
  if (words.empty()) return bad(fmt::format("Power.{} is missing: give the command as a list of words", member));
  if (!words.front().starts_with('/'))
    return bad(fmt::format("Power.{} begins with '{}': give the program's absolute path", member, words.front()));
  return checkWords(member, words, kWordsMost);
}

Result<void> checkRange(const std::string& member, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most) return {};
  return bad(fmt::format("Power.{} is {}; it must be between {} and {}", member, value, least, most));
}

Result<void> checkExec(const PowerDescription& power) {
  SP_CHECK_OK(checkCommand("Start", power.start));
  SP_CHECK_OK(checkCommand("Stop", power.stop));
  SP_CHECK_OK(checkCommand("Status", power.status));
  if (!power.force_stop.empty()) SP_CHECK_OK(checkCommand("ForceStop", power.force_stop));
  SP_CHECK_OK(checkWords("RunningWords", power.running_words, kStatusWordsMost));
  SP_CHECK_OK(checkWords("StoppedWords", power.stopped_words, kStatusWordsMost));
  for (const auto& word : power.running_words)
    if (std::ranges::any_of(power.stopped_words, [&](const auto& other) { return equalsIgnoreCase(word, other); }))
      return bad(fmt::format("'{}' stands in both Power.RunningWords and Power.StoppedWords", word));
  SP_CHECK_OK(checkRange("CommandTimeoutInSeconds", power.command_timeout, 1, 3600));
  if (power.poll != 0) SP_CHECK_OK(checkRange("PollSeconds", power.poll, 5, 86'400));
  return {};
}

Result<void> checkQemu(const PowerDescription& power) {
  SP_CHECK_OK(checkCommand("Argv", power.argv));
  for (const auto* own : {"-qmp", "-qmp-pretty", "-daemonize", "-no-shutdown"})
    if (std::ranges::find(power.argv, own) != power.argv.end())
      return bad(fmt::format("Power.Argv holds {}, which the driver cannot work with: leave it out", own));
  if (!power.guest_agent.empty() && !power.guest_agent.starts_with('/'))
    return bad(fmt::format("Power.GuestAgent is '{}': give the absolute path of its socket", power.guest_agent));
  return {};
}

json::Array listOf(const std::vector<std::string>& words) { return json::Array(words.begin(), words.end()); }

bool saysOneOf(std::string_view line, const std::vector<std::string>& words) {
  return std::ranges::any_of(words, [&](const std::string& word) {
    const auto wanted = toLower(word);
    if (line == wanted) return true;
    if (!line.ends_with(wanted) || wanted.empty()) return false;
    const char before = line[line.size() - wanted.size() - 1];
    return before == ' ' || before == ':' || before == '\t';
  });
}

}  // namespace

json::Object PowerDescription::encode() const {
  json::Object out;
  if (driver == kExec) {
    out["Start"] = listOf(start);
    out["Stop"] = listOf(stop);
    out["Status"] = listOf(status);
    if (!force_stop.empty()) out["ForceStop"] = listOf(force_stop);
    out["RunningWords"] = listOf(running_words);
    out["StoppedWords"] = listOf(stopped_words);
    out["CommandTimeoutInSeconds"] = command_timeout;
    out["PollSeconds"] = poll;
  }
  if (driver == kQemu) {
    out["Argv"] = listOf(argv);
    if (!guest_agent.empty()) out["GuestAgent"] = guest_agent;
  }
  if (driver == kExec || driver == kQemu) {
    if (stop_timeout != 0) out["StopTimeoutInSeconds"] = stop_timeout;
    out["StartTimeoutInSeconds"] = start_timeout;
  }
  return out;
}

Result<PowerDescription> parsePower(std::string_view driver, const json::Object& members) {
  if (std::ranges::find(kAddedDrivers, driver) == kAddedDrivers.end())
    return bad(fmt::format("there is no power driver '{}' for an added machine; there are exec, qemu and none", driver));
  PowerDescription power;
  power.driver = driver;
  json::Reader reader(members, "Power");
  if (driver == kExec) {
    power.start = reader.textsIf("Start");
    power.stop = reader.textsIf("Stop");
    power.status = reader.textsIf("Status");
    power.force_stop = reader.textsIf("ForceStop");
    power.running_words = reader.textsIf("RunningWords");
    power.stopped_words = reader.textsIf("StoppedWords");
    power.command_timeout = reader.integerIf("CommandTimeoutInSeconds").value_or(power.command_timeout);
    power.poll = reader.integerIf("PollSeconds").value_or(power.poll);
    if (power.running_words.empty()) power.running_words = kRunningWords;
    if (power.stopped_words.empty()) power.stopped_words = kStoppedWords;
  } else if (driver == kQemu) {
    power.argv = reader.textsIf("Argv");
    power.guest_agent = reader.textIf("GuestAgent").value_or("");
  }
  if (driver != kNoPower) {
    power.stop_timeout = reader.integerIf("StopTimeoutInSeconds").value_or(0);
    power.start_timeout = reader.integerIf("StartTimeoutInSeconds").value_or(power.start_timeout);
  }
  if (auto read = reader.finish(true); !read) return bad(read.error().message);
  if (driver == kExec) SP_CHECK_OK(checkExec(power));
  if (driver == kQemu) SP_CHECK_OK(checkQemu(power));
  SP_CHECK_OK(checkRange("StopTimeoutInSeconds", power.stop_timeout, 0, 86'400));
  SP_CHECK_OK(checkRange("StartTimeoutInSeconds", power.start_timeout, 1, 86'400));
  return power;
}

Seen readStatus(const PowerDescription& power, std::string_view output) {
  std::string last;
  for (const auto line : split(output, '\n'))
    if (const auto text = trim(line); !text.empty()) last = toLower(text);
  if (last.empty()) return Seen::neither;
  const bool stopped = saysOneOf(last, power.stopped_words);
  const bool running = saysOneOf(last, power.running_words);
  // "not running" ends with a word of both kinds only if somebody chose them so: then nothing is claimed.
  if (stopped == running) return Seen::neither;
  return stopped ? Seen::stopped : Seen::running;
}

}  // namespace sp
