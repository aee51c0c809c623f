// Which Stillpoint this is: server, agent and verbs are one program.
#pragma once
#include <string_view>

namespace sp {

/// tools/package reads it too.
inline constexpr std::string_view kVersion = "0.1";

}  // namespace sp
