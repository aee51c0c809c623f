// InputTransformer: a template whose <variables> are filled in from an event.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/json.h"

namespace sp::schedule {

class Template {
 public:
  /// `names`: variables that may stand in it besides EventBridge's own ("aws.events.rule-arn" …). Error code "schedule.template".
  static Result<Template> parse(std::string_view text, const std::vector<std::string>& names);

  /// One that begins as a JSON object or array is JSON whatever its variables are, and none of them stands in a member's name. Error code
  /// "schedule.template".
  Result<void> checkJson() const;

  /// The text with its variables. Between quotes a value is put in as text (objects without their quotes), elsewhere as JSON; one that
  /// is not in `values` is an empty string. Error code "schedule.too_large": more than `most` bytes.
  Result<std::string> fill(const std::map<std::string, json::Value, std::less<>>& values, std::size_t most) const;

 private:
  struct Part {
    /// Text to copy, or the name of a variable.
    std::string text;
    bool variable = false;
    bool quoted = false;
  };
  std::vector<Part> parts_;
};

}  // namespace sp::schedule
