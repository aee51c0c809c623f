// Filter expressions of JSONPath: [?(@.a == 'x' && !(@.b) || @.c =~ /x.*/)].
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "asl/jsonpath/path.h"
#include "asl/jsonpath/pattern.h"

namespace sp::asl {

/// A side of a comparison: a literal, or a path from the element ("@") or the document ("$").
struct FilterOperand {
  bool literal = true;
  bool from_element = false;
  json::Value value;
  Path path;
};

struct FilterNode {
  enum class Kind { all, any, no, exists, compare };
  enum class Compare { eq, ne, lt, le, gt, ge, in, nin, subset_of, any_of, none_of, contains, size, empty, matches };
  Kind kind = Kind::exists;
  Compare compare = Compare::eq;
  std::vector<std::shared_ptr<const FilterNode>> parts;
  FilterOperand left, right;
  /// The right side of "=~".
  std::shared_ptr<const Pattern> pattern;
};

/// The expression between "?(" and its ")". `depth`: how deep it stands in other filters. Error code "asl.path".
Result<std::shared_ptr<const FilterNode>> parseFilter(std::string_view text, std::size_t depth);
/// False once `work` is used up.
bool matches(const FilterNode& node, const json::Value& element, const json::Value& root, Work& work);

}  // namespace sp::asl
