// Which of many patterns may want an event, without asking them all. Pure.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "json/json.h"
#include "schedule/pattern.h"

namespace sp::schedule {

/// Each pattern that asks some field to be one of given texts is found by such a text: of its fields by the one whose texts the fewest
/// others ask for. The others are asked of every event.
class RuleIndex {
 public:
  RuleIndex() = default;
  /// Positions are those in `patterns`; nothing of them is kept.
  explicit RuleIndex(std::span<const Pattern* const> patterns);

  /// Positions, ascending, among which all are whose pattern matches the event.
  std::vector<std::size_t> candidates(const json::Object& event) const;

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Field {
    std::vector<std::string> path;
    std::unordered_map<std::string, std::vector<std::size_t>, TextHash, std::equal_to<>> by_text;
  };

  std::vector<Field> fields_;
  std::vector<std::size_t> rest_;
};

}  // namespace sp::schedule
