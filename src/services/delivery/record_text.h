// The records of events and deliveries as JSON.
#pragma once
#include <string_view>

#include "json/json.h"

namespace sp::services::delivery {

/// One of our records, which may hold an event's detail; empty if it cannot be read.
json::Object decode(std::string_view body);

}  // namespace sp::services::delivery
