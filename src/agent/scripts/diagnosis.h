// Why a script failed that nothing is wrong with but its bytes: what its shell says of it ("not found") names no reason. Pure but for
// the files it looks into.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace sp::agent {

/// A sentence about lines that end in CRLF, if the text's first lines do; else empty. `name`: how people know the script.
std::string lineEndHint(std::string_view text, std::string_view name);

/// The same for the first of these files that has them; the beginning of each is read.
std::string lineEndHintOf(const std::vector<std::string>& files);

}  // namespace sp::agent
