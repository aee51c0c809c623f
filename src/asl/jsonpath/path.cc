#include "asl/jsonpath/path.h"

#include <fmt/format.h>

#include "asl/jsonpath/filter.h"
#include "asl/jsonpath/pattern.h"
#include "base/strings.h"
#include "json/big_integer.h"

namespace sp::asl {
namespace {

constexpr std::size_t kMaxSteps = 256;
// "$..*..*..*" over a large document would grow without end.
// Where nobody counts, this much all the same.
constexpr std::int64_t kMostWork = 10'000'000;

std::unexpected<Error> badPath(std::string_view text, std::string_view why) {
  return fail("asl.path", fmt::format("'{}' is not a valid JSONPath: {}", cutText(text, 256), why));
}

/// Reads the steps after "$".
class PathReader {
 public:
  PathReader(std::string_view whole, std::string_view rest, std::size_t depth) : whole_(whole), rest_(rest), depth_(depth) {}

  Result<std::vector<PathStep>> steps() {
    std::vector<PathStep> found;
    while (!rest_.empty()) {
      if (found.size() == kMaxSteps) return badPath(whole_, "it has more than 256 steps");
      SP_TRY(auto step, next());
      found.push_back(std::move(step));
    }
    return found;
  }

 private:
  Result<PathStep> next() {
    PathStep step;
    if (rest_.starts_with("..")) {
      step.deep = true;
      rest_.remove_prefix(2);
    } else if (rest_.starts_with(".")) {
      rest_.remove_prefix(1);
    } else if (!rest_.starts_with("[")) {
      return badPath(whole_, fmt::format("'.' or '[' is expected before '{}'", rest_.substr(0, 16)));
    }
    if (rest_.starts_with("[")) {
      SP_CHECK_OK(bracket(step));
    } else if (rest_.starts_with("*")) {
      step.kind = PathStep::Kind::wildcard;
      rest_.remove_prefix(1);
    } else {
      const auto end = std::min(rest_.find_first_of(".[]()'\", \t\r\n"), rest_.size());
      if (end == 0) return badPath(whole_, "a name is missing");
      step.names.emplace_back(rest_.substr(0, end));
      rest_.remove_prefix(end);
    }
    return step;
  }

  Result<void> bracket(PathStep& step) {
    rest_.remove_prefix(1);
    skipBlanks();
    if (rest_.starts_with("?")) return filter(step);
    if (rest_.starts_with("*")) {
      step.kind = PathStep::Kind::wildcard;
      rest_.remove_prefix(1);
      return close();
    }
    if (rest_.starts_with("'") || rest_.starts_with("\"")) return names(step);
    return numbers(step);
  }

  Result<void> close() {
    skipBlanks();
    if (!rest_.starts_with("]")) return badPath(whole_, "']' is missing");
    rest_.remove_prefix(1);
    return {};
  }

  Result<void> names(PathStep& step) {
    while (true) {
      skipBlanks();
      SP_TRY(auto name, quoted());
      step.names.push_back(std::move(name));
      skipBlanks();
      if (!rest_.starts_with(",")) return close();
      rest_.remove_prefix(1);
    }
  }

  Result<std::string> quoted() {
    if (rest_.empty() || (rest_.front() != '\'' && rest_.front() != '"')) return badPath(whole_, "a quoted name is expected");
    const char quote = rest_.front();
    std::string name;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == quote) {
        rest_.remove_prefix(i + 1);
        return name;
      }
      if (rest_[i] == '\\' && i + 1 < rest_.size()) ++i;
      name += rest_[i];
    }
    return badPath(whole_, "a quote is not closed");
  }

  Result<void> filter(PathStep& step) {
    rest_.remove_prefix(1);
    skipBlanks();
    if (!rest_.starts_with("(")) return badPath(whole_, "'(' must follow '?'");
    std::size_t depth = 0;
    char quote = 0;
    for (std::size_t i = 0; i < rest_.size(); ++i) {
      const char c = rest_[i];
      if (quote != 0) {
        if (c == '\\') ++i;
        else if (c == quote) quote = 0;
      } else if (c == '\'' || c == '"' || (c == '/' && Path::beginsPattern(rest_.substr(0, i)))) {
        quote = c;
      } else if (c == '(') {
        ++depth;
      } else if (c == ')' && --depth == 0) {
        SP_TRY(step.filter, parseFilter(rest_.substr(1, i - 1), depth_));
        step.kind = PathStep::Kind::filter;
        rest_.remove_prefix(i + 1);
        return close();
      }
    }
    return badPath(whole_, "a filter is not closed");
  }

  Result<void> numbers(PathStep& step) {
    const auto end = rest_.find(']');
    if (end == std::string_view::npos) return badPath(whole_, "']' is missing");
    const auto inside = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    if (inside.find(':') != std::string_view::npos) return slice(step, inside);
    step.kind = PathStep::Kind::indices;
    for (const auto part : split(inside, ',')) {
      const auto number = parseInt(trim(part));
      if (!number) return badPath(whole_, fmt::format("'{}' is not an index, a name in quotes, '*', a slice or a filter", trim(part)));
      step.indices.push_back(*number);
    }
    return {};
  }

