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
};
/// States of one name in one scope, the first 1,000. Nothing of what is no JSON.
std::vector<Repeated> repeatedStates(std::string_view definition);
/// All other members, of which the last counts: the first 1,000.
std::vector<Repeated> repeatedMembers(std::string_view definition);

}  // namespace sp::asl
