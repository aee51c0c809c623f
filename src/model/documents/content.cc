#include "model/documents/content.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "model/documents/parameters.h"
#include "model/documents/yaml.h"

namespace sp::document {
namespace {

constexpr std::int64_t kPatternMemory = 1 << 20;
constexpr std::size_t kNameMax = 128;
constexpr std::string_view kShell = "aws:runShellScript";
constexpr std::string_view kPowerShell = "aws:runPowerShellScript";

struct TypeName {
  ParameterType type;
  std::string_view name;
};
constexpr std::array kTypes = {TypeName{ParameterType::string, "String"},       TypeName{ParameterType::stringList, "StringList"},
                               TypeName{ParameterType::boolean, "Boolean"},     TypeName{ParameterType::integer, "Integer"},
                               TypeName{ParameterType::stringMap, "StringMap"}, TypeName{ParameterType::mapList, "MapList"}};

/// The inputs an action takes, beside those that all take.
struct Action {
  std::string_view name;
  std::vector<std::string_view> required;
  std::vector<std::string_view> optional;
};
const std::vector<Action>& actions() {
  static const std::vector<Action> served = {
      {kShell, {"runCommand"}, {"id", "workingDirectory", "timeoutSeconds", "runAsUser"}},
      {kPowerShell, {"runCommand"}, {"id", "workingDirectory", "timeoutSeconds"}},
      {"aws:downloadContent", {"sourceType", "sourceInfo"}, {"id", "destinationPath"}},
      {"aws:runDocument", {"documentType"}, {"id", "documentPath", "documentParameters"}},
  };
  return served;
}
/// Those that exist on AWS and not here: the message says which it is.
constexpr std::array<std::string_view, 11> kElsewhere = {
    "aws:applications",    "aws:cloudWatch",         "aws:configureDocker",   "aws:configurePackage", "aws:domainJoin",    "aws:psModule",
    "aws:runDockerAction", "aws:refreshAssociation", "aws:softwareInventory", "aws:updateAgent",      "aws:updateSsmAgent"};
constexpr std::array<std::string_view, 3> kShared = {"onFailure", "onSuccess", "finallyStep"};

std::unexpected<Error> bad(std::string message) { return fail("document.content", std::move(message)); }

bool isWord(std::string_view text, std::string_view more) {
  return !text.empty() && text.size() <= kNameMax && std::ranges::all_of(text, [more](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || more.find(c) != std::string_view::npos;
  });
}

Result<void> onlyMembers(const json::Object& object, std::string_view where, const std::vector<std::string_view>& known) {
  for (const auto& [key, value] : object)
    if (std::ranges::find(known, std::string_view(key)) == known.end())
      return bad(fmt::format("{} has a member \"{}\", which is not known there", where, std::string_view(key)));
  return {};
}

Result<std::optional<std::int64_t>> bound(const json::Object& object, std::string_view name, std::string_view parameter) {
  const auto* value = json::find(object, name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_int64() || value->get_int64() < 0)
    return bad(fmt::format("parameter \"{}\": {} must be a number of at least 0", parameter, name));
  return value->get_int64();
}

Result<Parameter> readParameter(std::string_view name, const json::Value& value) {
  if (!isWord(name, "")) return bad(fmt::format("a parameter is named \"{}\": letters and digits are allowed, up to {}", name, kNameMax));
  if (!value.is_object()) return bad(fmt::format("parameter \"{}\" must be an object, not {}", name, json::kindName(value)));
  const auto& object = value.get_object();
  SP_CHECK_OK(onlyMembers(object, fmt::format("parameter \"{}\"", name),
                          {"type", "description", "default", "allowedValues", "allowedPattern", "displayType", "minItems", "maxItems",
                           "minChars", "maxChars"}));
  Parameter parameter;
  parameter.name = name;
  const auto wanted = json::textOr(object, "type");
  const auto type = std::ranges::find(kTypes, wanted, &TypeName::name);
  if (type == kTypes.end())
    return bad(fmt::format("parameter \"{}\" has the type \"{}\"; there are String, StringList, Boolean, Integer, StringMap and MapList",
                           name, wanted));
  parameter.type = type->type;
  parameter.description = json::textOr(object, "description");
  parameter.pattern = json::textOr(object, "allowedPattern");
  if (!parameter.pattern.empty()) {
    if (const auto readable = matchesPattern("", parameter.pattern); !readable)
      return bad(fmt::format("parameter \"{}\": {}", name, readable.error().message));
  }
  SP_TRY(parameter.least_items, bound(object, "minItems", name));
  SP_TRY(parameter.most_items, bound(object, "maxItems", name));
  SP_TRY(parameter.least_chars, bound(object, "minChars", name));
  SP_TRY(parameter.most_chars, bound(object, "maxChars", name));
  if (const auto* allowed = json::find(object, "allowedValues")) {
    if (!allowed->is_array() || allowed->get_array().empty())
      return bad(fmt::format("parameter \"{}\": allowedValues must be a list with at least one value", name));
    parameter.allowed.assign(allowed->get_array().begin(), allowed->get_array().end());
  }
  if (const auto* otherwise = json::find(object, "default")) {
    auto typed = typedValue(parameter, *otherwise);
    if (!typed) return bad(fmt::format("the default of a parameter does not fit it: {}", typed.error().message));
    parameter.otherwise = std::move(*typed);
  }
  return parameter;
}

Result<void> checkFlow(const json::Object& inputs, std::string_view step, bool last) {
  const auto word = [&](std::string_view name, std::initializer_list<std::string_view> allowed) -> Result<void> {
    const auto* value = json::find(inputs, name);
    if (value == nullptr) return {};
    const auto text = value->is_string() ? json::toStd(value->get_string()) : json::toText(*value);
    if (std::ranges::find(allowed, std::string_view(text)) != allowed.end()) return {};
    return bad(fmt::format("step \"{}\": {} is \"{}\"; allowed: {}", step, name, text, fmt::join(allowed, ", ")));
  };
  SP_CHECK_OK(word("onFailure", {"exit", "successAndExit"}));
  SP_CHECK_OK(word("onSuccess", {"exit"}));
  SP_CHECK_OK(word("finallyStep", {"true", "false"}));
  if (isFinally(inputs) && !last) return bad(fmt::format("step \"{}\" has finallyStep and is not the last one", step));
  return {};
}

/// What a step that does something needs, as far as it is written without parameters.
Result<void> checkInputs(const json::Object& inputs, std::string_view action, std::string_view step) {
  const auto known = std::ranges::find(actions(), action, &Action::name);
  std::vector<std::string_view> members = known->required;
  members.insert(members.end(), known->optional.begin(), known->optional.end());
  members.insert(members.end(), kShared.begin(), kShared.end());
  SP_CHECK_OK(onlyMembers(inputs, fmt::format("step \"{}\" ({}): inputs", step, action), members));
  for (const auto& name : known->required)
    if (json::find(inputs, name) == nullptr) return bad(fmt::format("step \"{}\" ({}) has no input \"{}\"", step, action, name));
  if (action == "aws:downloadContent") {
    const auto type = json::textOr(inputs, "sourceType");
    if (type.find("{{") == std::string::npos && type != "S3" && type != "SSMDocument")
      return bad(fmt::format("step \"{}\": content of sourceType \"{}\" is not fetched here; use S3 or SSMDocument", step, type));
  }
  if (action == "aws:runDocument") {
    const auto type = json::textOr(inputs, "documentType");
    if (type.find("{{") == std::string::npos && type != "SSMDocument" && type != "LocalPath")
      return bad(fmt::format("step \"{}\": documentType is \"{}\"; allowed: SSMDocument, LocalPath", step, type));
  }
  return {};
}

Result<void> checkAction(std::string_view action, std::string_view step) {
  if (std::ranges::find(actions(), action, &Action::name) != actions().end()) return {};
  if (std::ranges::find(kElsewhere, action) != kElsewhere.end())
    return bad(
        fmt::format("step \"{}\": the action {} is not served here; there are aws:runShellScript, aws:downloadContent and "
                    "aws:runDocument",
                    step, action));
  return bad(fmt::format("step \"{}\": there is no action \"{}\" for documents of type Command", step, action));
}

Result<void> checkPrecondition(const json::Object& precondition, std::string_view step) {
  const auto wrong = bad(fmt::format("step \"{}\": a precondition is {{\"StringEquals\": [A, B]}} with two texts", step));
  if (precondition.size() != 1) return wrong;
  const auto* both = json::find(precondition, "StringEquals");
  if (both == nullptr || !both->is_array() || both->get_array().size() != 2) return wrong;
  if (!std::ranges::all_of(both->get_array(), [](const json::Value& each) { return each.is_string(); })) return wrong;
  return {};
}

Result<Step> readStep(const json::Value& value, std::size_t place, const std::string& schema, bool last) {
  if (!value.is_object()) return bad(fmt::format("mainSteps[{}] must be an object, not {}", place, json::kindName(value)));
  const auto& object = value.get_object();
  Step step;
  step.name = json::textOr(object, "name");
  step.action = json::textOr(object, "action");
  if (!isWord(step.name, "_-."))
    return bad(fmt::format("mainSteps[{}] is named \"{}\": letters, digits, _ - and . are allowed, up to {}", place, step.name, kNameMax));
  for (const std::string_view other : {"isCritical", "isEnd", "nextStep", "maxAttempts", "onCancel", "outputs"})
    if (object.contains(other))
      return bad(fmt::format("step \"{}\" has \"{}\", which documents of type Automation know; documents of type Command do not", step.name,
                             other));
  SP_CHECK_OK(
      onlyMembers(object, fmt::format("step \"{}\"", step.name),
                  {"name", "action", "description", "inputs", "precondition", "onFailure", "onSuccess", "finallyStep", "timeoutSeconds"}));
  SP_CHECK_OK(checkAction(step.action, step.name));
  const auto* inputs = json::find(object, "inputs");
  if (inputs == nullptr || !inputs->is_object()) return bad(fmt::format("step \"{}\" has no object \"inputs\"", step.name));
  step.inputs = inputs->get_object();
  // People write them beside the inputs too, where other types of documents have them.
  for (const std::string_view shared : {"onFailure", "onSuccess", "finallyStep", "timeoutSeconds"})
    if (const auto* beside = json::find(object, shared); beside != nullptr && !step.inputs.contains(shared))
      step.inputs.emplace(shared, *beside);
  SP_CHECK_OK(checkInputs(step.inputs, step.action, step.name));
  SP_CHECK_OK(checkFlow(step.inputs, step.name, last));
  if (const auto* precondition = json::find(object, "precondition")) {
    if (schema == "2.0") return bad(fmt::format("step \"{}\": preconditions need schemaVersion 2.2", step.name));
    if (!precondition->is_object()) return bad(fmt::format("step \"{}\": its precondition must be an object", step.name));
    step.precondition = precondition->get_object();
    SP_CHECK_OK(checkPrecondition(*step.precondition, step.name));
  }
  return step;
}

Result<std::vector<Step>> readMainSteps(const json::Object& document, const std::string& schema) {
  const auto* list = json::find(document, "mainSteps");
  if (list == nullptr || !list->is_array() || list->get_array().empty())
    return bad(fmt::format("a document of schema {} needs \"mainSteps\", a list with at least one step", schema));
  std::vector<Step> steps;
  std::set<std::string> names;
  const auto& array = list->get_array();
  for (std::size_t i = 0; i < array.size(); ++i) {
    SP_TRY(auto step, readStep(array[i], i, schema, i + 1 == array.size()));
    if (!names.insert(step.name).second) return bad(fmt::format("two steps are named \"{}\"", step.name));
    steps.push_back(std::move(step));
  }
  return steps;
}

/// Schema 1.2: plugins by name, each with one object of properties or a list of them.
Result<std::vector<Step>> readRuntimeConfig(const json::Object& document) {
  const auto* config = json::find(document, "runtimeConfig");
  if (config == nullptr || !config->is_object() || config->get_object().empty())
    return bad("a document of schema 1.2 needs \"runtimeConfig\", an object with at least one plugin");
  std::vector<Step> steps;
  for (const auto& [key, value] : config->get_object()) {
    Step step;
    step.name = step.action = std::string_view(key);
    SP_CHECK_OK(checkAction(step.action, step.name));
    const auto* properties = value.is_object() ? json::find(value.get_object(), "properties") : nullptr;
    if (properties == nullptr) return bad(fmt::format("plugin \"{}\" has no \"properties\"", step.name));
    if (properties->is_object()) step.properties.push_back(properties->get_object());
    else if (properties->is_array())
      for (const auto& each : properties->get_array()) {
        if (!each.is_object()) return bad(fmt::format("plugin \"{}\": its properties must be objects", step.name));
        step.properties.push_back(each.get_object());
      }
    if (step.properties.empty()) return bad(fmt::format("plugin \"{}\" has no properties", step.name));
    for (const auto& each : step.properties) SP_CHECK_OK(checkInputs(each, step.action, step.name));
    if (step.properties.size() == 1) {
      step.inputs = std::move(step.properties.front());
      step.properties.clear();
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

/// A precondition that names one platform, if it does.
std::string platformOf(const Step& step) {
  if (!step.precondition) return "";
  const auto& both = json::find(*step.precondition, "StringEquals")->get_array();
  const auto first = json::toView(both[0].get_string());
  const auto second = json::toView(both[1].get_string());
  if (first == kPlatformType) return std::string(second);
  return second == kPlatformType ? std::string(first) : "";
}

}  // namespace

std::string_view name(ParameterType type) { return std::ranges::find(kTypes, type, &TypeName::type)->name; }

const Parameter* Content::find(std::string_view parameter) const {
  const auto found = std::ranges::find(parameters, parameter, &Parameter::name);
  return found == parameters.end() ? nullptr : &*found;
}

std::vector<std::string> Content::platforms() const {
  std::vector<std::string> found;
  for (const std::string platform : {"Windows", "Linux", "MacOS"}) {
    const bool runs = std::ranges::any_of(steps, [&](const Step& step) {
      const auto asked = platformOf(step);
      if (!asked.empty() && asked != platform) return false;
      if (step.action == kShell) return platform != "Windows";
      return step.action != kPowerShell || platform == "Windows" || schema != "1.2";
    });
    if (runs) found.push_back(platform);
  }
  return found;
}

Result<bool> matchesPattern(std::string_view text, const std::string& pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemory);
  const re2::RE2 expression(pattern, options);
  if (!expression.ok()) return bad(fmt::format("the pattern \"{}\" cannot be read: {}", pattern, expression.error()));
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), expression);
}

Result<json::Object> parseText(std::string_view text, Format format) {
  auto value = format == Format::json ? json::parse(text, 64) : parseYaml(text);
  const auto* word = format == Format::json ? "JSON" : "YAML";
  if (!value) return bad(fmt::format("the content is no {}: {}", word, value.error().message));
  if (!value->is_object()) return bad(fmt::format("the content must be an object of {}, not {}", word, json::kindName(*value)));
  return std::move(value->get_object());
}

Result<Content> readContent(const json::Object& document) {
  Content content;
  const auto* schema = json::find(document, "schemaVersion");
  if (schema == nullptr) return bad("the content has no \"schemaVersion\"");
  // In YAML it is often written without quotes.
  content.schema = schema->is_string() ? json::toStd(schema->get_string()) : json::toText(*schema);
  if (content.schema != "1.2" && content.schema != "2.0" && content.schema != "2.2")
    return fail("document.schema",
                fmt::format("schemaVersion {} is not served here: documents of type Command have 1.2, 2.0 or 2.2", content.schema));
  const bool old = content.schema == "1.2";
  SP_CHECK_OK(onlyMembers(document, "the document",
                          {"schemaVersion", "description", "parameters", "$schema", old ? "runtimeConfig" : "mainSteps"}));
  if (const auto* description = json::find(document, "description"); description != nullptr && !description->is_string())
    return bad("\"description\" must be a text");
  content.description = json::textOr(document, "description");
  if (const auto* parameters = json::find(document, "parameters")) {
    if (!parameters->is_object()) return bad("\"parameters\" must be an object");
    for (const auto& [key, value] : parameters->get_object()) {
      SP_TRY(auto parameter, readParameter(key, value));
      content.parameters.push_back(std::move(parameter));
    }
  }
  SP_TRY(content.steps, old ? readRuntimeConfig(document) : readMainSteps(document, content.schema));
  return content;
}

Result<Content> parseContent(std::string_view text, std::optional<Format> format) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  const auto guess = begin != std::string_view::npos && text[begin] == '{' ? Format::json : Format::yaml;
  SP_TRY(const auto document, parseText(text, format.value_or(guess)));
  return readContent(document);
}

}  // namespace sp::document
