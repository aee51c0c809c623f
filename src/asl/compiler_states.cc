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
  if (json::find(source, "Resource") == nullptr) missing("Resource", location);
  if (const auto* given = typed(source, "Resource", FieldKind::text)) {
    def.resource = json::toStd(given->get_string());
    resource(def.resource, source, location);
  }
  def.timeout = number(source, "TimeoutSeconds", location, 1, kMaxSeconds);
  def.heartbeat = number(source, "HeartbeatSeconds", location, 1, kMaxSeconds);
  if (def.timeout.fixed && def.heartbeat.fixed && *def.heartbeat.fixed >= *def.timeout.fixed)
    schema("The value of 'HeartbeatSeconds' must be smaller than 'TimeoutSeconds'", location + "/HeartbeatSeconds");
  credentials(source, location, def);
}

void Compiler::resource(const std::string& resource, const json::Object& source, const std::string& location) {
  const bool recognized =
      resource.starts_with("arn:") && (surroundings_ == nullptr || !surroundings_->knows || surroundings_->knows(resource));
  if (!recognized)
    schema(fmt::format("The resource provided {} is not recognized. The value is not a valid resource ARN, or the resource is not "
                       "available in this region.",
                       resource),
           location + "/Resource");
  if (surroundings_ == nullptr) return;
  if (surroundings_->type == MachineType::express) {
    const std::string_view name = resource;
    const char* refused = name.find(":activity:") != std::string_view::npos      ? "Activity ARN"
                          : name.ends_with(".sync") || name.ends_with(".sync:2") ? "'.sync' service integration"
                          : name.ends_with(".waitForTaskToken")                  ? "'.waitForTaskToken' service integration "
                                                                                 : nullptr;
    if (refused != nullptr) schema(fmt::format("Express state machine does not support {}", refused), location + "/Resource");
  }
  const auto* parameters = json::find(source, "Parameters");
  if (!recognized || !surroundings_->refuses || (parameters != nullptr && !parameters->is_object())) return;
  for (auto& problem : surroundings_->refuses(resource, parameters == nullptr ? nullptr : &parameters->get_object()))
    schema(std::move(problem), parameters == nullptr ? location : location + "/Parameters");
}

void Compiler::credentials(const json::Object& source, const std::string& location, StateDef& def) {
  const auto* given = typed(source, "Credentials", FieldKind::object);
  if (given == nullptr) return;
  const auto place = location + "/Credentials";
  const auto& members = given->get_object();
  checkMembers(members, fields::kCredentials, place);
  const auto* fixed = json::find(members, "RoleArn");
  const auto* computed = json::find(members, "RoleArn.$");
  if (fixed == nullptr && computed == nullptr) return missing("RoleArn", place);
  if (fixed != nullptr && computed != nullptr) return onlyOneOf({"RoleArn", "RoleArn.$"}, place);
  if (fixed != nullptr && !json::isText(*fixed)) return;
  if (fixed != nullptr && !isRoleArn(json::toView(fixed->get_string())))
    return schema("The value for the field 'RoleArn' must be the ARN of a role", place + "/RoleArn");
  def.credentials = payload(source, "Credentials", location);
}

void Compiler::choice(const json::Object& source, const Graph& graph, const std::string& location, StateDef& def) {
  if (json::find(source, "Choices") == nullptr) missing("Choices", location);
  const auto* rules = typed(source, "Choices", FieldKind::array);
  if (rules != nullptr && rules->get_array().empty()) schema("Value cannot be empty", location + "/Choices");
  for (std::size_t i = 0; rules != nullptr && i < rules->get_array().size(); ++i) {
    const auto place = fmt::format("{}/Choices[{}]", location, i);
    const auto& one = rules->get_array()[i];
    if (one.is_object()) {
      def.rules.push_back(rule(one.get_object(), graph, place, true));
    } else {
      schema("Expected value of type Object", place);
      edges_known_ = false;
    }
  }
  if (const auto* otherwise = typed(source, "Default", FieldKind::text)) def.otherwise = target(*otherwise, graph, location + "/Default");
}

