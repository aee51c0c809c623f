// Which members the inputs of operations have, as Step Functions spells them. A member that is misspelt must not be left out in silence:
// `filters` instead of `Filters` would describe, and stop, every machine.
#pragma once
#include <string>
#include <string_view>

namespace sp::tasks {

/// Whether that operation's input has a member of that name. `service`: its signing name. True for operations that are not known.
bool takesMember(std::string_view service, std::string_view operation, std::string_view member);

}  // namespace sp::tasks
