#include "agent/scripts/script_environment.h"

#include <unistd.h>

#include <map>

#include <fmt/format.h>

#include "base/strings.h"
#include "os/file.h"

namespace sp::agent {
namespace {

constexpr std::size_t kReleaseMax = 65536;

/// "NAME", "VERSION_ID" of os-release.
std::map<std::string, std::string> osRelease() {
  std::map<std::string, std::string> out;
  const auto text = os::readFile("/etc/os-release", kReleaseMax);
  if (!text) return out;
  for (const auto line : split(*text, '\n')) {
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    auto value = trim(line.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"') value = value.substr(1, value.size() - 2);
    out.emplace(line.substr(0, equals), value);
  }
  return out;
}

}  // namespace

std::vector<std::string> scriptEnvironment(const json::Object& command, const std::string& agent, const std::string& cwd) {
  std::map<std::string, std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (const auto equals = text.find('='); equals != std::string_view::npos)
      environment.insert_or_assign(std::string(text.substr(0, equals)), text.substr(equals + 1));
  }
  auto release = osRelease();
  environment["AWS_SSM_INSTANCE_ID"] = json::textOr(command, "instance", agent);
  environment["SSM_COMMAND_ID"] = json::textOr(command, "commandId");
  environment["AWS_SSM_PLATFORM_NAME"] = release["NAME"];
  environment["AWS_SSM_PLATFORM_VERSION"] = release["VERSION_ID"];
  if (const auto* given = json::find(command, "environment"); given && given->is_object())
    for (const auto& [name, value] : given->get_object())
      if (value.is_string()) environment.insert_or_assign(std::string(name), json::toStd(value.get_string()));
  auto& path = environment["PATH"];
  if (path.empty()) path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  path += ":" + cwd;
  std::vector<std::string> out;
  for (const auto& [name, value] : environment) out.push_back(fmt::format("{}={}", name, value));
  return out;
}

}  // namespace sp::agent