ChoiceRule Compiler::rule(const json::Object& source, const Graph& graph, const std::string& location, bool top) {
  ChoiceRule made;
  if (top && json::find(source, "Next") == nullptr) missing("Next", location);
  if (const auto* next = top ? typed(source, "Next", FieldKind::text) : nullptr) made.next = target(*next, graph, location + "/Next");
  const auto types = [top](ChoiceRule::Kind kind) { return 1U << (static_cast<std::uint32_t>(kind) + (top ? 0 : kKindsOfRules)); };
  for (const auto& [name, kind] : {std::pair("And", ChoiceRule::Kind::all), std::pair("Or", ChoiceRule::Kind::any)}) {
    if (json::find(source, name) == nullptr) continue;
    made.kind = kind;
    checkMembers(source, fields::kRule, location, types(kind));
    const auto* parts = typed(source, name, FieldKind::array);
    if (parts != nullptr && parts->get_array().empty()) schema("Value cannot be empty", fmt::format("{}/{}", location, name));
    for (std::size_t i = 0; parts != nullptr && i < parts->get_array().size(); ++i) {
      const auto place = fmt::format("{}/{}[{}]", location, name, i);
      if (parts->get_array()[i].is_object()) made.parts.push_back(rule(parts->get_array()[i].get_object(), graph, place, false));
      else schema("Expected value of type Object", place);
    }
    return made;
  }
  if (json::find(source, "Not") != nullptr) {
    made.kind = ChoiceRule::Kind::no;
    checkMembers(source, fields::kRule, location, types(made.kind));
    if (const auto* inner = typed(source, "Not", FieldKind::object))
      made.parts.push_back(rule(inner->get_object(), graph, location + "/Not", false));
    return made;
  }
  test(source, location, types(ChoiceRule::Kind::test), made);
  return made;
}

void Compiler::test(const json::Object& source, const std::string& location, std::uint32_t types, ChoiceRule& made) {
  const bool variable = json::find(source, "Variable") != nullptr;
  if (!variable && json::find(source, "Condition") != nullptr) return unsupported("Condition", location);
  if (!variable) missing("Variable", location);
  int operators = 0;
  for (const auto& member : source) {
    const std::string_view key(member.key().data(), member.key().size());
    const auto field = std::ranges::find_if(fields::kRule, [&](const Field& one) { return one.name == key && (one.types & types) != 0; });
    if (field != fields::kRule.end()) {
      checkType(*field, member.value(), location);
    } else if (const auto* found = findOperator(key)) {
      ++operators;
      comparison(*found, member.value(), fmt::format("{}/{}", location, key), made);
    } else {
      unsupported(key, location);
    }
  }
  if (const auto* given = typed(source, "Variable", FieldKind::text))
    if (auto parsed = referencePath(*given, location + "/Variable")) made.variable = std::move(*parsed);
  if (operators > 1 || (operators == 0 && variable)) schema("A choice rule must have exactly one comparison operator", location);
}

void Compiler::comparison(const Operator& of, const json::Value& expected, const std::string& location, ChoiceRule& made) {
  const auto compared = of.comparison;
  made.comparison = compared;
  const auto kind = of.path                                                                             ? FieldKind::text
                    : compared >= Comparison::isNull || compared == Comparison::booleanEquals           ? FieldKind::boolean
                    : compared >= Comparison::numericEquals && compared <= Comparison::numericGreaterEq ? FieldKind::number
                                                                                                        : FieldKind::text;
  if (!isOfKind(kind, expected)) return schema(fmt::format("Expected value of type {}", kindName(kind)), location);
  if (of.path) {
    made.expected_path = referencePath(expected, location);
    return;
  }
  made.expected = expected;
  const bool moment = kind == FieldKind::text && compared >= Comparison::timestampEquals;
  if (moment && !parseTimestamp(json::toView(expected.get_string()))) schema("String does not match RFC3339 timestamp", location);
}

