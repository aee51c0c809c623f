#include "model/documents/plan.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"

namespace sp::document {
namespace {

// What lies outside counts as the default: AWS's agent does so without a word.
constexpr std::int64_t kSecondsLeast = 5;
constexpr std::int64_t kSecondsMost = 172'800;
constexpr std::int64_t kSecondsDefault = 3600;

std::unexpected<Error> bad(std::string message) { return fail("document.parameters", std::move(message)); }

std::string textOf(const json::Object& inputs, std::string_view name) {
  const auto* value = json::find(inputs, name);
  if (value == nullptr || value->is_null()) return "";
  return value->is_string() ? json::toStd(value->get_string()) : json::toText(*value);
}

std::int64_t secondsOf(const json::Object& inputs) {
  const auto* value = json::find(inputs, "timeoutSeconds");
  if (value == nullptr) return kSecondsDefault;
  std::optional<std::int64_t> seconds;
  if (value->is_int64()) seconds = value->get_int64();
  if (value->is_string()) seconds = parseInt(json::toView(value->get_string()));
  if (value->is_array() && value->get_array().size() == 1 && value->get_array()[0].is_string())
    seconds = parseInt(json::toView(value->get_array()[0].get_string()));
  return seconds && *seconds >= kSecondsLeast && *seconds <= kSecondsMost ? *seconds : kSecondsDefault;
}

/// Lines of a script: texts, lists of texts, and lists that parameters put into lists.
Result<void> addLines(const json::Value& value, std::string_view step, std::vector<std::string>& lines) {
  if (value.is_array()) {
    for (const auto& each : value.get_array()) SP_CHECK_OK(addLines(each, step, lines));
    return {};
  }
  if (value.is_object()) return bad(fmt::format("step \"{}\": runCommand holds an object; it must be a text or a list of texts", step));
  lines.push_back(value.is_string() ? json::toStd(value.get_string()) : json::toText(value));
  return {};
}

/// A map, or its text as JSON.
std::optional<json::Object> mapOf(const json::Object& inputs, std::string_view name) {
  const auto* value = json::find(inputs, name);
  if (value == nullptr || value->is_null()) return json::Object();
  if (value->is_object()) return value->get_object();
  const auto text = textOf(inputs, name);
  if (trim(text).empty()) return json::Object();
  auto parsed = json::parse(text);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  return std::move(parsed->get_object());
}

/// "NAME" of "arn:…:document/NAME:3".
std::string bareName(std::string_view name) {
  const auto slash = name.rfind('/');
  if (slash != std::string_view::npos) name.remove_prefix(slash + 1);
  return std::string(name.substr(0, name.find(':')));
}

class Planner {
 public:
  Planner(const Content& content, const Values& values, const PlanFor& wanted, std::size_t depth)
      : content_(content), values_(values), wanted_(wanted), depth_(depth) {}

  Result<Plan> plan() {
    Plan plan;
    for (const auto& step : content_.steps) {
      SP_TRY(auto planned, one(step));
      plan.steps.push_back(std::move(planned));
    }
    return plan;
  }

 private:
  Result<PlannedStep> one(const Step& step) {
    PlannedStep planned;
    planned.name = step.name;
    planned.plugin = step.action;
    planned.skipped = skipped(step);
    SP_TRY(const auto inputs, filled(step.inputs));
    planned.on_failure = textOf(inputs, "onFailure");
    planned.on_success = textOf(inputs, "onSuccess");
    planned.finally_step = isFinally(inputs);
    if (!planned.skipped.empty()) return planned;
    if (!step.properties.empty()) {
      for (std::size_t i = 0; i < step.properties.size(); ++i) {
        PlannedStep part;
        const auto id = textOf(step.properties[i], "id");
        part.name = id.empty() ? fmt::format("{}.{}", i, step.action) : id;
        part.plugin = step.action;
        SP_TRY(const auto properties, filled(step.properties[i]));
        SP_CHECK_OK(fill(part, properties));
        planned.steps.push_back(std::move(part));
      }
      return planned;
    }
    SP_CHECK_OK(fill(planned, inputs));
    return planned;
  }

  Result<json::Object> filled(const json::Object& inputs) const {
    if (!wanted_.stored) return substitute(inputs, values_).get_object();
    SP_TRY(auto values, wanted_.stored(inputs));
    values.insert(values_.begin(), values_.end());
    return substitute(inputs, values).get_object();
  }

