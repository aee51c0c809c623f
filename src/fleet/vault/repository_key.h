// The file in a restic repository's keys/ that holds its master key, sealed by the password.
// Format: https://restic.readthedocs.io/en/stable/100_references.html (Keys, Encryption and MAC).
#pragma once
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"

namespace sp::fleet {

/// Seals the master key of the repository at `path` anew under the same password, with a key derivation of a few
/// milliseconds. restic's own is calibrated to half a second for passwords that people think of, and paid for each time a
/// repository is opened; 32 random bytes in hex need none, and shorter passwords are refused. Only for a repository that
/// nobody uses yet and that has one key. Errors "vault.key" and of files; then the repository opens as before.
Result<void> quickenKey(const std::string& path, std::string_view password, Random& random);

/// The master key's JSON out of a key file's text. Error "vault.key": not such a file, or another password.
Result<std::string> openKey(std::string_view file, std::string_view password);

}  // namespace sp::fleet
