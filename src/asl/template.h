// Payload templates (Parameters, ResultSelector, ItemSelector): members whose name ends in ".$" are computed, everything
// else is taken as written.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asl/intrinsics/expression.h"

namespace sp::asl {

class Template {
 public:
  /// Problems are told as (location below the template as a JSON pointer, message).
  using Problems = std::vector<std::pair<std::string, std::string>>;
  static Template compile(const json::Value& value, Problems& problems, const std::string& pointer = "");

  Eval<json::Value> evaluate(const Scope& scope) const;
  /// What it says itself, with null wherever something is computed.
  json::Value fixed() const;
  /// Nothing in it is computed.
  bool constant() const { return kind_ == Kind::literal; }

 private:
  enum class Kind { literal, computed, object, array };
  Kind kind_ = Kind::literal;
  json::Value literal_;
  std::shared_ptr<const Expression> expression_;
  /// Name as written ("x.$") for errors, of computed members.
  std::string field_;
  std::vector<std::pair<std::string, Template>> members_;
  std::vector<Template> elements_;
};

}  // namespace sp::asl
