#include "schedule/rule_index.h"

#include <algorithm>
#include <map>

namespace sp::schedule {
namespace {

// Calls `visit` with each text that a pattern could find at the path: elements of arrays count, as for patterns.
template <class Visit>
void eachText(const json::Value& value, std::span<const std::string> path, const Visit& visit) {
  if (value.is_array()) {
    for (const auto& one : value.get_array()) eachText(one, path, visit);
  } else if (path.empty()) {
    if (value.is_string()) visit(json::toView(value.get_string()));
  } else if (value.is_object()) {
    if (const auto* member = json::find(value.get_object(), path[0])) eachText(*member, path.subspan(1), visit);
  }
}

}  // namespace

RuleIndex::RuleIndex(std::span<const Pattern* const> patterns) {
  using Path = std::vector<std::string>;
  std::vector<std::vector<ExactField>> wanted;
  std::map<std::pair<Path, std::string>, std::size_t> asked;
  for (const auto* pattern : patterns) {
    wanted.push_back(pattern->exactFields());
    for (const auto& field : wanted.back())
      for (const auto& text : field.texts) ++asked[{field.path, text}];
  }
  std::map<Path, std::size_t> places;
  for (std::size_t position = 0; position < wanted.size(); ++position) {
    const ExactField* best = nullptr;
    std::size_t best_crowd = 0;
    for (const auto& field : wanted[position]) {
      std::size_t crowd = 0;
      for (const auto& text : field.texts) crowd = std::max(crowd, asked[{field.path, text}]);
      if (best == nullptr || crowd < best_crowd) {
        best = &field;
        best_crowd = crowd;
      }
    }
    if (best == nullptr) {
      rest_.push_back(position);
      continue;
    }
    const auto [place, fresh] = places.emplace(best->path, fields_.size());
    if (fresh) fields_.push_back({best->path, {}});
    for (const auto& text : best->texts) {
      auto& of_text = fields_[place->second].by_text[text];
      if (of_text.empty() || of_text.back() != position) of_text.push_back(position);
    }
  }
}

std::vector<std::size_t> RuleIndex::candidates(const json::Object& event) const {
  auto out = rest_;
  for (const auto& field : fields_) {
    const auto* first = json::find(event, field.path[0]);
    if (first == nullptr) continue;
    eachText(*first, std::span(field.path).subspan(1), [&](std::string_view text) {
      const auto found = field.by_text.find(text);
      if (found != field.by_text.end()) out.insert(out.end(), found->second.begin(), found->second.end());
    });
  }
  std::ranges::sort(out);
  const auto [from, to] = std::ranges::unique(out);
  out.erase(from, to);
  return out;
}

}  // namespace sp::schedule
