// Text of others on a terminal or in one line of a log.
#pragma once
#include <string>

namespace sp {

/// UTF-8 with a blank for each control character (C0, DEL, C1): it stays one line and does nothing to a terminal.
std::string printable(std::string text);

}  // namespace sp
