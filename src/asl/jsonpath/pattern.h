// Regular expressions of filters ([?(@.name =~ /log-.*/i)]). RE2's: the time grows with the length of the text, so that no pattern can
// hold a step up; what would need more (back references, looking around) is refused.
// https://github.com/google/re2/wiki/Syntax
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>

#include "asl/work.h"
#include "base/result.h"

namespace re2 {
class RE2;
}

namespace sp::asl {

/// How many expressions are compiled, and how large their programs are, while it lives, on its thread: those of a whole definition
/// together. The outermost one counts.
class PatternBudget {
 public:
  PatternBudget();
  ~PatternBudget();
  PatternBudget(const PatternBudget&) = delete;
  PatternBudget& operator=(const PatternBudget&) = delete;

 private:
  friend class Pattern;
  static thread_local PatternBudget* current_;
  std::size_t patterns_ = 0;
  std::int64_t instructions_ = 0;
};

class Pattern {
 public:
  /// `flags`: "i" (letters in either case), "s" ('.' takes ends of lines too). Error code "asl.pattern"; "asl.patterns" when the budget is
  /// used up.
  static Result<Pattern> compile(std::string_view text, std::string_view flags);

  /// Whether it takes the whole text (UTF-8). False once `work` is used up.
  bool matches(std::string_view text, Work& work) const;

 private:
  std::shared_ptr<const re2::RE2> expression_;
};

}  // namespace sp::asl
