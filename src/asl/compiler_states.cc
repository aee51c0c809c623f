// What only one type of state has.
#include <fmt/format.h>

#include "asl/characters.h"
#include "asl/compiler.h"
#include "base/strings.h"
#include "json/big_integer.h"

namespace sp::asl {
namespace {
constexpr std::int64_t kMaxSeconds = 99'999'999;
constexpr std::size_t kMaxError = 256;
constexpr std::size_t kMaxCause = 32768;
}  // namespace

bool isRoleArn(std::string_view text) {
  const auto parts = split(text, ':');
  return parts.size() == 6 && parts[0] == "arn" && parts[2] == "iam" && parts[4].size() == 12 &&
         parts[4].find_first_not_of("0123456789") == std::string_view::npos && parts[5].starts_with("role/") && parts[5].size() > 5;
}

void Compiler::task(const json::Object& source, const std::string& location, StateDef& def) {
  const auto* resource = json::find(source, "Resource");
  if (resource == nullptr || !json::isText(*resource)) return missing("Resource", location);
  def.resource = json::toStd(resource->get_string());
  if (!def.resource.starts_with("arn:") || (knows_ && !knows_(def.resource)))
    schema(fmt::format("The resource provided {} is not recognized. The value is not a valid resource ARN, or the resource is not "
                       "available in this region.",
                       def.resource),
           location + "/Resource");
  if (type_ == MachineType::express) {
    const std::string_view name = def.resource;
    const char* refused = name.find(":activity:") != std::string_view::npos      ? "Activity ARN"
                          : name.ends_with(".sync") || name.ends_with(".sync:2") ? "'.sync' service integration"
                          : name.ends_with(".waitForTaskToken")                  ? "'.waitForTaskToken' service integration "
                                                                                 : nullptr;
    if (refused != nullptr) schema(fmt::format("Express state machine does not support {}", refused), location + "/Resource");
  }
  def.timeout = number(source, "TimeoutSeconds", location, 1, kMaxSeconds);
  def.heartbeat = number(source, "HeartbeatSeconds", location, 1, kMaxSeconds);
  if (def.timeout.fixed && def.heartbeat.fixed && *def.heartbeat.fixed >= *def.timeout.fixed)
    schema("The value of 'HeartbeatSeconds' must be smaller than 'TimeoutSeconds'", location + "/HeartbeatSeconds");
  credentials(source, location, def);
}

void Compiler::credentials(const json::Object& source, const std::string& location, StateDef& def) {
  const auto* given = json::find(source, "Credentials");
  if (given == nullptr) return;
  const auto place = location + "/Credentials";
  if (!given->is_object()) return schema("Expected value of type Object", place);
  const auto& members = given->get_object();
  checkMembers(members, {"RoleArn", "RoleArn.$"}, place);
  const auto* fixed = json::find(members, "RoleArn");
  const auto* computed = json::find(members, "RoleArn.$");
  if (fixed == nullptr && computed == nullptr) return missing("RoleArn", place);
  if (fixed != nullptr && computed != nullptr) return onlyOneOf({"RoleArn", "RoleArn.$"}, place);
  if (fixed != nullptr && !(json::isText(*fixed) && isRoleArn(json::toView(fixed->get_string()))))
    return schema("The value for the field 'RoleArn' must be the ARN of a role", place + "/RoleArn");
  def.credentials = payload(source, "Credentials", location);
}

void Compiler::choice(const json::Object& source, const Graph& graph, const std::string& location, StateDef& def) {
  const auto* rules = json::find(source, "Choices");
  if (rules == nullptr || !rules->is_array()) return missing("Choices", location);
  if (rules->get_array().empty()) schema("Value cannot be empty", location + "/Choices");
  for (std::size_t i = 0; i < rules->get_array().size(); ++i) {
    const auto place = fmt::format("{}/Choices[{}]", location, i);
    const auto& one = rules->get_array()[i];
    if (one.is_object()) {
      def.rules.push_back(rule(one.get_object(), graph, place, true));
    } else {
      schema("Expected value of type Object", place);
      edges_known_ = false;
    }
  }
  if (const auto* otherwise = json::find(source, "Default")) def.otherwise = target(*otherwise, graph, location + "/Default");
}

ChoiceRule Compiler::rule(const json::Object& source, const Graph& graph, const std::string& location, bool top) {
  ChoiceRule made;
  if (top) {
    const auto* next = json::find(source, "Next");
    if (next == nullptr) missing("Next", location);
    else made.next = target(*next, graph, location + "/Next");
  } else if (json::find(source, "Next") != nullptr) {
    unsupported("Next", location);
  }
  for (const auto& [name, kind] : {std::pair("And", ChoiceRule::Kind::all), std::pair("Or", ChoiceRule::Kind::any)}) {
    const auto* parts = json::find(source, name);
    if (parts == nullptr) continue;
    made.kind = kind;
    checkMembers(source, {name, "Next", "Comment"}, location);
    if (!parts->is_array() || parts->get_array().empty()) {
      schema("Value cannot be empty", fmt::format("{}/{}", location, name));
      return made;
    }
    for (std::size_t i = 0; i < parts->get_array().size(); ++i) {
      const auto place = fmt::format("{}/{}[{}]", location, name, i);
      if (parts->get_array()[i].is_object()) made.parts.push_back(rule(parts->get_array()[i].get_object(), graph, place, false));
      else schema("Expected value of type Object", place);
    }
    return made;
  }
  if (const auto* inner = json::find(source, "Not")) {
    made.kind = ChoiceRule::Kind::no;
    checkMembers(source, {"Not", "Next", "Comment"}, location);
    if (inner->is_object()) made.parts.push_back(rule(inner->get_object(), graph, location + "/Not", false));
    else schema("Expected value of type Object", location + "/Not");
    return made;
  }
  test(source, location, made);
  return made;
}

void Compiler::test(const json::Object& source, const std::string& location, ChoiceRule& made) {
  const auto* variable = json::find(source, "Variable");
  if (variable == nullptr && json::find(source, "Condition") != nullptr) return unsupported("Condition", location);
  if (variable == nullptr) return missing("Variable", location);
  if (auto parsed = referencePath(*variable, location + "/Variable")) made.variable = std::move(*parsed);
  int operators = 0;
  for (const auto& member : source) {
    const std::string_view key(member.key().data(), member.key().size());
    if (key == "Variable" || key == "Next" || key == "Comment") continue;
    const auto place = fmt::format("{}/{}", location, key);
    const auto* found = findOperator(key);
    if (found == nullptr) {
      unsupported(key, location);
      continue;
    }
    ++operators;
    made.comparison = found->comparison;
    if (found->path) {
      made.expected_path = referencePath(member.value(), place);
      continue;
    }
    made.expected = member.value();
    const auto& expected = made.expected;
    if (found->comparison >= Comparison::isNull || found->comparison == Comparison::booleanEquals) {
      if (!expected.is_bool()) schema("Expected value of type Boolean", place);
    } else if (found->comparison >= Comparison::numericEquals && found->comparison <= Comparison::numericGreaterEq) {
      if (!json::isNumber(expected)) schema("Expected value of type Number", place);
    } else if (!json::isText(expected)) {
      schema("Expected value of type String", place);
    } else if (found->comparison >= Comparison::timestampEquals && !parseTimestamp(json::toView(expected.get_string()))) {
      schema("String does not match RFC3339 timestamp", place);
    }
  }
  if (operators != 1) schema("A choice rule must have exactly one comparison operator", location);
}

void Compiler::wait(const json::Object& source, const std::string& location, StateDef& def) {
  def.seconds = number(source, "Seconds", location, 0, kMaxSeconds);
  const auto* timestamp = json::find(source, "Timestamp");
  const auto* timestamp_path = json::find(source, "TimestampPath");
  if (timestamp != nullptr) {
    if (json::isText(*timestamp)) def.timestamp = parseTimestamp(json::toView(timestamp->get_string()));
    if (!def.timestamp) schema("String does not match RFC3339 timestamp", location + "/Timestamp");
  }
  if (timestamp_path != nullptr) def.timestamp_path = referencePath(*timestamp_path, location + "/TimestampPath", false);
  int given = 0;
  for (const auto* field : {"Seconds", "SecondsPath", "Timestamp", "TimestampPath"}) given += json::find(source, field) != nullptr ? 1 : 0;
  // Seconds and SecondsPath have been told.
  const bool told = def.seconds.path && json::find(source, "Seconds") != nullptr;
  if (given == 0) missing("Seconds, SecondsPath, Timestamp, TimestampPath", location);
  else if (given > 1 && !told) onlyOneOf({"Seconds", "SecondsPath", "Timestamp", "TimestampPath"}, location);
}

TextField Compiler::text(const json::Object& source, std::string_view field, const std::string& location) {
  TextField made;
  if (const auto* value = json::find(source, field)) {
    if (json::isText(*value)) made.fixed = json::toStd(value->get_string());
    else schema("Expected value of type String", fmt::format("{}/{}", location, field));
  }
  const auto twin = std::string(field) + "Path";
  if (const auto* value = json::find(source, twin)) {
    if (json::find(source, field) != nullptr) onlyOneOf({field, twin}, location);
    auto parsed =
        json::isText(*value) ? Expression::parse(json::toView(value->get_string())) : Result<Expression>(fail("asl.path", "not a string"));
    if (parsed) made.computed = std::move(*parsed);
    else
      schema(fmt::format("The value for the field '{}' must be a valid JSONPath or a valid intrinsic function call", twin),
             fmt::format("{}/{}", location, twin));
  }
  return made;
}

void Compiler::failure(const json::Object& source, const std::string& location, StateDef& def) {
  def.error = text(source, "Error", location);
  def.cause = text(source, "Cause", location);
  if (def.error.fixed && characterCount(*def.error.fixed) > kMaxError)
    schema("The value for the field 'Error' is longer than 256 characters", location + "/Error");
  if (def.cause.fixed && characterCount(*def.cause.fixed) > kMaxCause)
    schema("The value for the field 'Cause' is longer than 32768 characters", location + "/Cause");
}

void Compiler::parallel(const json::Object& source, const std::string& location, StateDef& def) {
  const auto* branches = json::find(source, "Branches");
  if (branches == nullptr || !branches->is_array()) return missing("Branches", location);
  if (branches->get_array().empty()) schema("Value cannot be empty", location + "/Branches");
  for (std::size_t i = 0; i < branches->get_array().size(); ++i) {
    const auto place = fmt::format("{}/Branches[{}]", location, i);
    const auto& one = branches->get_array()[i];
    if (!one.is_object()) {
      schema("Expected value of type Object", place);
      continue;
    }
    checkMembers(one.get_object(), {"StartAt", "States", "Comment"}, place);
    def.branches.push_back(graph(one.get_object(), place));
  }
}

void Compiler::processorConfig(const json::Object& processor, const std::string& location) {
  const auto* config = json::find(processor, "ProcessorConfig");
  if (config == nullptr) return;
  const auto place = location + "/ProcessorConfig";
  if (!config->is_object()) return schema("Expected value of type Object", place);
  checkMembers(config->get_object(), {"Mode", "ExecutionType"}, place);
  const auto* mode = json::find(config->get_object(), "Mode");
  if (mode != nullptr && *mode != "INLINE") schema("Field 'Mode' is not supported with a value other than 'INLINE'", place + "/Mode");
}

void Compiler::map(const json::Object& source, const std::string& location, StateDef& def) {
  const auto* processor = json::find(source, "ItemProcessor");
  const auto* iterator = json::find(source, "Iterator");
  if (processor != nullptr && iterator != nullptr) onlyOneOf({"ItemProcessor", "Iterator"}, location);
  const auto* body = processor != nullptr ? processor : iterator;
  if (body == nullptr || !body->is_object()) {
    missing("ItemProcessor", location);
  } else {
    const auto place = location + (processor != nullptr ? "/ItemProcessor" : "/Iterator");
    checkMembers(body->get_object(), {"StartAt", "States", "Comment", "ProcessorConfig"}, place);
    processorConfig(body->get_object(), place);
    def.branches.push_back(graph(body->get_object(), place));
  }
  if (const auto* items = json::find(source, "ItemsPath")) def.items_path = referencePath(*items, location + "/ItemsPath");
  def.item_selector = payload(source, "ItemSelector", location);
  // The older name of ItemSelector.
  if (auto older = payload(source, "Parameters", location)) {
    if (def.item_selector) onlyOneOf({"ItemSelector", "Parameters"}, location);
    def.item_selector = std::move(older);
  }
  def.max_concurrency = number(source, "MaxConcurrency", location, 0, 10'000);
  def.tolerated_count = number(source, "ToleratedFailureCount", location, 0, 100'000'000);
  def.tolerated_percentage.fixed = decimal(source, "ToleratedFailurePercentage", location, 0, 100);
  def.tolerated_percentage.path = twin(source, "ToleratedFailurePercentage", location);
}

}  // namespace sp::asl
