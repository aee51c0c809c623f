// Which members the inputs of operations have, and the structures in them, as Step Functions spells them. A member that is misspelt must
// not be left out in silence: `filters` instead of `Filters` would describe, and stop, every machine.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace sp::tasks {

/// The structure that is the input of an operation. `service`: its signing name.
std::string inputOf(std::string_view service, std::string_view operation);
/// Whether a structure has a member: nullopt if not, else the structure that this is or lists, empty if it is none. Structures that are
/// not known have all members.
std::optional<std::string> memberOf(std::string_view structure, std::string_view member);

}  // namespace sp::tasks