void Compiler::wait(const json::Object& source, const std::string& location, StateDef& def) {
  def.seconds = number(source, "Seconds", location, 0, kMaxSeconds);
  if (const auto* timestamp = typed(source, "Timestamp", FieldKind::text)) {
    def.timestamp = parseTimestamp(json::toView(timestamp->get_string()));
    if (!def.timestamp) schema("String does not match RFC3339 timestamp", location + "/Timestamp");
  }
  if (const auto* timestamp_path = typed(source, "TimestampPath", FieldKind::text))
    def.timestamp_path = referencePath(*timestamp_path, location + "/TimestampPath", false);
  int given = 0;
  for (const auto* field : {"Seconds", "SecondsPath", "Timestamp", "TimestampPath"}) given += json::find(source, field) != nullptr ? 1 : 0;
  // Seconds and SecondsPath have been told.
  const bool told = json::find(source, "Seconds") != nullptr && json::find(source, "SecondsPath") != nullptr;
  if (given == 0) missing("Seconds, SecondsPath, Timestamp, TimestampPath", location);
  else if (given > 1 && !told) onlyOneOf({"Seconds", "SecondsPath", "Timestamp", "TimestampPath"}, location);
}

TextField Compiler::text(const json::Object& source, std::string_view field, const std::string& location) {
  TextField made;
  if (const auto* value = typed(source, field, FieldKind::text)) made.fixed = json::toStd(value->get_string());
  const auto twin = std::string(field) + "Path";
  if (json::find(source, field) != nullptr && json::find(source, twin) != nullptr) onlyOneOf({field, twin}, location);
  if (const auto* value = typed(source, twin, FieldKind::text)) {
    auto parsed = Expression::parse(json::toView(value->get_string()));
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
  if (json::find(source, "Branches") == nullptr) missing("Branches", location);
  const auto* branches = typed(source, "Branches", FieldKind::array);
  if (branches == nullptr) return;
  if (branches->get_array().empty()) schema("Value cannot be empty", location + "/Branches");
  for (std::size_t i = 0; i < branches->get_array().size(); ++i) {
    const auto place = fmt::format("{}/Branches[{}]", location, i);
    const auto& one = branches->get_array()[i];
    if (!one.is_object()) {
      schema("Expected value of type Object", place);
      continue;
    }
    checkMembers(one.get_object(), fields::kBranch, place);
    def.branches.push_back(graph(one.get_object(), place));
  }
}

void Compiler::processorConfig(const json::Object& processor, const std::string& location) {
  const auto* config = typed(processor, "ProcessorConfig", FieldKind::object);
  if (config == nullptr) return;
  const auto place = location + "/ProcessorConfig";
  checkMembers(config->get_object(), fields::kProcessorConfig, place);
  const auto* mode = typed(config->get_object(), "Mode", FieldKind::text);
  if (mode != nullptr && *mode != "INLINE") schema("Field 'Mode' is not supported with a value other than 'INLINE'", place + "/Mode");
}

void Compiler::map(const json::Object& source, const std::string& location, StateDef& def) {
  const auto* processor = json::find(source, "ItemProcessor");
  const auto* iterator = json::find(source, "Iterator");
  if (processor != nullptr && iterator != nullptr) onlyOneOf({"ItemProcessor", "Iterator"}, location);
  const auto* body = processor != nullptr ? processor : iterator;
  if (body == nullptr) {
    missing("ItemProcessor", location);
  } else if (body->is_object()) {
    const auto place = location + (processor != nullptr ? "/ItemProcessor" : "/Iterator");
    checkMembers(body->get_object(), fields::kProcessor, place);
    processorConfig(body->get_object(), place);
    def.branches.push_back(graph(body->get_object(), place));
  }
  if (const auto* items = typed(source, "ItemsPath", FieldKind::text)) def.items_path = referencePath(*items, location + "/ItemsPath");
  def.item_selector = payload(source, "ItemSelector", location);
  // The older name of ItemSelector.
  if (json::find(source, "ItemSelector") != nullptr && json::find(source, "Parameters") != nullptr)
    onlyOneOf({"ItemSelector", "Parameters"}, location);
  if (auto older = payload(source, "Parameters", location)) def.item_selector = std::move(older);
  def.max_concurrency = number(source, "MaxConcurrency", location, 0, 10'000);
  def.tolerated_count = number(source, "ToleratedFailureCount", location, 0, 100'000'000);
  def.tolerated_percentage.fixed = decimal(source, "ToleratedFailurePercentage", location, 0, 100);
  def.tolerated_percentage.path = twin(source, "ToleratedFailurePercentage", location);
}

}  // namespace sp::asl
