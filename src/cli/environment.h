// Which server a verb talks to and with which key.
#pragma once
#include <optional>
#include <string>

#include "base/result.h"

namespace sp::cli {

struct Target {
  /// "http://127.0.0.1:4747"
  std::string api;
  std::string region = "us-east-1";
  std::string access_key_id;
  std::string secret_access_key;
  /// Set when the server was found by its data directory.
  std::string data_dir;
};

/// As root /var/lib/stillpoint, else $XDG_STATE_HOME/stillpoint (~/.local/state/stillpoint).
std::string defaultDataDir();

/// --data-dir if given; else STILLPOINT_ENDPOINT with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or with the
/// AWS_SHARED_CREDENTIALS_FILE of a data directory here (`stillpoint env`); else the default data directory. Errors say what to do: server
/// not running, credentials unreadable (file, owner, the sudo line).
Result<Target> findTarget(const std::optional<std::string>& data_dir);

}  // namespace sp::cli
