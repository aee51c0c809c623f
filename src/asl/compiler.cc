#include "asl/compiler.h"

#include <fmt/format.h>

#include "asl/characters.h"
#include "asl/jsonpath/pattern.h"
#include "asl/repeated.h"
#include "json/big_integer.h"
#include "json/explain.h"

namespace sp::asl {
namespace {

constexpr std::size_t kMaxStateName = 80;
constexpr std::size_t kMaxText = 1'048'576;
constexpr std::size_t kMostTold = 8U << 20U;
constexpr std::int64_t kMaxSeconds = 99'999'999;
constexpr std::int64_t kMaxDelaySeconds = 31'622'400;

std::string_view keyOf(const boost::json::key_value_pair& member) { return {member.key().data(), member.key().size()}; }

constexpr std::array<std::string_view, 8> kTypeNames = {"Pass", "Task", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map"};

// Members that belong to JSONata.
constexpr std::array<std::string_view, 4> kJsonata = {"Arguments", "Output", "Condition", "Items"};
// Members of a distributed Map.
constexpr std::array<std::string_view, 4> kDistributed = {"ItemReader", "ItemBatcher", "ResultWriter", "Label"};

// Without a good one of these it is not known what leads where.
constexpr std::array<std::string_view, 5> kLeading = {"Next", "End", "Default", "Choices", "Catch"};

}  // namespace

std::string_view typeName(StateType type) { return kTypeNames.at(static_cast<std::size_t>(type)); }

void Compiler::tell(std::string code, std::string message, std::string location) {
  if (bytes_ > kMostTold) return;
  bytes_ += sizeof(Diagnostic) + message.size() + location.size();
  problems_.push_back({std::move(code), std::move(message), std::move(location)});
}

void Compiler::whole(const json::Object& definition) {
  checkMembers(definition, fields::kMachine, "");
  queryLanguage(definition, "");
  out_.timeout_seconds = number(definition, "TimeoutSeconds", "", 1, kMaxSeconds).fixed;
  out_.start = graph(definition, "");
}

int Compiler::graph(const json::Object& scope, const std::string& location) {
  const auto* states = json::find(scope, "States");
  const auto* start = json::find(scope, "StartAt");
  if (states == nullptr || start == nullptr) {
    const auto* missing = states == nullptr ? (start == nullptr ? "States, StartAt" : "States") : "StartAt";
    schema(fmt::format("These fields are required: [{}]", missing), location.empty() ? "/" : location);
  }
  if (states == nullptr || !states->is_object()) return -1;
  if (states->get_object().empty()) {
    schema("Value cannot be empty", location + "/States");
    return -1;
  }
  Graph graph{{}, location + "/States", location};
  for (const auto& member : states->get_object()) {
    const auto name = keyOf(member);
    if (name.empty() || characterCount(name) > kMaxStateName)
      schema(fmt::format("The length of a state's name must be between 1 and {}", kMaxStateName),
             fmt::format("{}/{}", graph.location, name));
    if (!names_.emplace(name).second)
      tell("DUPLICATE_STATE_NAME", fmt::format("Duplicate State name: {}", name), fmt::format("{}/{}", graph.location, name));
    graph.names.emplace(name, static_cast<int>(out_.states.size()));
    out_.states.emplace_back();
  }
  const bool outer = std::exchange(edges_known_, true);
  for (const auto& member : states->get_object()) {
    const auto place = fmt::format("{}/{}", graph.location, keyOf(member));
    if (member.value().is_object()) {
      state(member.value().get_object(), graph, keyOf(member), graph.names.find(keyOf(member))->second);
    } else {
      schema("Expected value of type Object", place);
      edges_known_ = false;
    }
  }
  // Where nothing says which is the first, nothing can be said of what is reached.
  start = typed(scope, "StartAt", FieldKind::text);
  const int first = start == nullptr ? -1 : target(*start, graph, location + "/StartAt");
  if (edges_known_ && start != nullptr) checkReach(states->get_object(), graph, first);
  edges_known_ = outer;
  return first;
}

void Compiler::unsupported(std::string_view key, const std::string& location, bool in_map) {
  const auto among = [key](const auto& names) { return std::ranges::find(names, key) != names.end(); };
  // Told at the object that has it, as the service does.
  const auto place = location.empty() ? "/" : location;
  if (among(kJsonata))
    return schema(
        fmt::format("The QueryLanguage is set to 'JSONPath', but field '{}' is only supported for the 'JSONata' QueryLanguage", key),
        place);
  const auto* why = key == "Assign"                 ? ": this server has no variables"
                    : in_map && among(kDistributed) ? ": it belongs to the distributed Map, this server runs inline Maps"
                                                    : "";
  schema(fmt::format("Field '{}' is not supported{}", key, why), place);
}

void Compiler::checkMembers(const json::Object& source, std::span<const Field> fields, const std::string& location, std::uint32_t types,
                            bool in_map) {
  for (const auto& member : source) {
    const auto key = keyOf(member);
    const auto found = std::ranges::find_if(fields, [&](const Field& one) { return one.name == key && (one.types & types) != 0; });
    if (found == fields.end()) unsupported(key, location, in_map);
    else checkType(*found, member.value(), location);
  }
}

void Compiler::checkType(const Field& field, const json::Value& value, const std::string& location) {
  if (isOfKind(field.kind, value)) return;
  if (surroundings_ == nullptr && field.refused == Refused::of_new) return;
  schema(fmt::format("Expected value of type {}", kindName(field.kind)), fmt::format("{}/{}", location, field.name));
  if (std::ranges::find(kLeading, field.name) != kLeading.end()) edges_known_ = false;
}

void Compiler::queryLanguage(const json::Object& source, const std::string& location) {
  if (const auto* language = typed(source, "QueryLanguage", FieldKind::text); language != nullptr && *language != "JSONPath")
    schema("Field 'QueryLanguage' is not supported with a value other than 'JSONPath'", location + "/QueryLanguage");
}

namespace {

bool isTerminal(const json::Value& state) {
  const auto* source = state.if_object();
  if (source == nullptr) return false;
  const auto type = json::textOr(*source, "Type");
  return type == "Succeed" || type == "Fail" || json::boolOr(*source, "End", false);
}

}  // namespace

// Without any terminal state nothing else is said; otherwise each state is named that nothing leads to.
void Compiler::checkReach(const json::Object& states, const Graph& graph, int start) {
  if (!std::ranges::any_of(states, [](const auto& member) { return isTerminal(member.value()); }))
    return tell("MISSING_END_STATE", "Workflow has no terminal state", graph.scope.empty() ? "null" : graph.scope);
  std::set<int> reached = {start};
  for (const auto& [name, at] : graph.names) {
    const auto& def = out_.states[static_cast<std::size_t>(at)];
    reached.insert({def.next, def.otherwise});
    for (const auto& rule : def.rules) reached.insert(rule.next);
    for (const auto& catcher : def.catchers) reached.insert(catcher.next);
  }
  for (const auto& member : states)
    if (!reached.contains(graph.names.find(keyOf(member))->second))
      tell("MISSING_TRANSITION_TARGET", fmt::format("State \"{}\" is not reachable.", keyOf(member)),
           fmt::format("{}/{}", graph.location, keyOf(member)));
}

void Compiler::state(const json::Object& source, const Graph& graph, std::string_view name, int at) {
  const auto location = fmt::format("{}/{}", graph.location, name);
  const auto type = json::textOr(source, "Type");
  const auto found = std::ranges::find(kTypeNames, type);
  if (found == kTypeNames.end()) {
    edges_known_ = false;
    const auto* given = json::find(source, "Type");
    if (given == nullptr) missing("Type", location);
    else if (!json::isText(*given)) schema("Expected value of type String", location + "/Type");
    else
      schema("The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map]",
             location + "/Type");
    return;
  }
  StateDef def;
  def.name = name;
  def.type = static_cast<StateType>(found - kTypeNames.begin());
  checkMembers(source, fields::kState, location, 1U << static_cast<std::uint32_t>(def.type), def.type == StateType::map);
  queryLanguage(source, location);
  selections(source, location, def);
  switch (def.type) {
    case StateType::pass:
      if (const auto* result = json::find(source, "Result")) def.result = *result;
      break;
    case StateType::task: task(source, location, def); break;
    case StateType::choice: choice(source, graph, location, def); break;
    case StateType::wait: wait(source, location, def); break;
    case StateType::succeed: break;
    case StateType::fail: failure(source, location, def); break;
    case StateType::parallel: parallel(source, location, def); break;
    case StateType::map: map(source, location, def); break;
  }
  if (def.type != StateType::choice && def.type != StateType::succeed && def.type != StateType::fail)
    transition(source, graph, location, def);
  retriers(source, location, def);
  catchers(source, graph, location, def);
  out_.states[static_cast<std::size_t>(at)] = std::move(def);
}

void Compiler::transition(const json::Object& source, const Graph& graph, const std::string& location, StateDef& def) {
  const auto* end = json::find(source, "End");
  const bool next = json::find(source, "Next") != nullptr;
  // One of another type has been told: nobody knows what it means.
  const bool ends = end != nullptr && (!end->is_bool() || end->get_bool());
  if (!next && !ends) missing("Next, End", location);
  if (next && ends && end->is_bool()) {
    onlyOneOf({"Next", "End"}, location);
    edges_known_ = false;
  }
  if (const auto* to = typed(source, "Next", FieldKind::text)) def.next = target(*to, graph, location + "/Next");
}

int Compiler::target(const json::Value& value, const Graph& graph, const std::string& location) {
  const auto found = graph.names.find(json::toView(value.get_string()));
  if (found != graph.names.end()) return found->second;
  // Whatever the field is called.
  tell("MISSING_TRANSITION_TARGET", fmt::format("Missing 'Next' target: {}", json::toView(value.get_string())), location);
  return -1;
}

void Compiler::selections(const json::Object& source, const std::string& location, StateDef& def) {
  def.input_path = selection(source, "InputPath", location);
  def.output_path = selection(source, "OutputPath", location);
  def.result_path = resultTarget(source, location);
  if (def.type != StateType::map) def.parameters = payload(source, "Parameters", location);
  def.result_selector = payload(source, "ResultSelector", location);
}

void Compiler::onlyOneOf(std::initializer_list<std::string_view> fields, const std::string& location) {
  schema(fmt::format("There should only be one of the following fields: [{}]", fmt::join(fields, ", ")), location);
}

void Compiler::missing(std::string_view field, const std::string& location) {
  schema(field == "RoleArn" ? fmt::format("The field '{}' is required but was missing", field)
                            : fmt::format("These fields are required: [{}]", field),
         location);
  if (field == "Next" || field == "Next, End" || field == "Choices") edges_known_ = false;
}

std::vector<std::string> Compiler::errorNames(const json::Object& source, const std::string& location, bool last) {
  std::vector<std::string> names;
  const auto* list = json::find(source, "ErrorEquals");
  if (list == nullptr) missing("ErrorEquals", location);
  if (list == nullptr || !list->is_array()) return names;
  if (list->get_array().empty()) schema("Value cannot be empty", location + "/ErrorEquals");
  for (std::size_t i = 0; i < list->get_array().size(); ++i) {
    const auto& name = list->get_array()[i];
    const auto place = fmt::format("{}/ErrorEquals[{}]", location, i);
    if (json::isText(name)) names.push_back(json::toStd(name.get_string()));
    else schema("Expected value of type String", place);
    if (name == "States.ALL" && (!last || list->get_array().size() > 1)) schema("States.ALL must appear alone and at end of list", place);
  }
  return names;
}

void Compiler::retriers(const json::Object& source, const std::string& location, StateDef& def) {
  const auto* list = typed(source, "Retry", FieldKind::array);
  if (list == nullptr) return;
  for (std::size_t i = 0; i < list->get_array().size(); ++i) {
    const auto place = fmt::format("{}/Retry[{}]", location, i);
    if (!list->get_array()[i].is_object()) {
      schema("Expected value of type Object", place);
      continue;
    }
    const auto& one = list->get_array()[i].get_object();
    checkMembers(one, fields::kRetrier, place);
    Retrier made;
    made.errors = errorNames(one, place, i + 1 == list->get_array().size());
    made.interval_seconds = number(one, "IntervalSeconds", place, 1, kMaxSeconds).fixed.value_or(1);
    made.max_attempts = number(one, "MaxAttempts", place, 0, kMaxSeconds).fixed.value_or(3);
    made.backoff_rate = decimal(one, "BackoffRate", place, 1, 1e9).value_or(2);
    made.max_delay_seconds = number(one, "MaxDelaySeconds", place, 1, kMaxDelaySeconds).fixed;
    if (made.max_delay_seconds && *made.max_delay_seconds <= made.interval_seconds)
      schema("The value of 'MaxDelaySeconds' must be greater than 'IntervalSeconds'", place + "/MaxDelaySeconds");
    if (const auto* jitter = typed(one, "JitterStrategy", FieldKind::text)) {
      if (*jitter == "FULL") made.jitter = true;
      else if (*jitter != "NONE")
        schema("The field 'JitterStrategy' should have one of these values: [FULL, NONE]", place + "/JitterStrategy");
    }
    def.retriers.push_back(std::move(made));
  }
}

void Compiler::catchers(const json::Object& source, const Graph& graph, const std::string& location, StateDef& def) {
  const auto* list = typed(source, "Catch", FieldKind::array);
  if (list == nullptr) return;
  for (std::size_t i = 0; i < list->get_array().size(); ++i) {
    const auto place = fmt::format("{}/Catch[{}]", location, i);
    if (!list->get_array()[i].is_object()) {
      schema("Expected value of type Object", place);
      edges_known_ = false;
      continue;
    }
    const auto& one = list->get_array()[i].get_object();
    checkMembers(one, fields::kCatcher, place);
    Catcher made;
    made.errors = errorNames(one, place, i + 1 == list->get_array().size());
    made.result_path = resultTarget(one, place);
    if (json::find(one, "Next") == nullptr) missing("Next", place);
    else if (const auto* next = typed(one, "Next", FieldKind::text)) made.next = target(*next, graph, place + "/Next");
    def.catchers.push_back(std::move(made));
  }
}

std::optional<Path> Compiler::path(const json::Value& value, const std::string& location) {
  if (auto parsed = Path::parse(json::toView(value.get_string()))) return std::move(*parsed);
  schema("Value must be a valid JSONPath.", location);
  return std::nullopt;
}

std::optional<Path> Compiler::referencePath(const json::Value& value, const std::string& location, bool of_context) {
  const auto text = json::toView(value.get_string());
  auto parsed = Path::parse(text);
  if (parsed && (of_context || !parsed->context())) return std::move(*parsed);
  schema(text.starts_with("$") ? "Value is not a Reference Path" : "Value is not a Reference Path: Reference path didn't start with '$'",
         location);
  return std::nullopt;
}

Selection Compiler::selection(const json::Object& source, std::string_view field, const std::string& location) {
  Selection made;
  const auto* value = typed(source, field, FieldKind::path);
  if (value == nullptr) return made;
  if (value->is_null()) {
    made.kind = Selection::Kind::nothing;
    return made;
  }
  auto parsed = path(*value, fmt::format("{}/{}", location, field));
  if (!parsed || (parsed->whole() && !parsed->context())) return made;
  made.kind = Selection::Kind::path;
  made.path = std::move(*parsed);
  return made;
}

ResultTarget Compiler::resultTarget(const json::Object& source, const std::string& location) {
  ResultTarget made;
  const auto* value = typed(source, "ResultPath", FieldKind::path);
  if (value == nullptr) return made;
  if (value->is_null()) {
    made.kind = ResultTarget::Kind::discard;
    return made;
  }
  auto parsed = referencePath(*value, location + "/ResultPath", false);
  if (!parsed) return made;
  if (!parsed->reference()) {
    schema("Value is not a Reference Path", location + "/ResultPath");
  } else if (!parsed->whole()) {
    made.kind = ResultTarget::Kind::place;
    made.path = std::move(*parsed);
  }
  return made;
}

std::optional<Template> Compiler::payload(const json::Object& source, std::string_view field, const std::string& location) {
  // What is stored may be anything.
  const auto* value = typed(source, field, surroundings_ != nullptr ? FieldKind::object : FieldKind::any);
  if (value == nullptr) return std::nullopt;
  Template::Problems problems;
  auto made = Template::compile(*value, problems);
  for (auto& [pointer, message] : problems) schema(std::move(message), fmt::format("{}/{}{}", location, field, pointer));
  return made;
}

NumberField Compiler::number(const json::Object& source, std::string_view field, const std::string& location, std::int64_t least,
                             std::int64_t most) {
  NumberField made;
  const auto place = fmt::format("{}/{}", location, field);
  if (const auto* value = typed(source, field, FieldKind::integer)) {
    const auto given = json::numberOf(*value).value_or(0);
    if (given < static_cast<double>(least)) schema(fmt::format("Minimum value is {}", least), place);
    else if (given > static_cast<double>(most)) schema(fmt::format("Maximum value is {}", most), place);
    else made.fixed = static_cast<std::int64_t>(given);
  }
  made.path = twin(source, field, location);
  return made;
}

std::optional<Path> Compiler::twin(const json::Object& source, std::string_view field, const std::string& location) {
  const auto name = std::string(field) + "Path";
  if (json::find(source, name) != nullptr && json::find(source, field) != nullptr) onlyOneOf({field, name}, location);
  const auto* value = typed(source, name, FieldKind::text);
  return value == nullptr ? std::nullopt : referencePath(*value, fmt::format("{}/{}", location, name), false);
}

std::optional<double> Compiler::decimal(const json::Object& source, std::string_view field, const std::string& location, double least,
                                        double most) {
  const auto* value = typed(source, field, FieldKind::number);
  if (value == nullptr) return std::nullopt;
  const auto given = json::numberOf(*value);
  if (given && *given >= least && *given <= most) return given;
  schema(given && *given < least ? fmt::format("Minimum value is {:.1f}", least) : fmt::format("Maximum value is {:.1f}", most),
         fmt::format("{}/{}", location, field));
  return std::nullopt;
}

namespace {

/// `surroundings`: null of what is stored.
Compiled compileWithin(std::string_view text, const Surroundings* surroundings) {
  std::vector<Diagnostic> problems;
  if (text.size() > kMaxText) {
    problems.push_back({"SCHEMA_VALIDATION_FAILED", "The definition is larger than 1048576 bytes", "/"});
    return std::unexpected(std::move(problems));
  }
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    problems.push_back({"SCHEMA_VALIDATION_FAILED", "Definition must be a valid JSON object", ""});
    return std::unexpected(std::move(problems));
  }
  const auto parsed = json::parseExact(text);
  if (!parsed) {
    const auto explained = json::explainSyntax(text);
    problems.push_back({"INVALID_JSON_DESCRIPTION", explained.empty() ? parsed.error().message : explained, "/"});
    return std::unexpected(std::move(problems));
  }
  if (surroundings != nullptr)
    for (const auto& member : repeatedStates(text))
      problems.push_back({"DUPLICATE_STATE_NAME", fmt::format("Duplicate State name: {}", member.name), member.location});
  auto made = std::make_shared<Definition>();
  made->text = text;
  const PatternBudget patterns;
  if (parsed->is_object()) Compiler(*made, problems, surroundings).whole(parsed->get_object());
  else problems.push_back({"SCHEMA_VALIDATION_FAILED", "Definition must be a valid JSON object", ""});
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return made;
}

}  // namespace

Compiled compileNew(std::string_view text, const Surroundings& surroundings) { return compileWithin(text, &surroundings); }

Compiled compile(std::string_view text) { return compileWithin(text, nullptr); }

std::string describe(const std::vector<Diagnostic>& diagnostics) {
  // One message must stay readable whatever somebody sends.
  constexpr std::size_t kShown = 20;
  std::string out = "Invalid State Machine Definition: '";
  for (std::size_t i = 0; i < diagnostics.size() && i < kShown; ++i) {
    const auto& one = diagnostics[i];
    out += fmt::format("{}{}: {}{}{}", i == 0 ? "" : ", ", one.code, one.message, one.location.empty() ? "" : " at ", one.location);
  }
  if (diagnostics.size() > kShown) out += fmt::format(", and {} more", diagnostics.size() - kShown);
  return out + "'";
}

}  // namespace sp::asl
