// Events in a line each, for people. Pure but for the local time zone.
#pragma once
#include <string>

#include "json/json.h"

namespace sp::cli {

/// "instance/i-0a1b" of arn:aws:ec2:us-east-1:000000000000:instance/i-0a1b; what is no ARN as it is.
std::string shortResource(std::string_view arn);

/// At most 200 bytes without control characters: a line stays one, and does nothing to a terminal, whatever stands in an event.
std::string oneLine(std::string text);

/// What an event of EventBridge tells: what it is about, its status, and why, where it says so: "execution:PrePostBackup:n1 FAILED: E:
/// why".
std::string eventWords(const json::Object& event);

}  // namespace sp::cli
