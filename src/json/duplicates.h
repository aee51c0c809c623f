// Members given twice in one object: parsing keeps the last and says nothing.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace sp::json {

/// A member whose object has one of this name already.
struct Duplicate {
  /// Names of members from the document's root to it, places in arrays as "[0]".
  std::vector<std::string> steps;
};
/// The first `most` of them, in the order of the text; nothing of what is no JSON or nested deeper than parse() reads.
std::vector<Duplicate> findDuplicates(std::string_view text, std::size_t most = 20);

}  // namespace sp::json
