#include "daemon/secrets_key.h"

#include <unistd.h>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/strings.h"
#include "os/file.h"

namespace sp::daemon {

Result<SecretBox> openSecrets(const std::string& data_dir, Random& random) {
  constexpr std::size_t kFileMax = 4096;
  constexpr std::size_t kDigits = 2 * SecretBox::kKeyBytes;
  const auto path = data_dir + "/secrets.key";
  if (::access(path.c_str(), F_OK) != 0) SP_CHECK_OK(os::writeFileDurably(path, random.hex(kDigits) + "\n", 0600));
  SP_TRY(const auto text, os::readFile(path, kFileMax));
  auto key = fromHex(trim(text));
  if (!key || key->size() != SecretBox::kKeyBytes)
    return fail("secrets.key",
                fmt::format("{} holds no key of {} hex digits: restore the file. Without it the SecureStrings of Parameter Store are lost; "
                            "remove it to go on without them",
                            path, kDigits));
  return SecretBox(std::move(*key));
}

}  // namespace sp::daemon