  Result<void> fill(PlannedStep& step, const json::Object& inputs) {
    if (step.plugin == "aws:downloadContent") return download(step, inputs);
    if (step.plugin == "aws:runDocument") return document(step, inputs);
    std::vector<std::string> lines;
    if (const auto* command = json::find(inputs, "runCommand")) SP_CHECK_OK(addLines(*command, step.name, lines));
    step.script = join(lines, "\n");
    step.working_directory = textOf(inputs, "workingDirectory");
    step.run_as_user = textOf(inputs, "runAsUser");
    step.timeout_seconds = secondsOf(inputs);
    return {};
  }

  Result<void> download(PlannedStep& step, const json::Object& inputs) {
    step.working_directory = textOf(inputs, "destinationPath");
    const auto type = textOf(inputs, "sourceType");
    const auto info = mapOf(inputs, "sourceInfo");
    if (!info)
      return bad(fmt::format("Parameter \"sourceInfo\" must be a JSON object like {{\"path\":\"https://…\"}}; got {}.",
                             textOf(inputs, "sourceInfo")));
    if (type == "S3") {
      const auto path = json::textOr(*info, "path");
      if (path.empty()) return bad("Parameter \"sourceInfo\" must have a member \"path\": the S3 URL of the script.");
      auto source = parseS3Url(path);
      if (!source) return bad("Parameter \"sourceInfo\": " + source.error().message);
      step.source = std::move(*source);
      return {};
    }
    if (type == "SSMDocument") {
      const auto name = json::textOr(*info, "name");
      if (name.empty()) return bad("Parameter \"sourceInfo\" must have a member \"name\": the name of the document, or NAME:VERSION.");
      SP_TRY(step.file_text, look(name));
      const auto begin = step.file_text.find_first_not_of(" \t\r\n");
      const bool is_json = begin != std::string::npos && step.file_text[begin] == '{';
      step.file_name = bareName(name) + (is_json ? ".json" : ".yaml");
      return {};
    }
    return bad(
        fmt::format("Parameter \"sourceType\" with value \"{}\" is not served here: put the content into a bucket and use S3.", type));
  }

  Result<void> document(PlannedStep& step, const json::Object& inputs) {
    const auto parameters = mapOf(inputs, "documentParameters");
    if (!parameters)
      return bad(fmt::format("Parameter \"documentParameters\" must be a JSON object; got {}.", textOf(inputs, "documentParameters")));
    const auto path = textOf(inputs, "documentPath");
    const auto type = textOf(inputs, "documentType");
    if (type == "LocalPath") {
      step.local_document = true;
      step.document_path = path;
      step.document_parameters = *parameters;
      return {};
    }
    if (type != "SSMDocument")
      return bad(fmt::format("step \"{}\": documentType is \"{}\"; allowed: SSMDocument, LocalPath", step.name, type));
    if (path.empty()) return bad(fmt::format("step \"{}\" has no documentPath: the name of the document that it runs", step.name));
    if (depth_ + 1 > kNestingMax)
      return fail("document.content", fmt::format("documents run documents more than {} deep, the last one is {}", kNestingMax, path));
    SP_TRY(const auto text, look(path));
    SP_TRY(const auto content, withContext(parseContent(text), path));
    SP_TRY(const auto values, readInnerValues(content, path, *parameters));
    SP_TRY(auto inner, makePlan(content, values, wanted_, depth_ + 1));
    step.steps = std::move(inner.steps);
    return {};
  }

  Result<std::string> look(std::string_view name) const {
    if (!wanted_.lookup)
      return fail("document.missing", fmt::format("the document {} cannot be had from within a document that lies on the machine", name));
    return wanted_.lookup(name);
  }

