// Regular expressions of filters ([?(@.name =~ /log-.*/i)]). RE2's: the time grows with the length of the text, so that no pattern can
// hold a step up; what would need more (back references, looking around) is refused.
// https://github.com/google/re2/wiki/Syntax
#pragma once
#include <memory>
#include <string_view>

#include "asl/work.h"
#include "base/result.h"

namespace re2 {
class RE2;
}

namespace sp::asl {

class Pattern {
 public:
  /// `flags`: "i" (letters in either case), "s" ('.' takes ends of lines too). Error code "asl.pattern".
  static Result<Pattern> compile(std::string_view text, std::string_view flags);

  /// Whether it takes the whole text (UTF-8). False once `work` is used up.
  bool matches(std::string_view text, Work& work) const;

 private:
  std::shared_ptr<const re2::RE2> expression_;
};

}  // namespace sp::asl
