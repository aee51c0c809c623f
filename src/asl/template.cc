#include "asl/template.h"

#include <fmt/format.h>

#include "json/big_integer.h"

namespace sp::asl {

Template Template::compile(const json::Value& value, Problems& problems, const std::string& pointer) {
  Template made;
  if (value.is_array()) {
    bool constant = true;
    for (std::size_t i = 0; i < value.get_array().size(); ++i) {
      made.elements_.push_back(compile(value.get_array()[i], problems, pointer + "/" + std::to_string(i)));
      constant = constant && made.elements_.back().constant();
    }
    if (!constant) {
      made.kind_ = Kind::array;
      return made;
    }
  } else if (value.is_object()) {
    bool constant = true;
    for (const auto& member : value.get_object()) {
      std::string name(member.key().data(), member.key().size());
      const auto place = pointer + "/" + name;
      if (!name.ends_with(".$")) {
        made.members_.emplace_back(name, compile(member.value(), problems, place));
        constant = constant && made.members_.back().second.constant();
        continue;
      }
      constant = false;
      Template computed;
      computed.kind_ = Kind::computed;
      computed.field_ = name;
      auto expression = json::isText(member.value()) ? Expression::parse(json::toView(member.value().get_string()))
                                                     : Result<Expression>(fail("asl.path", "not a string"));
      if (expression) computed.expression_ = std::make_shared<const Expression>(std::move(*expression));
      else
        // What only this server refuses says why.
        problems.emplace_back(
            place, fmt::format("The value for the field '{}' must be a valid JSONPath or a valid intrinsic function call{}", name,
                               expression.error().code == "asl.patterns" ? ": " + expression.error().message : ""));
      made.members_.emplace_back(name.substr(0, name.size() - 2), std::move(computed));
    }
    if (!constant) {
      made.kind_ = Kind::object;
      return made;
    }
  }
  made.members_.clear();
  made.elements_.clear();
  made.literal_ = value;
  return made;
}

json::Value Template::fixed() const {
  if (kind_ == Kind::computed) return nullptr;
  if (kind_ == Kind::array) {
    json::Array out;
    for (const auto& element : elements_) out.push_back(element.fixed());
    return out;
  }
  if (kind_ == Kind::literal) return literal_;
  json::Object out;
  for (const auto& [name, member] : members_) out[name] = member.fixed();
  return out;
}

Eval<json::Value> Template::evaluate(const Scope& scope) const {
  switch (kind_) {
    case Kind::literal: return literal_;
    case Kind::computed: {
      auto value = expression_->evaluate(scope, field_);
      // The language calls it ParameterPathFailure, the service tells it as Runtime: it is told so and caught by both names.
      if (!value && value.error().error == "States.Runtime") value.error().also = "States.ParameterPathFailure";
      return value;
    }
    case Kind::array: {
      json::Array all;
      all.reserve(elements_.size());
      for (const auto& element : elements_) {
        auto value = element.evaluate(scope);
        if (!value) return value;
        all.push_back(std::move(*value));
      }
      return json::Value(std::move(all));
    }
    case Kind::object: break;
  }
  json::Object all;
  all.reserve(members_.size());
  for (const auto& [name, member] : members_) {
    auto value = member.evaluate(scope);
    if (!value) return value;
    all[name] = std::move(*value);
  }
  return json::Value(std::move(all));
}

}  // namespace sp::asl
