#include "asl/repeated.h"

#include <span>

#include "json/duplicates.h"

namespace sp::asl {
namespace {

// Whether `steps` lead to a state of a scope rather than into data that has a member "States": States, NAME, and between a
// state and the scope within it Branches and a place, or ItemProcessor or Iterator.
bool leadsToState(std::span<const std::string_view> steps) {
  while (steps.size() >= 2 && steps[0] == "States") {
    steps = steps.subspan(2);
    if (steps.empty()) return true;
    if (steps[0] == "ItemProcessor" || steps[0] == "Iterator") steps = steps.subspan(1);
    else if (steps[0] == "Branches" && steps.size() >= 2) steps = steps.subspan(2);
    else return false;
  }
  return false;
}

// More than are told, of those of one call.
constexpr std::size_t kMost = 1000;

std::vector<Repeated> repeated(std::string_view definition, bool states) {
  const auto wanted = [states](std::span<const std::string_view> steps) { return leadsToState(steps) == states; };
  std::vector<Repeated> all;
  for (const auto& [steps] : json::findDuplicates(definition, kMost, wanted)) {
    Repeated made{steps.back(), ""};
    for (const auto& step : steps) made.location += step.starts_with('[') ? step : "/" + step;
    all.push_back(std::move(made));
  }
  return all;
}

}  // namespace

std::vector<Repeated> repeatedStates(std::string_view definition) { return repeated(definition, true); }
std::vector<Repeated> repeatedMembers(std::string_view definition) { return repeated(definition, false); }

}  // namespace sp::asl
