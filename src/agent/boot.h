// Which boot of its machine this process runs in.
#pragma once
#include "json/json.h"

namespace sp::agent {

/// {bootId, initStart}: machines that share a kernel share its boot id; the first process is each one's own.
json::Object thisBoot();
/// Whether the machine has not been down since `noted` was made of thisBoot(); its other members do not count.
bool isThisBoot(const json::Object& noted);

}  // namespace sp::agent
