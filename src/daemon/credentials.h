// The root key of an installation: DIR/credentials in the AWS shared-credentials format, mode 0600.
#pragma once
#include <string>

#include "base/random.h"
#include "base/result.h"

namespace sp::daemon {

struct RootKey {
  std::string access_key_id;
  std::string secret_access_key;
};

/// The key given by the environment (both or neither, else "credentials.environment"), else the one in DIR/credentials, else
/// a new one. What is used is written to DIR/credentials durably.
Result<RootKey> loadOrMakeRootKey(const std::string& data_dir, const char* env_id, const char* env_secret, Random& random);

}  // namespace sp::daemon
