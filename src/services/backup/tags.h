// AWS's rules for the tags of vaults, plans and recovery points. Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "services/backup/records.h"

namespace sp::services::backup {

/// What is wrong with these tags, which stand in `member`; nullopt: nothing. At most 50; keys of 1 to 128 characters that do not begin
/// with "aws:", values of at most 256; letters, digits, blanks and _ . : / = + - @.
std::optional<std::string> badTags(std::string_view member, const TextMap& tags);

}  // namespace sp::services::backup