  /// Why the step is not for this machine; empty: it is.
  std::string skipped(const Step& step) const {
    const bool shell = step.action != "aws:runPowerShellScript" || wanted_.platform == "Windows";
    const bool fits = shell && (step.action != "aws:runShellScript" || wanted_.platform != "Windows");
    if (step.precondition) {
      const auto& both = json::find(*step.precondition, "StringEquals")->get_array();
      std::vector<std::string> sides;
      for (const auto& each : both) {
        const auto text = json::toStd(each.get_string());
        sides.push_back(text == kPlatformType ? wanted_.platform : substituteText(text, values_));
      }
      if (sides[0] != sides[1])
        return fmt::format("Step execution skipped due to unsatisfied preconditions: '\"StringEquals\": [{}, {}]'. Step name: {}",
                           json::toView(both[0].get_string()), json::toView(both[1].get_string()), step.name);
    }
    return fits ? "" : "Step execution skipped due to unsupported platform. Step name: " + step.name;
  }

  const Content& content_;
  const Values& values_;
  const PlanFor& wanted_;
  const std::size_t depth_;
};

}  // namespace

Result<Plan> makePlan(const Content& content, const Values& values, const PlanFor& wanted, std::size_t depth) {
  return Planner(content, values, wanted, depth).plan();
}

json::Object PlannedStep::encode() const {
  json::Object out{{"name", name}, {"plugin", plugin}};
  const auto text = [&](std::string_view member, const std::string& value) {
    if (!value.empty()) out[member] = value;
  };
  if (plugin == "aws:runShellScript" || plugin == "aws:runPowerShellScript") {
    out["script"] = script;
    out["workingDirectory"] = working_directory;
    out["timeoutMs"] = timeout_seconds * 1000;
    text("runAsUser", run_as_user);
  } else {
    text("workingDirectory", working_directory);
  }
  if (source) out["s3"] = json::Object{{"bucket", source->bucket}, {"key", source->key}};
  text("fileName", file_name);
  text("fileText", file_text);
  if (local_document) {
    out["documentPath"] = document_path;
    out["documentParameters"] = document_parameters;
  }
  if (!steps.empty()) out["steps"] = Plan{steps}.encode();
  text("onFailure", on_failure);
  text("onSuccess", on_success);
  if (finally_step) out["finally"] = true;
  text("skipped", skipped);
  text("error", error);
  return out;
}

PlannedStep PlannedStep::decode(const json::Object& object) {
  PlannedStep step;
  step.name = json::textOr(object, "name");
  step.plugin = json::textOr(object, "plugin");
  step.script = json::textOr(object, "script");
  step.working_directory = json::textOr(object, "workingDirectory");
  step.run_as_user = json::textOr(object, "runAsUser");
  step.timeout_seconds = json::intOr(object, "timeoutMs", kSecondsDefault * 1000) / 1000;
  if (const auto* s3 = json::find(object, "s3"); s3 != nullptr && s3->is_object())
    step.source = S3Source{json::textOr(s3->get_object(), "bucket"), json::textOr(s3->get_object(), "key")};
  step.file_name = json::textOr(object, "fileName");
  step.file_text = json::textOr(object, "fileText");
  if (const auto* parameters = json::find(object, "documentParameters"); parameters != nullptr && parameters->is_object()) {
    step.local_document = true;
    step.document_path = json::textOr(object, "documentPath");
    step.document_parameters = parameters->get_object();
  }
  if (const auto* inner = json::find(object, "steps"); inner != nullptr && inner->is_array())
    step.steps = Plan::decode(inner->get_array()).steps;
  step.on_failure = json::textOr(object, "onFailure");
  step.on_success = json::textOr(object, "onSuccess");
  step.finally_step = json::boolOr(object, "finally", false);
  step.skipped = json::textOr(object, "skipped");
  step.error = json::textOr(object, "error");
  return step;
}

std::int64_t Plan::seconds() const {
  std::int64_t sum = 0;
  for (const auto& step : steps) {
    if (!step.skipped.empty()) continue;
    if (!step.steps.empty()) sum += Plan{step.steps}.seconds();
    else if (step.plugin == "aws:runShellScript") sum += step.timeout_seconds;
    // Of a document that only the machine can read nobody knows.
    else if (step.local_document) sum += kSecondsDefault;
  }
  return sum == 0 ? kSecondsDefault : sum;
}

json::Array Plan::encode() const {
  json::Array array;
  for (const auto& step : steps) array.push_back(step.encode());
  return array;
}

Plan Plan::decode(const json::Array& array) {
  Plan plan;
  for (const auto& each : array)
    if (each.is_object()) plan.steps.push_back(PlannedStep::decode(each.get_object()));
  return plan;
}

}  // namespace sp::document
