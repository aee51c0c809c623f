#include "agent/facts.h"

#include <unistd.h>

#include <array>

#include "agentwire/messages.h"
#include "base/hash.h"
#include "base/strings.h"
#include "os/file.h"
#include "os/process.h"

namespace sp::agent {
namespace {

constexpr std::uint64_t kFileMost = 64 * 1024;

std::string hostName() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::string idIn(const std::string& file) {
  const auto text = os::readFile(file, kFileMost);
  if (!text) return {};
  // The device tree's texts end with a NUL.
  std::string id(trim(*text));
  while (!id.empty() && id.back() == '\0') id.pop_back();
  return toLower(id);
}

std::string unquoted(std::string_view value) {
  if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front())
    value = value.substr(1, value.size() - 2);
  std::string text;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '\\' && i + 1 < value.size()) ++i;
    text += value[i];
  }
  return text;
}

Platform platform() {
  for (const auto* file : {"/etc/os-release", "/usr/lib/os-release"})
    if (const auto text = os::readFile(file, kFileMost)) return readOsRelease(*text);
  return {"Linux", ""};
}

}  // namespace

Result<std::string> machineHash(const std::string& file) {
  std::string id;
  if (!file.empty()) {
    if (const auto text = os::readFile(file, kFileMost); !text)
      return fail("agent.machine_id", "cannot read what --machine-id-file names: " + text.error().text());
    id = idIn(file);
    if (id.empty()) return fail("agent.machine_id", file + " (--machine-id-file) is empty: it must hold a name of this hardware");
  } else {
    for (const auto* each : kMachineIdFiles)
      if (id = idIn(each); !id.empty()) break;
  }
  return id.empty() ? std::string() : sha256Hex("stillpoint machine " + id);
}

Platform readOsRelease(const std::string& text) {
  Platform found{"Linux", ""};
  for (const auto line : split(text, '\n')) {
    const auto at = line.find('=');
    if (at == std::string_view::npos) continue;
    const auto key = trim(line.substr(0, at));
    if (key == "NAME") found.name = unquoted(trim(line.substr(at + 1)));
    if (key == "VERSION_ID") found.version = unquoted(trim(line.substr(at + 1)));
  }
  return found;
}

json::Object machineFacts(const std::string& machine_hash) {
  const auto here = platform();
  return {{"platformType", "Linux"},         {"platformName", here.name},
          {"platformVersion", here.version}, {"hostname", hostName()},
          {"bootId", os::bootId()},          {"initStart", os::processStartTime(1)},
          {"machine", machine_hash},         {"agentVersion", agentwire::kAgentVersion}};
}

}  // namespace sp::agent
