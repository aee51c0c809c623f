// JSONPath as Step Functions reads it: compiled once when a definition is created, evaluated without copying what it
// walks over. "$" starts at the state's input, "$$" at the context object.
// https://docs.aws.amazon.com/step-functions/latest/dg/amazon-states-language-paths.html
#pragma once
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "asl/work.h"
#include "base/result.h"
#include "json/json.h"

namespace sp::asl {

struct FilterNode;

/// One step of a path.
struct PathStep {
  enum class Kind { names, indices, slice, wildcard, filter };
  Kind kind = Kind::names;
  /// ".." before it: applies to every descendant.
  bool deep = false;
  std::vector<std::string> names;
  std::vector<std::int64_t> indices;
  std::optional<std::int64_t> from, to;
  std::int64_t stride = 1;
  std::shared_ptr<const FilterNode> filter;
};

class Path {
 public:
  /// "$", "$.a.b", "$['a'][0]", "$.a[*]", "$.a[1:3]", "$..b", "$.a[?(@.b > 1)]", "$$.Execution.Id". Error code "asl.path".
  static Result<Path> parse(std::string_view text) { return parse(text, 0); }
  /// Of a path that stands inside filters, `depth` deep.
  static Result<Path> parse(std::string_view text, std::size_t depth);

  /// Whether a '/' after this part of a path begins a regular expression, where quotes and brackets mean nothing.
  static bool beginsPattern(std::string_view before);

  const std::string& text() const { return text_; }
  /// Starts at the context object ("$$").
  bool context() const { return context_; }
  /// "$" or "$$" alone.
  bool whole() const { return steps_.empty(); }
  /// Names at most one place. Otherwise the result is an array, but for several members of one object ("$.a['b','c']"), which
  /// make an object of their own.
  bool definite() const { return definite_; }
  /// Only names and single indices: may be written to (ResultPath).
  bool reference() const { return definite_; }
  const std::vector<PathStep>& steps() const { return steps_; }

  /// Of a definite path: the place in `root`, or nullptr. With `why`: what Step Functions says of the missing place
  /// ("No results for path: $['a']").
  const json::Value* find(const json::Value& root, std::string* why = nullptr) const;
  /// Any path: a copy of what it names; an array if it is not definite. The error is the text of `why` above.
  /// With `work`: once that is used up, an error that says so.
  std::expected<json::Value, std::string> read(const json::Value& root, Work* work = nullptr) const;
  /// The error of a path that used up `most`.
  std::string tooMuch(std::int64_t most) const;

  /// Writes `value` at this reference path of `root`, making objects on the way. False if something there is no object
  /// or the array has no such element.
  bool write(json::Value& root, json::Value value) const;

  /// "$['a'][0]": the form in error messages, of the first `steps` steps.
  std::string canonical(std::size_t steps) const;

 private:
  /// The last step names several members: they are put together.
  bool merges() const { return !steps_.empty() && !steps_.back().deep && steps_.back().names.size() > 1; }
  /// Of the first `count` steps, which name one place.
  const json::Value* follow(const json::Value& root, std::size_t count, std::string* why) const;
  /// Of the first `count` steps. The error says that `work` is used up.
  std::expected<std::vector<const json::Value*>, std::string> walk(const json::Value& root, std::size_t count, Work& work) const;
  std::expected<json::Value, std::string> readMerged(const json::Value& root, Work& work) const;

  std::string text_;
  bool context_ = false;
  bool definite_ = true;
  /// How many steps from the start name one place.
  std::size_t definite_steps_ = 0;
  std::vector<PathStep> steps_;
};

/// Whether two JSON values are equal, numbers by value (1 equals 1.0).
bool sameValue(const json::Value& a, const json::Value& b);

}  // namespace sp::asl
