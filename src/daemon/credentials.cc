#include "daemon/credentials.h"

#include <unistd.h>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/strings.h"
#include "os/file.h"

namespace sp::daemon {
namespace {

// AWS's own alphabet for access key ids: base32 without 0, 1, 8, 9.
std::string newAccessKeyId(Random& random) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string id = "AKIA";
  while (id.size() < 20) id += kAlphabet[random.below(kAlphabet.size())];
  return id;
}

std::string newSecret(Random& random) {
  std::string bytes(30, '\0');
  random.fill(std::span(reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()));
  return toBase64(bytes);
}

Result<RootKey> parse(const std::string& file, const std::string& text) {
  RootKey key;
  for (const auto line : split(text, '\n')) {
    const auto at = line.find('=');
    if (at == std::string_view::npos) continue;
    const auto name = trim(line.substr(0, at));
    const auto value = std::string(trim(line.substr(at + 1)));
    if (name == "aws_access_key_id") key.access_key_id = value;
    if (name == "aws_secret_access_key") key.secret_access_key = value;
  }
  if (key.access_key_id.empty() || key.secret_access_key.empty())
    return fail("credentials.format",
                file + " has no aws_access_key_id and aws_secret_access_key: restore the file, or remove it to get a new root key");
  return key;
}

}  // namespace

Result<RootKey> loadOrMakeRootKey(const std::string& data_dir, const char* env_id, const char* env_secret, Random& random) {
  const auto file = data_dir + "/credentials";
  RootKey key;
  const bool id_given = env_id != nullptr && *env_id != '\0';
  const bool secret_given = env_secret != nullptr && *env_secret != '\0';
  if (id_given != secret_given)
    return fail("credentials.environment", "STILLPOINT_ROOT_ACCESS_KEY_ID and STILLPOINT_ROOT_SECRET_ACCESS_KEY must be given together");
  if (id_given) {
    key = {env_id, env_secret};
    if (key.access_key_id.size() < 16 || key.secret_access_key.size() < 16)
      return fail("credentials.environment", "the root key of the environment is too short: both values need at least 16 characters");
  } else if (::access(file.c_str(), F_OK) == 0) {
    SP_TRY(const auto text, os::readFile(file, 65536));
    return parse(file, text);
  } else {
    key = {newAccessKeyId(random), newSecret(random)};
  }
  SP_CHECK_OK(os::writeFileDurably(
      file, fmt::format("[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n", key.access_key_id, key.secret_access_key),
      0600));
  return key;
}

}  // namespace sp::daemon