  Result<void> slice(PathStep& step, std::string_view inside) {
    const auto parts = split(inside, ':');
    if (parts.size() > 3) return badPath(whole_, fmt::format("'{}' is not a slice", inside));
    step.kind = PathStep::Kind::slice;
    std::array<std::optional<std::int64_t>, 3> numbers;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (trim(parts[i]).empty()) continue;
      numbers[i] = parseInt(trim(parts[i]));
      if (!numbers[i]) return badPath(whole_, fmt::format("'{}' is not a slice", inside));
    }
    step.from = numbers[0];
    step.to = numbers[1];
    step.stride = numbers[2].value_or(1);
    if (step.stride <= 0) return badPath(whole_, "the stride of a slice must be positive");
    return {};
  }

  void skipBlanks() {
    while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
  }

  std::string_view whole_;
  std::string_view rest_;
  std::size_t depth_;
};

std::optional<std::size_t> placeOf(std::int64_t index, std::size_t size) {
  const auto length = static_cast<std::int64_t>(size);
  const auto at = index < 0 ? index + length : index;
  if (at < 0 || at >= length) return std::nullopt;
  return static_cast<std::size_t>(at);
}

using Found = std::vector<const json::Value*>;

/// What a path is evaluated over.
struct Walk {
  const json::Value& root;
  Work& work;
};

void choose(const PathStep& step, const json::Value& value, const Walk& walk, Found& found) {
  switch (step.kind) {
    case PathStep::Kind::names:
      if (!value.is_object()) return;
      for (const auto& name : step.names)
        if (const auto* member = json::find(value.get_object(), name)) found.push_back(member);
      return;
    case PathStep::Kind::indices:
      if (!value.is_array()) return;
      for (const auto index : step.indices)
        if (const auto at = placeOf(index, value.get_array().size())) found.push_back(&value.get_array()[*at]);
      return;
    case PathStep::Kind::slice: {
      if (!value.is_array()) return;
      const auto size = static_cast<std::int64_t>(value.get_array().size());
      const auto clamp = [size](std::int64_t n) { return std::clamp<std::int64_t>(n < 0 ? n + size : n, 0, size); };
      const auto to = clamp(step.to.value_or(size));
      for (auto i = clamp(step.from.value_or(0)); i < to; i += std::min(step.stride, size))
        found.push_back(&value.get_array()[static_cast<std::size_t>(i)]);
      return;
    }
    case PathStep::Kind::wildcard:
      if (value.is_array())
        for (const auto& element : value.get_array()) found.push_back(&element);
      if (value.is_object())
        for (const auto& member : value.get_object()) found.push_back(&member.value());
      return;
    case PathStep::Kind::filter:
      if (value.is_array()) {
        for (const auto& element : value.get_array())
          if (!walk.work.exhausted() && matches(*step.filter, element, walk.root, walk.work)) found.push_back(&element);
      } else if (value.is_object() && matches(*step.filter, value, walk.root, walk.work)) {
        found.push_back(&value);
      }
      return;
  }
}

// A place looked at, and each that is found, count.
void select(const PathStep& step, const json::Value& value, const Walk& walk, Found& found) {
  if (!walk.work.spend(1)) return;
  const auto before = found.size();
  choose(step, value, walk, found);
  walk.work.spend(static_cast<std::int64_t>(found.size() - before));
}

// `element`: of an array, whose filter has judged it.
void descend(const PathStep& step, const json::Value& value, const Walk& walk, Found& found, bool element = false) {
  if (!element || step.kind != PathStep::Kind::filter || !value.is_object()) select(step, value, walk, found);
  if (walk.work.exhausted()) return;
  if (value.is_array())
    for (const auto& one : value.get_array()) descend(step, one, walk, found, true);
  if (value.is_object())
    for (const auto& member : value.get_object()) descend(step, member.value(), walk, found);
}

}  // namespace

Result<Path> Path::parse(std::string_view text, std::size_t depth) {
  const PatternBudget budget;
  Path path;
  path.text_ = text;
  if (!text.starts_with("$")) return badPath(text, "it must start with '$'");
  auto rest = text.substr(1);
  if (rest.starts_with("$")) {
    path.context_ = true;
    rest.remove_prefix(1);
  }
  SP_TRY(path.steps_, PathReader(text, rest, depth).steps());
  for (const auto& step : path.steps_) {
    const bool one = (step.kind == PathStep::Kind::names && step.names.size() == 1) ||
                     (step.kind == PathStep::Kind::indices && step.indices.size() == 1);
    if (step.deep || !one) path.definite_ = false;
    if (path.definite_) ++path.definite_steps_;
  }
  return path;
}

bool Path::beginsPattern(std::string_view before) { return trim(before).ends_with("=~"); }

std::string Path::canonical(std::size_t steps) const {
  std::string out = "$";
  for (std::size_t i = 0; i < steps && i < steps_.size(); ++i) {
    const auto& step = steps_[i];
    if (step.kind == PathStep::Kind::names) out += "['" + join(step.names, "', '") + "']";
    else if (step.kind == PathStep::Kind::indices) out += fmt::format("[{}]", fmt::join(step.indices, ","));
    else out += "[*]";
  }
  return out;
}

