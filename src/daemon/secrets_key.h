// DIR/secrets.key: what secrets in the store are sealed with. In a file of its own, so that a copy of the store alone tells none.
#pragma once
#include <string>

#include "base/random.h"
#include "base/secret_box.h"

namespace sp::daemon {

/// The box with the installation's key, which is made durably, mode 0600, where there is none. Errors "secrets.key" (not a key), "os.…".
Result<SecretBox> openSecrets(const std::string& data_dir, Random& random);

}  // namespace sp::daemon
