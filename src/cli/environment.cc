#include "cli/environment.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "base/strings.h"
#include "json/json.h"
#include "os/file.h"
#include "os/user.h"

namespace sp::cli {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string ownerOf(const std::string& file) {
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) return "";
  const auto user = os::findUser(info.st_uid);
  return user ? user->name : std::to_string(info.st_uid);
}

Result<Target> fromDataDir(const std::string& dir) {
  Target target;
  // What `env` prints must hold wherever its shell goes next.
  std::error_code failed;
  target.data_dir = std::filesystem::absolute(dir, failed).lexically_normal();
  if (failed) target.data_dir = dir;
  if (target.data_dir.size() > 1 && target.data_dir.ends_with('/')) target.data_dir.pop_back();
  const auto endpoints_file = dir + "/endpoints.json";
  auto endpoints = os::readFile(endpoints_file, 65536);
  if (!endpoints)
    return std::unexpected(Error{
        "cli.not_running", fmt::format("no server runs on the data directory {} (stillpoint serve --data-dir {})", dir, dir), {}, nullptr}
                               .causedBy(endpoints.error()));
  SP_TRY(const auto parsed, withContext(json::parse(*endpoints), "read " + endpoints_file));
  if (!parsed.is_object()) return fail("cli.endpoints", endpoints_file + " is not a JSON object");
  target.api = json::textOr(parsed.get_object(), "api");
  target.region = json::textOr(parsed.get_object(), "region", "us-east-1");
  const auto pid = json::intOr(parsed.get_object(), "pid", 0);
  if (pid <= 0 || ::access(fmt::format("/proc/{}", pid).c_str(), F_OK) != 0)
    return fail("cli.not_running",
                fmt::format("the server of {} (pid {}) is gone: start it with stillpoint serve --data-dir {}", dir, pid, dir));
  const auto file = dir + "/credentials";
  const auto text = os::readFile(file, 65536);
  if (!text) {
    const auto owner = ownerOf(file);
    return fail("cli.credentials", fmt::format("cannot read the credentials {} (owner {}): try sudo -u {} stillpoint …", file,
                                               owner.empty() ? "unknown" : owner, owner.empty() ? "root" : owner));
  }
  for (const auto line : split(*text, '\n')) {
    const auto at = line.find('=');
    if (at == std::string_view::npos) continue;
    const auto name = trim(line.substr(0, at));
    if (name == "aws_access_key_id") target.access_key_id = trim(line.substr(at + 1));
    if (name == "aws_secret_access_key") target.secret_access_key = trim(line.substr(at + 1));
  }
  if (target.access_key_id.empty() || target.secret_access_key.empty()) return fail("cli.credentials", file + " holds no key");
  return target;
}

}  // namespace

std::string defaultDataDir() {
  if (::geteuid() == 0) return "/var/lib/stillpoint";
  const auto state = variable("XDG_STATE_HOME");
  if (!state.empty()) return state + "/stillpoint";
  return variable("HOME") + "/.local/state/stillpoint";
}

Result<Target> findTarget(const std::optional<std::string>& data_dir) {
  if (data_dir) return fromDataDir(*data_dir);
  const auto endpoint = variable("STILLPOINT_ENDPOINT");
  if (endpoint.empty()) return fromDataDir(defaultDataDir());
  // As `stillpoint env` sets it: the server of a data directory, which knows more than the address.
  if (const auto file = variable("AWS_SHARED_CREDENTIALS_FILE"); variable("AWS_ACCESS_KEY_ID").empty() && file.ends_with("/credentials"))
    return fromDataDir(file.substr(0, file.rfind('/')));
  Target target;
  target.api = endpoint;
  target.access_key_id = variable("AWS_ACCESS_KEY_ID");
  target.secret_access_key = variable("AWS_SECRET_ACCESS_KEY");
  if (const auto region = variable("AWS_REGION"); !region.empty()) target.region = region;
  if (target.access_key_id.empty() || target.secret_access_key.empty())
    return fail(
        "cli.credentials",
        "STILLPOINT_ENDPOINT is set: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set too (stillpoint env sets what is needed)");
  return target;
}

}  // namespace sp::cli
