// Members that a definition gives twice in one object.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace sp::asl {

struct Repeated {
  std::string name;
  /// "/States/A/Branches[0]/States/B/Next".
  std::string location;
  /// Two states of one name in one scope; otherwise a member of which the last counts.
  bool state = false;
};
/// The first 20. Nothing of what is no JSON.
std::vector<Repeated> repeatedMembers(std::string_view definition);

}  // namespace sp::asl
