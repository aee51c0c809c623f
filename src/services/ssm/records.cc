#include "services/ssm/records.h"

#include <algorithm>

namespace sp::services::ssm {
namespace {

json::Value optionalMicros(const std::optional<Instant>& t) { return t ? json::Value(toMicros(*t)) : json::Value(nullptr); }

std::optional<Instant> readMicros(const json::Object& body, std::string_view key) {
  const auto* value = json::find(body, key);
  if (value == nullptr || !value->is_int64()) return std::nullopt;
  return fromMicros(value->get_int64());
}

json::Object objectOr(const json::Object& body, std::string_view key) {
  const auto* value = json::find(body, key);
  return value != nullptr && value->is_object() ? value->get_object() : json::Object();
}

json::Array toArray(const std::vector<std::string>& texts) {
  json::Array array;
  for (const auto& each : texts) array.emplace_back(each);
  return array;
}

json::Object encodeStep(const StepRecord& step) {
  json::Object encoded{{"name", step.name},
                       {"plugin", step.plugin},
                       {"status", step.status},
                       {"details", step.details},
                       {"exitCode", step.exit_code},
                       {"output", step.output},
                       {"error", step.error},
                       {"outputBytes", step.output_bytes},
                       {"errorBytes", step.error_bytes},
                       {"started", optionalMicros(step.started)},
                       {"ended", optionalMicros(step.ended)}};
  // Most records of a large fleet are short commands that have none of these.
  if (!step.skipped.empty()) encoded["skipped"] = step.skipped;
  if (!step.output_note.empty()) encoded["outputNote"] = step.output_note;
  if (!step.sha256.empty()) encoded["sha256"] = step.sha256;
  if (!step.scripts.empty()) encoded["scripts"] = step.scripts;
  if (!step.usage.empty()) encoded["usage"] = step.usage;
  if (!step.files.empty()) encoded["files"] = step.files;
  return encoded;
}

StepRecord decodeStep(const json::Object& body) {
  StepRecord step;
  step.name = json::textOr(body, "name");
  step.plugin = json::textOr(body, "plugin");
  step.skipped = json::textOr(body, "skipped");
  step.status = json::textOr(body, "status");
  step.details = json::textOr(body, "details");
  step.exit_code = json::intOr(body, "exitCode", -1);
  step.output = json::textOr(body, "output");
  step.error = json::textOr(body, "error");
  step.output_bytes = json::intOr(body, "outputBytes", 0);
  step.error_bytes = json::intOr(body, "errorBytes", 0);
  step.output_note = json::textOr(body, "outputNote");
  step.sha256 = json::textOr(body, "sha256");
  step.usage = objectOr(body, "usage");
  if (const auto* files = json::find(body, "files"); files != nullptr && files->is_array()) step.files = files->get_array();
  if (const auto* scripts = json::find(body, "scripts"); scripts != nullptr && scripts->is_array()) step.scripts = scripts->get_array();
  step.started = readMicros(body, "started");
  step.ended = readMicros(body, "ended");
  return step;
}

}  // namespace

std::vector<StepRecord>::iterator stepOf(Invocation& invocation, std::string_view name) {
  const auto found = std::ranges::find(invocation.steps, name, &StepRecord::name);
  const auto slash = name.find('/');
  if (found != invocation.steps.end() || slash == std::string_view::npos) return found;
  return std::ranges::find(invocation.steps, name.substr(0, slash), &StepRecord::name);
}

bool isTerminal(std::string_view status) { return status != "Pending" && status != "InProgress" && status != "Cancelling"; }

json::Object Invocation::encode() const {
  json::Array encoded_steps;
  for (const auto& step : steps) encoded_steps.push_back(encodeStep(step));
  json::Object body{
      {"command", command_id}, {"instance", instance_id},   {"document", document_name},         {"comment", comment},
      {"status", status},      {"details", details},        {"requested", toMicros(requested)},  {"ended", optionalMicros(ended)},
      {"place", place},        {"accepted", accepted},      {"steps", std::move(encoded_steps)}, {"freeze", freeze},
      {"message", message},    {"mayHaveRun", may_have_run}};
  if (never_ran) body["neverRan"] = true;
  if (guarded) body["guarded"] = true;
  return body;
}

Result<Invocation> Invocation::decode(const json::Object& body) {
  json::Reader reader(body, "invocation");
  Invocation invocation;
  invocation.command_id = reader.text("command");
  invocation.instance_id = reader.text("instance");
  invocation.document_name = reader.text("document");
  invocation.comment = reader.text("comment");
  invocation.status = reader.text("status");
  invocation.details = reader.text("details");
  invocation.requested = fromMicros(reader.integer("requested"));
  invocation.ended = readMicros(body, "ended");
  // Commands of before places were kept say it themselves.
  invocation.place = json::intOr(body, "place", -1);
  invocation.dispatched = json::boolOr(body, "dispatched", false);
  invocation.accepted = reader.boolean("accepted");
  invocation.may_have_run = json::boolOr(body, "mayHaveRun", false);
  invocation.never_ran = json::boolOr(body, "neverRan", false);
  invocation.guarded = json::boolOr(body, "guarded", false);
  if (const auto* list = reader.arrayIf("steps"))
    for (const auto& each : *list)
      if (each.is_object()) invocation.steps.push_back(decodeStep(each.get_object()));
  invocation.freeze = objectOr(body, "freeze");
  invocation.message = reader.text("message");
  SP_CHECK_OK(reader.finish());
  return invocation;
}

json::Object Command::encode() const {
  json::Object body{{"id", id},
                    {"document", document_name},
                    {"version", document_version},
                    {"comment", comment},
                    {"parameters", parameters},
                    {"instances", toArray(instance_ids)},
                    {"targets", targets},
                    {"requested", toMicros(requested)},
                    {"expires", toMicros(expires)},
                    {"timeoutSeconds", timeout_seconds},
                    {"executionSeconds", execution_seconds},
                    {"maxConcurrency", max_concurrency},
                    {"maxErrors", max_errors},
                    {"outputBucket", output_bucket},
                    {"outputPrefix", output_prefix},
                    {"outputRegion", output_region},
                    {"serviceRole", service_role},
                    {"notification", notification},
                    {"cloudwatch", cloudwatch},
                    {"targetCount", target_count},
                    {"by", by},
                    {"freeze", freeze},
                    {"environment", environment},
                    {"dedup", dedup_key}};
  if (!promise.empty()) body["promise"] = promise;
  return body;
}

Result<Command> Command::decode(const json::Object& body) {
  json::Reader reader(body, "command");
  Command command;
  command.id = reader.text("id");
  command.document_name = reader.text("document");
  command.document_version = reader.text("version");
  command.comment = reader.text("comment");
  command.parameters = objectOr(body, "parameters");
  command.instance_ids = reader.textsIf("instances");
  if (const auto* list = reader.arrayIf("targets")) command.targets = *list;
  command.requested = fromMicros(reader.integer("requested"));
  command.expires = fromMicros(reader.integer("expires"));
  command.timeout_seconds = reader.integer("timeoutSeconds");
  command.execution_seconds = reader.integer("executionSeconds");
  command.max_concurrency = reader.text("maxConcurrency");
  command.max_errors = reader.text("maxErrors");
  command.output_bucket = reader.text("outputBucket");
  command.output_prefix = reader.text("outputPrefix");
  command.output_region = reader.text("outputRegion");
  command.service_role = reader.text("serviceRole");
  command.notification = objectOr(body, "notification");
  command.cloudwatch = objectOr(body, "cloudwatch");
  command.target_count = reader.integer("targetCount");
  command.by = reader.text("by");
  command.freeze = objectOr(body, "freeze");
  command.environment = objectOr(body, "environment");
  command.dedup_key = reader.text("dedup");
  command.promise = reader.textIf("promise").value_or("");
  SP_CHECK_OK(reader.finish());
  return command;
}

json::Object Command::encodeProgress() const {
  json::Object counts;
  for (const auto& [key, count] : tally) counts.emplace(key, count);
  json::Object body{{"status", status},   {"details", details}, {"tally", std::move(counts)},
                    {"waiting", waiting}, {"next", next},       {"window", window}};
  if (!passed_over.empty()) body["passedOver"] = toArray(passed_over);
  return body;
}

Result<void> Command::decodeProgress(const json::Object& body) {
  // Read with every result: without Reader's book-keeping.
  status = json::textOr(body, "status");
  details = json::textOr(body, "details");
  if (status.empty() || details.empty()) return fail("json.missing", "a command's progress has no status");
  tally.clear();
  if (const auto* counts = json::find(body, "tally"); counts != nullptr && counts->is_object())
    for (const auto& [key, count] : counts->get_object())
      if (count.is_int64()) tally.emplace(std::string(key), count.get_int64());
  // Commands of before the two were apart have the machines themselves there.
  const auto* machines = json::find(body, "waiting");
  waiting = machines != nullptr && machines->is_array() ? std::ssize(machines->get_array()) : json::intOr(body, "waiting", 0);
  next = json::intOr(body, "next", 0);
  passed_over.clear();
  if (const auto* over = json::find(body, "passedOver"); over != nullptr && over->is_array())
    for (const auto& machine : over->get_array())
      if (machine.is_string()) passed_over.push_back(json::toStd(machine.get_string()));
  window = json::intOr(body, "window", 1);
  return {};
}

}  // namespace sp::services::ssm
