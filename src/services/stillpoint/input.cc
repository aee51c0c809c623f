#include "services/stillpoint/input.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/strings.h"
#include "model/arn.h"
#include "model/documents/s3_url.h"
#include "services/backup/tags.h"

namespace sp::services::stillpoint {
namespace {

constexpr std::string_view kInvalid = "Stillpoint.InvalidInput";
constexpr std::size_t kShownValue = 200;
/// SendCommand's.
constexpr std::size_t kPrefixMax = 500;

// The value as the message shows it: JSON, cut when long.
std::string shown(const json::Value& value) {
  auto text = json::toText(value);
  if (text.size() > kShownValue) text = std::string(cutText(text, kShownValue)) + "…";
  return text;
}

std::unexpected<Error> refused(std::string_view property, const json::Value& value, std::string_view why) {
  return fail(std::string(kInvalid), fmt::format("{} is {}: {}", property, shown(value), why));
}

// One object of the input. Every member asked for is known; finish() refuses the rest.
class Members {
 public:
  Members(const json::Object& object, std::string path) : object_(object), path_(std::move(path)) {}

  std::string at(std::string_view key) const { return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key); }

  const json::Value* find(std::string_view key) {
    // Some are looked for twice: whether they are there, and what they are.
    if (std::ranges::find(known_, key) == known_.end()) known_.emplace_back(key);
    return json::find(object_, key);
  }

  Result<const json::Object*> object(std::string_view key, bool required) {
    const auto* value = find(key);
    if (value == nullptr) {
      if (required) return missing(key);
      return nullptr;
    }
    if (!value->is_object()) return refused(at(key), *value, "must be an object");
    return &value->get_object();
  }

  Result<std::string> text(std::string_view key, bool required, bool may_be_empty) {
    const auto* value = find(key);
    if (value == nullptr) {
      if (required) return missing(key);
      return std::string();
    }
    if (!value->is_string()) return refused(at(key), *value, "must be a string");
    if (value->get_string().empty() && !may_be_empty) return refused(at(key), *value, "must not be empty");
    return json::toStd(value->get_string());
  }

  Result<bool> boolean(std::string_view key, bool otherwise) {
    const auto* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_bool()) return refused(at(key), *value, "must be true or false");
    return value->get_bool();
  }

  // A whole number, as a number or as digits in a string (the sample's README says String, its code needs a number).
  Result<std::int64_t> count(std::string_view key, std::string_view unit, std::int64_t low, std::int64_t high, std::int64_t otherwise) {
    const auto* value = find(key);
    if (value == nullptr) return otherwise;
    std::optional<std::int64_t> number;
    if (value->is_int64()) {
      number = value->get_int64();
    } else if (value->is_uint64()) {
      number = std::numeric_limits<std::int64_t>::max();
    } else if (value->is_string()) {
      const auto digits = json::toView(value->get_string());
      if (!digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos)
        number = parseInt(digits).value_or(std::numeric_limits<std::int64_t>::max());
    }
    if (!number) return refused(at(key), *value, fmt::format("must be a whole number of {}, as a number or as digits", unit));
    if (*number < low || *number > high) return refused(at(key), *value, fmt::format("must be from {} to {} {}", low, high, unit));
    return *number;
  }

  Result<std::int64_t> seconds(std::string_view key, std::int64_t low, std::int64_t high, std::int64_t otherwise) {
    return count(key, "seconds", low, high, otherwise);
  }

  Result<std::string> oneOf(std::string_view key, const std::vector<std::string_view>& words) {
    const auto* value = find(key);
    if (value == nullptr) return std::string(words.front());
    if (value->is_string() && std::ranges::find(words, json::toView(value->get_string())) != words.end())
      return json::toStd(value->get_string());
    std::string list;
    for (const auto word : words) list += (list.empty() ? "\"" : " or \"") + std::string(word) + "\"";
    return refused(at(key), *value, "must be " + list);
  }

  std::unexpected<Error> missing(std::string_view key) const { return fail(std::string(kInvalid), fmt::format("{} is missing", at(key))); }

