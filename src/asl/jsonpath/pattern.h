// Regular expressions of filters ([?(@.name =~ /log-.*/i)]): a set of states is moved over the text, so that the time grows with
// the product of both lengths and no pattern can hold a step up. What would need more (back references, looking around) is refused.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "asl/work.h"
#include "base/result.h"

namespace sp::asl {

class Pattern {
 public:
  /// `flags`: "i" (letters of ASCII in either case), "s" ('.' takes ends of lines too). Error code "asl.pattern".
  static Result<Pattern> compile(std::string_view text, std::string_view flags);

  /// Whether it takes the whole text (UTF-8). False once `work` is used up.
  bool matches(std::string_view text, Work& work) const;

 private:
  friend class PatternReader;
  friend class PatternRun;
  struct Range {
    char32_t from = 0;
    char32_t to = 0;
  };
  struct Set {
    std::vector<Range> ranges;
    bool negated = false;
    bool holds(char32_t c) const;
  };
  enum class Op : std::uint8_t { set, split, jump, begin, end, boundary, inside, match };
  /// `split` goes on at `x` and at `y`, `jump` at `x`; `set` takes one character of sets_[x].
  struct Step {
    Op op = Op::match;
    std::uint32_t x = 0;
    std::uint32_t y = 0;
  };
  std::vector<Set> sets_;
  std::vector<Step> program_;
};

}  // namespace sp::asl
