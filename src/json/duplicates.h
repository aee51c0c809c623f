// Members given twice in one object: parsing keeps the last and says nothing.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sp::json {

/// A member whose object has one of this name already.
struct Duplicate {
  /// Names of members from the document's root to it, places in arrays as "[0]".
  std::vector<std::string> steps;
};
/// Whether one at these steps is asked for; every place in an array is "[]" here.
using WantedDuplicate = std::function<bool(std::span<const std::string_view> steps)>;
/// The first `most` of those that are asked for, in the order of the text, fewer if their steps are very long; nothing of what is no JSON
/// or nested deeper than parse() reads.
std::vector<Duplicate> findDuplicates(std::string_view text, std::size_t most, const WantedDuplicate& wanted = nullptr);

}  // namespace sp::json