  Result<void> finish() const {
    for (const auto& member : object_)
      if (std::ranges::find(known_, std::string_view(member.key())) == known_.end())
        return refused(at(member.key()), member.value(), "there is no such property; known here: " + join(known_, ", "));
    return {};
  }

 private:
  const json::Object& object_;
  std::string path_;
  std::vector<std::string> known_;
};

Result<Script> parseScript(const json::Object& object, std::string path) {
  Members in(object, std::move(path));
  Script script;
  SP_TRY(script.source, in.text("SourceS3Path", true, false));
  if (const auto source = document::parseS3Url(script.source); !source)
    return refused(in.at("SourceS3Path"), json::Value(script.source), source.error().message);
  SP_TRY(script.command, in.text("CommandToRun", true, false));
  SP_TRY(script.working_directory, in.text("WorkingDirectory", false, true));
  SP_TRY(script.timeout_seconds, in.seconds("TimeoutInSeconds", 30, 2'592'000, 3600));
  SP_TRY(script.execution_timeout_seconds, in.seconds("ExecutionTimeoutInSeconds", 5, 28'800, 3600));
  SP_TRY(script.output_bucket, in.text("OutputS3BucketName", false, true));
  SP_TRY(script.output_prefix, in.text("OutputS3KeyPrefix", false, true));
  SP_CHECK_OK(in.finish());
  if (script.output_prefix.size() > kPrefixMax)
    return refused(in.at("OutputS3KeyPrefix"), json::Value(script.output_prefix),
                   fmt::format("it has {} characters: at most {} are allowed", script.output_prefix.size(), kPrefixMax));
  return script;
}

Result<void> parseScripts(Members& in, RunInput& run) {
  SP_TRY(const auto* details, in.object("RemoteRunCommandDetails", false));
  if (details == nullptr) return {};
  Members scripts(*details, in.at("RemoteRunCommandDetails"));
  SP_TRY(const auto* pre, scripts.object("PreBackupScriptDetails", false));
  SP_TRY(const auto* post, scripts.object("PostBackupScriptDetails", false));
  SP_CHECK_OK(scripts.finish());
  if (pre != nullptr) { SP_TRY(run.pre, parseScript(*pre, scripts.at("PreBackupScriptDetails"))); }
  if (post != nullptr) { SP_TRY(run.post, parseScript(*post, scripts.at("PostBackupScriptDetails"))); }
  return {};
}

Result<void> parseTargets(Members& in, RunInput& run) {
  const auto* ids = in.find("TargetEC2Instances");
  const bool has_key = in.find("TargetEC2TagKey") != nullptr;
  const bool has_value = in.find("TargetEC2TagValue") != nullptr;
  SP_TRY(run.tag_key, in.text("TargetEC2TagKey", false, false));
  SP_TRY(run.tag_value, in.text("TargetEC2TagValue", false, true));
  if (ids != nullptr && (has_key || has_value))
    return refused("TargetEC2Instances", *ids, "give either TargetEC2Instances or TargetEC2TagKey and TargetEC2TagValue, not both");
  if (ids == nullptr) {
    if (!has_key && !has_value)
      return fail(std::string(kInvalid),
                  "TargetEC2Instances is missing, and so are TargetEC2TagKey and TargetEC2TagValue: give one kind of target");
    if (!has_key) return in.missing("TargetEC2TagKey");
    if (!has_value) return in.missing("TargetEC2TagValue");
    run.by_tag = true;
    return {};
  }
  if (!ids->is_array()) return refused("TargetEC2Instances", *ids, "must be a list of instance ids");
  std::size_t index = 0;
  for (const auto& id : ids->get_array()) {
    const auto property = fmt::format("TargetEC2Instances[{}]", index++);
    if (!id.is_string() || id.get_string().empty()) return refused(property, id, "must be an instance id such as \"i-0123456789abcdef0\"");
    auto text = json::toStd(id.get_string());
    if (std::ranges::find(run.instances, text) != run.instances.end()) return refused(property, id, "is given twice");
    run.instances.push_back(std::move(text));
  }
  return {};
}

Result<void> parseBackup(Members& in, RunInput& run) {
  SP_TRY(const auto* details, in.object("BackupDetails", !run.rehearsal));
  if (run.rehearsal && details != nullptr)
    return refused("BackupDetails", json::Value(*details), "a rehearsal (Rehearsal: true) backs nothing up: leave it out");
  if (details == nullptr) return {};
  Members backup(*details, in.at("BackupDetails"));
  SP_TRY(run.vault, backup.text("BackupVaultName", true, false));
  SP_TRY(run.role, backup.text("IamRoleArn", true, false));
  SP_TRY(const auto* lifecycle, backup.object("Lifecycle", false));
  SP_TRY(const auto start_window, backup.count("StartWindowMinutes", "minutes", 1, 52'560'000, 0));
  SP_TRY(run.completion_window, backup.count("CompletionWindowMinutes", "minutes", 60, 52'560'000, 0));
  SP_TRY(const auto* tags, backup.object("RecoveryPointTags", false));
  SP_CHECK_OK(backup.finish());
  if (lifecycle != nullptr) {
    Members days(*lifecycle, backup.at("Lifecycle"));
    SP_TRY(run.delete_after_days, days.count("DeleteAfterDays", "days", 1, 36'500, 0));
    SP_CHECK_OK(days.finish());
  }
  if (start_window > 0) run.start_window = start_window;
  if (run.completion_window > 0 && run.completion_window < start_window)
    return refused("BackupDetails.CompletionWindowMinutes", json::Value(run.completion_window), "must not be less than StartWindowMinutes");
  if (tags != nullptr)
    for (const auto& tag : *tags) {
      if (!tag.value().is_string())
        return refused("BackupDetails.RecoveryPointTags." + std::string(tag.key()), tag.value(), "must be a string");
      run.point_tags[std::string(tag.key())] = json::toStd(tag.value().get_string());
    }
  if (const auto bad = backup::badTags("BackupDetails.RecoveryPointTags", run.point_tags)) return fail(std::string(kInvalid), *bad);
  const auto arn = Arn::parse(run.role);
  if (!arn || arn->service != "iam")
    return refused("BackupDetails.IamRoleArn", json::Value(run.role),
                   "must be the ARN of a role, such as \"arn:aws:iam::000000000000:role/backup\"");
  return {};
}

Result<void> parseRehearsal(Members& in, RunInput& run) {
  SP_TRY(run.rehearsal, in.boolean("Rehearsal", false));
  if (!run.rehearsal) return {};
  if (run.stop_start) return refused("StartStopEC2Required", json::Value(true), "a rehearsal (Rehearsal: true) stops no machine");
  if (!run.pre || !run.post)
    return refused(
        "Rehearsal", json::Value(true),
        "it takes a pre-script and a post-script: give RemoteRunCommandDetails with PreBackupScriptDetails and PostBackupScriptDetails");
  return {};
}

}  // namespace

int RunInput::path() const {
  if (stop_start) return pre ? (post ? 1 : 2) : (post ? 3 : 4);
  return pre ? (post ? 5 : 6) : (post ? 7 : 8);
}

Result<RunInput> parseInput(const json::Value& input) {
  if (!input.is_object()) return refused("The input", input, "must be an object");
  Members in(input.get_object(), "");
  RunInput run;
  SP_CHECK_OK(parseTargets(in, run));
  SP_TRY(run.stop_start, in.boolean("StartStopEC2Required", false));
  SP_CHECK_OK(parseScripts(in, run));
  SP_CHECK_OK(parseRehearsal(in, run));
  SP_CHECK_OK(parseBackup(in, run));
  SP_TRY(const auto bad_target, in.oneOf("OnBadTarget", {"continue", "abort"}));
  run.abort_on_bad_target = bad_target == "abort";
  SP_TRY(run.stall_timeout_seconds, in.seconds("StallTimeoutInSeconds", 30, 86'400, 600));
  SP_TRY([[maybe_unused]] const auto thaw_at, in.oneOf("ThawAt", {"completed"}));
  SP_TRY([[maybe_unused]] const auto started_by, in.text("AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID", false, true));
  SP_CHECK_OK(in.finish());
  return run;
}

namespace {

json::Object encodeScript(const Script& script) {
  json::Object out;
  out["source"] = script.source;
  out["command"] = script.command;
  out["workingDirectory"] = script.working_directory;
  out["timeout"] = script.timeout_seconds;
  out["executionTimeout"] = script.execution_timeout_seconds;
  out["outputBucket"] = script.output_bucket;
  out["outputPrefix"] = script.output_prefix;
  return out;
}

std::optional<Script> decodeScript(const json::Object& record, std::string_view key) {
  const auto* value = json::find(record, key);
  if (value == nullptr || !value->is_object()) return std::nullopt;
  const auto& from = value->get_object();
  return Script{json::textOr(from, "source"),
                json::textOr(from, "command"),
                json::textOr(from, "workingDirectory"),
                json::intOr(from, "timeout", 3600),
                json::intOr(from, "executionTimeout", 3600),
                json::textOr(from, "outputBucket"),
                json::textOr(from, "outputPrefix")};
}

}  // namespace

json::Object encode(const RunInput& input) {
  json::Object out;
  out["byTag"] = input.by_tag;
  out["tagKey"] = input.tag_key;
  out["tagValue"] = input.tag_value;
  json::Array ids;
  for (const auto& id : input.instances) ids.emplace_back(id);
  out["instances"] = std::move(ids);
  out["stopStart"] = input.stop_start;
  if (input.pre) out["pre"] = encodeScript(*input.pre);
  if (input.post) out["post"] = encodeScript(*input.post);
  out["vault"] = input.vault;
  out["role"] = input.role;
  if (input.delete_after_days > 0) out["deleteAfterDays"] = input.delete_after_days;
  if (input.start_window > 0) out["startWindow"] = input.start_window;
  if (input.completion_window > 0) out["completionWindow"] = input.completion_window;
  if (!input.point_tags.empty()) {
    json::Object tags;
    for (const auto& [key, value] : input.point_tags) tags[key] = value;
    out["pointTags"] = std::move(tags);
  }
  out["abortOnBadTarget"] = input.abort_on_bad_target;
  out["stallTimeout"] = input.stall_timeout_seconds;
  if (input.rehearsal) out["rehearsal"] = true;
  return out;
}

RunInput decodeRunInput(const json::Object& record) {
  RunInput input;
  input.by_tag = json::boolOr(record, "byTag", false);
  input.tag_key = json::textOr(record, "tagKey");
  input.tag_value = json::textOr(record, "tagValue");
  if (const auto* ids = json::find(record, "instances"); ids != nullptr && ids->is_array())
    for (const auto& id : ids->get_array())
      if (id.is_string()) input.instances.push_back(json::toStd(id.get_string()));
  input.stop_start = json::boolOr(record, "stopStart", false);
  input.rehearsal = json::boolOr(record, "rehearsal", false);
  input.pre = decodeScript(record, "pre");
  input.post = decodeScript(record, "post");
  input.vault = json::textOr(record, "vault");
  input.role = json::textOr(record, "role");
  input.delete_after_days = json::intOr(record, "deleteAfterDays", 0);
  input.start_window = json::intOr(record, "startWindow", 0);
  input.completion_window = json::intOr(record, "completionWindow", 0);
  if (const auto* tags = json::find(record, "pointTags"); tags != nullptr && tags->is_object())
    for (const auto& tag : tags->get_object())
      if (tag.value().is_string()) input.point_tags[std::string(tag.key())] = json::toStd(tag.value().get_string());
  input.abort_on_bad_target = json::boolOr(record, "abortOnBadTarget", false);
  input.stall_timeout_seconds = json::intOr(record, "stallTimeout", 600);
  return input;
}

}  // namespace sp::services::stillpoint