const json::Value* Path::find(const json::Value& root, std::string* why) const { return follow(root, steps_.size(), why); }

const json::Value* Path::follow(const json::Value& root, std::size_t count, std::string* why) const {
  const auto* value = &root;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& step = steps_[i];
    const bool last = i + 1 == steps_.size();
    const json::Value* next = nullptr;
    if (step.kind == PathStep::Kind::names) {
      if (value->is_object()) next = json::find(value->get_object(), step.names.front());
      if (next == nullptr && why != nullptr)
        *why = last && value->is_object() ? "No results for path: " + canonical(i + 1) : "Missing property in path " + canonical(i + 1);
    } else {
      if (value->is_array())
        if (const auto at = placeOf(step.indices.front(), value->get_array().size())) next = &value->get_array()[*at];
      if (next == nullptr && why != nullptr) *why = "No results for path: " + canonical(steps_.size());
    }
    if (next == nullptr) return nullptr;
    value = next;
  }
  return value;
}

std::string Path::tooMuch(std::int64_t most) const {
  return fmt::format("the path '{}' looks at more than the {} places that one state may look at", text_, most);
}

std::expected<json::Value, std::string> Path::read(const json::Value& root, Work* given) const {
  Work own(kMostWork);
  auto& work = given == nullptr ? own : *given;
  if (definite_) {
    std::string why;
    const auto* value = find(root, &why);
    if (value == nullptr) return std::unexpected(why);
    if (given != nullptr && !work.spendCopy(*value)) return std::unexpected(tooMuch(work.most()));
    return *value;
  }
  if (merges()) return readMerged(root, work);
  const auto found = walk(root, steps_.size(), work);
  if (!found) return std::unexpected(found.error());
  json::Array all;
  all.reserve(found->size());
  for (const auto* value : *found) {
    if (given != nullptr && !work.spendCopy(*value)) return std::unexpected(tooMuch(work.most()));
    all.push_back(*value);
  }
  return json::Value(std::move(all));
}

std::expected<Found, std::string> Path::walk(const json::Value& root, std::size_t count, Work& work) const {
  const Walk walk{root, work};
  Found found{&root};
  for (std::size_t i = 0; i < count; ++i) {
    Found next;
    for (const auto* value : found) {
      if (steps_[i].deep) descend(steps_[i], *value, walk, next);
      else select(steps_[i], *value, walk, next);
      if (work.exhausted()) return std::unexpected(tooMuch(work.most()));
    }
    found = std::move(next);
  }
  return found;
}

std::expected<json::Value, std::string> Path::readMerged(const json::Value& root, Work& work) const {
  const auto before = steps_.size() - 1;
  const auto merged = [&](const json::Object& from) -> std::expected<json::Value, std::string> {
    json::Object made;
    for (const auto& name : steps_.back().names) {
      const auto* member = json::find(from, name);
      if (member == nullptr) continue;
      if (!work.spendCopy(*member)) return std::unexpected(tooMuch(work.most()));
      made[name] = *member;
    }
    return json::Value(std::move(made));
  };
  if (definite_steps_ == before) {
    std::string why;
    const auto* from = follow(root, before, &why);
    if (from == nullptr) return std::unexpected(why);
    if (!from->is_object()) return std::unexpected("Missing property in path " + canonical(steps_.size()));
    return merged(from->get_object());
  }
  const auto found = walk(root, before, work);
  if (!found) return std::unexpected(found.error());
  json::Array all;
  for (const auto* from : *found) {
    if (!from->is_object()) continue;
    auto made = merged(from->get_object());
    if (!made) return made;
    all.push_back(std::move(*made));
  }
  return json::Value(std::move(all));
}

bool Path::write(json::Value& root, json::Value value) const {
  auto* place = &root;
  for (const auto& step : steps_) {
    if (step.kind == PathStep::Kind::names) {
      if (place->is_null() && place != &root) place->emplace_object();
      if (!place->is_object()) return false;
      place = &place->get_object()[step.names.front()];
    } else {
      if (!place->is_array()) return false;
      const auto at = placeOf(step.indices.front(), place->get_array().size());
      if (!at) return false;
      place = &place->get_array()[*at];
    }
  }
  *place = std::move(value);
  return true;
}

bool sameValue(const json::Value& a, const json::Value& b) {
  if (json::isNumber(a) && json::isNumber(b)) return json::compareNumbers(a, b) == 0;
  if (a.is_array() && b.is_array()) return std::ranges::equal(a.get_array(), b.get_array(), sameValue);
  if (a.is_object() && b.is_object()) {
    if (a.get_object().size() != b.get_object().size()) return false;
    return std::ranges::all_of(a.get_object(), [&b](const auto& member) {
      const auto* other = b.get_object().if_contains(member.key());
      return other != nullptr && sameValue(member.value(), *other);
    });
  }
  return a == b;
}

}  // namespace sp::asl
