// DescribeServer's answer as lines for a person.
#pragma once
#include <string>
#include <vector>

#include "cli/views/terminal.h"
#include "json/json.h"

namespace sp::cli {

/// A headline, then a line for each thing with its name in front, then what is wrong now, each behind a "!".
std::vector<std::string> statusLines(const json::Object& server, const Terminal& terminal);

}  // namespace sp::cli
