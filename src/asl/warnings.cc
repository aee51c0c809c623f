#include "asl/warnings.h"

#include <fmt/format.h>

#include "asl/intrinsics/expression.h"
#include "asl/repeated.h"
#include "json/json.h"

namespace sp::asl {
namespace {

// Deeper definitions are refused anyway.
constexpr int kDeepest = 200;

std::string_view keyOf(const boost::json::key_value_pair& member) { return {member.key().data(), member.key().size()}; }

bool looksComputed(const json::Value& value) {
  if (!value.is_string()) return false;
  const auto text = json::toView(value.get_string());
  const bool path = text == "$" || text.starts_with("$.") || text.starts_with("$[") || text.starts_with("$$.");
  return (path || text.starts_with("States.")) && Expression::parse(text).has_value();
}

class Finder {
 public:
  std::vector<Diagnostic> found;

  void scope(const json::Object& scope, const std::string& location, int depth) {
    const auto* states = json::find(scope, "States");
    if (states == nullptr || !states->is_object() || depth > kDeepest) return;
    for (const auto& member : states->get_object())
      if (member.value().is_object()) state(member.value().get_object(), fmt::format("{}/States/{}", location, keyOf(member)), depth);
  }

 private:
  void state(const json::Object& source, const std::string& location, int depth) {
    for (const auto& member : source) {
      const auto key = keyOf(member);
      const auto place = fmt::format("{}/{}", location, key);
      if (key == "Parameters" || key == "ResultSelector" || key == "ItemSelector") payload(member.value(), place, depth);
      else if (key == "Result") result(member.value(), place, depth);
      else if ((key == "Seconds" || key == "Timestamp" || key == "TimeoutSeconds" || key == "HeartbeatSeconds" || key == "Error" ||
                key == "Cause") &&
               looksComputed(member.value()))
        found.push_back(
            {"NO_PATH", fmt::format("Field value looks like a path, but the field name '{}' does not end with 'Path'", key), place});
      else if ((key == "ItemProcessor" || key == "Iterator") && member.value().is_object())
        scope(member.value().get_object(), place, depth + 1);
      else if (key == "Branches" && member.value().is_array()) branches(member.value().get_array(), place, depth);
    }
  }

  void branches(const json::Array& all, const std::string& location, int depth) {
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].is_object()) scope(all[i].get_object(), fmt::format("{}[{}]", location, i), depth + 1);
  }

  void payload(const json::Value& value, const std::string& location, int depth) {
    each(value, location, depth, "NO_DOLLAR", [](std::string_view key) {
      return fmt::format("Field value looks like a path or an intrinsic function, but the field name '{}' does not end with '.$'", key);
    });
  }

  void result(const json::Value& value, const std::string& location, int depth) {
    if (looksComputed(value))
      found.push_back({"PASS_RESULT_IS_STATIC", "The Result of a Pass state is static: a path in it is not evaluated", location});
    each(value, location, depth, "PASS_RESULT_IS_STATIC",
         [](std::string_view) { return std::string("The Result of a Pass state is static: a path in it is not evaluated"); });
  }

  template <class Message>
  void each(const json::Value& value, const std::string& location, int depth, const char* code, const Message& message) {
    if (depth > kDeepest) return;
    if (value.is_array())
      for (std::size_t i = 0; i < value.get_array().size(); ++i)
        each(value.get_array()[i], fmt::format("{}[{}]", location, i), depth + 1, code, message);
    if (!value.is_object()) return;
    for (const auto& member : value.get_object()) {
      const auto key = keyOf(member);
      const auto place = fmt::format("{}/{}", location, key);
      if (!key.ends_with(".$") && looksComputed(member.value())) found.push_back({code, message(key), place});
      each(member.value(), place, depth + 1, code, message);
    }
  }
};

}  // namespace

std::vector<Diagnostic> warningsOf(std::string_view definition) {
  const auto parsed = json::parse(definition);
  if (!parsed || !parsed->is_object()) return {};
  Finder finder;
  finder.scope(parsed->get_object(), "", 0);
  for (const auto& member : repeatedMembers(definition))
    finder.found.push_back(
        {"DUPLICATE_FIELD", fmt::format("The field '{}' is given more than once: the last one counts", member.name), member.location});
  return std::move(finder.found);
}

}  // namespace sp::asl
