#include "services/backup/records.h"

#include <array>

namespace sp::services::backup {
namespace {

json::Array toArray(const std::vector<std::string>& texts) {
  json::Array out;
  for (const auto& text : texts) out.emplace_back(text);
  return out;
}

json::Object toObject(const TextMap& map) {
  json::Object out;
  for (const auto& [key, value] : map) out[key] = value;
  return out;
}

void putTime(json::Object& out, std::string_view key, const std::optional<Instant>& time) {
  if (time) out[key] = toMicros(*time);
}

TextMap readMap(const json::Object& body, std::string_view key) {
  TextMap out;
  const auto* value = json::find(body, key);
  if (value == nullptr || !value->is_object()) return out;
  for (const auto& member : value->get_object())
    if (member.value().is_string()) out[std::string(member.key())] = json::toStd(member.value().get_string());
  return out;
}

std::optional<Instant> readTime(json::Reader& reader, std::string_view key) {
  const auto micros = reader.integerIf(key);
  return micros ? std::optional(fromMicros(*micros)) : std::nullopt;
}

double readNumber(const json::Object& body, std::string_view key) {
  const auto* value = json::find(body, key);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0.0;
}

template <class T>
Result<T> finished(json::Reader& reader, T value) {
  SP_CHECK_OK(reader.finish());
  return value;
}

constexpr std::array<std::pair<JobState, std::string_view>, 9> kJobStates{{{JobState::created, "CREATED"},
                                                                           {JobState::pending, "PENDING"},
                                                                           {JobState::running, "RUNNING"},
                                                                           {JobState::aborting, "ABORTING"},
                                                                           {JobState::aborted, "ABORTED"},
                                                                           {JobState::completed, "COMPLETED"},
                                                                           {JobState::partial, "PARTIAL"},
                                                                           {JobState::failed, "FAILED"},
                                                                           {JobState::expired, "EXPIRED"}}};

constexpr std::array<std::pair<RestoreStatus, std::string_view>, 5> kRestoreStatuses{{{RestoreStatus::pending, "PENDING"},
                                                                                      {RestoreStatus::running, "RUNNING"},
                                                                                      {RestoreStatus::completed, "COMPLETED"},
                                                                                      {RestoreStatus::aborted, "ABORTED"},
                                                                                      {RestoreStatus::failed, "FAILED"}}};

}  // namespace

std::string_view name(JobState state) {
  for (const auto& [value, text] : kJobStates)
    if (value == state) return text;
  return "FAILED";
}

Result<JobState> parseJobState(std::string_view text) {
  for (const auto& [value, spelled] : kJobStates)
    if (spelled == text) return value;
  return fail("backup.job_state", fmt::format("'{}' is not a state of a backup job", text));
}

bool isFinal(JobState state) {
  return state != JobState::created && state != JobState::pending && state != JobState::running && state != JobState::aborting;
}

std::string_view name(RestoreStatus status) {
  for (const auto& [value, text] : kRestoreStatuses)
    if (value == status) return text;
  return "FAILED";
}

Result<RestoreStatus> parseRestoreStatus(std::string_view text) {
  for (const auto& [value, spelled] : kRestoreStatuses)
    if (spelled == text) return value;
  return fail("backup.restore_status", fmt::format("'{}' is not a status of a restore job", text));
}

bool isFinal(RestoreStatus status) { return status != RestoreStatus::pending && status != RestoreStatus::running; }

json::Object Vault::encode() const {
  return {{"name", name},
          {"created", toMicros(created)},
          {"creatorRequestId", creator_request_id},
          {"encryptionKeyArn", encryption_key_arn},
          {"tags", toObject(tags)},
          {"points", points}};
}

Result<Vault> Vault::decode(const json::Object& body) {
  json::Reader reader(body, "backup_vault");
  Vault out;
  out.name = reader.text("name");
  out.created = fromMicros(reader.integer("created"));
  out.creator_request_id = reader.text("creatorRequestId");
  out.encryption_key_arn = reader.text("encryptionKeyArn");
  out.tags = readMap(body, "tags");
  out.points = reader.integer("points");
  return finished(reader, std::move(out));
}

json::Object Repository::encode() const {
  json::Object out{{"vault", vault}, {"name", name}, {"key", key}, {"created", toMicros(created)}, {"state", state}, {"error", error}};
  putTime(out, "maintained", maintained);
  putTime(out, "looked", looked);
  if (!maintenance_error.empty()) out["maintenanceError"] = maintenance_error;
  if (!look_error.empty()) out["lookError"] = look_error;
  return out;
}

Result<Repository> Repository::decode(const json::Object& body) {
  json::Reader reader(body, "vault_repository");
  Repository out;
  out.vault = reader.text("vault");
  out.name = reader.text("name");
  out.key = reader.text("key");
  out.created = fromMicros(reader.integer("created"));
  out.state = reader.text("state");
  out.error = reader.text("error");
  out.maintained = readTime(reader, "maintained");
  out.maintenance_error = reader.textIf("maintenanceError").value_or("");
  out.looked = readTime(reader, "looked");
  out.look_error = reader.textIf("lookError").value_or("");
  return finished(reader, std::move(out));
}

json::Object Job::encode() const {
  json::Object out{{"id", id},
                   {"vault", vault},
                   {"instance", instance},
                   {"resourceArn", resource_arn},
                   {"roleArn", role_arn},
                   {"token", token},
                   {"argumentsHash", arguments_hash},
                   {"by", by},
                   {"options", toObject(options)},
                   {"recoveryPointTags", toObject(recovery_point_tags)},
                   {"deleteAfterDays", delete_after_days},
                   {"recoveryPoint", recovery_point},
                   {"state", backup::name(state)},
                   {"message", message},
                   {"created", toMicros(created)},
                   {"startBy", toMicros(start_by)},
                   {"completeBy", toMicros(complete_by)},
                   {"paths", toArray(paths)},
                   {"excludes", toArray(excludes)},
                   {"stallSeconds", stall_seconds},
                   {"agent", agent},
                   {"outside", outside},
                   {"bootGeneration", boot_generation},
                   {"secretHash", secret_hash},
                   {"stopAsked", stop_asked},
                   {"doomed", doomed},
                   {"doomedState", backup::name(doomed_state)},
                   {"snapshot", snapshot},
                   {"superseded", toArray(superseded)}};
  if (!created_by.empty()) out["createdBy"] = toObject(created_by);
  if (needs_stopped) out["needsStopped"] = true;
  if (!waits_for.empty()) out["waitsFor"] = waits_for;
  if (!boot.empty()) out["boot"] = boot;
  if (!freeze.empty()) out["freeze"] = freeze;
  if (!held_snapshot.empty()) out["heldSnapshot"] = held_snapshot;
  if (verdict) {
    out["verdict"] = backup::name(*verdict);
    out["verdictMessage"] = verdict_message;
  }
  putTime(out, "started", started);
  putTime(out, "ended", ended);
  putTime(out, "cut", cut);
  out["percent"] = percent;
  out["bytesDone"] = bytes_done;
  out["bytesTotal"] = bytes_total;
  out["filesDone"] = files_done;
  out["filesTotal"] = files_total;
  out["storedBytes"] = stored_bytes;
  out["failedFiles"] = toArray(failed_files);
  out["failedCount"] = failed_count;
  return out;
}

Result<Job> Job::decode(const json::Object& body) {
  json::Reader reader(body, "backup_job");
  Job out;
  out.id = reader.text("id");
  out.vault = reader.text("vault");
  out.instance = reader.text("instance");
  out.resource_arn = reader.text("resourceArn");
  out.role_arn = reader.text("roleArn");
  out.token = reader.text("token");
  out.arguments_hash = reader.text("argumentsHash");
  out.by = reader.text("by");
  out.options = readMap(body, "options");
  out.recovery_point_tags = readMap(body, "recoveryPointTags");
  out.created_by = readMap(body, "createdBy");
  out.delete_after_days = reader.integer("deleteAfterDays");
  out.recovery_point = reader.text("recoveryPoint");
  SP_TRY(out.state, parseJobState(reader.text("state")));
  out.message = reader.text("message");
  out.created = fromMicros(reader.integer("created"));
  out.start_by = fromMicros(reader.integer("startBy"));
  out.complete_by = fromMicros(reader.integer("completeBy"));
  out.started = readTime(reader, "started");
  out.ended = readTime(reader, "ended");
  out.cut = readTime(reader, "cut");
  out.paths = reader.textsIf("paths");
  out.excludes = reader.textsIf("excludes");
  out.stall_seconds = reader.integer("stallSeconds");
  out.needs_stopped = json::boolOr(body, "needsStopped", false);
  out.waits_for = reader.textIf("waitsFor").value_or("");
  out.agent = reader.text("agent");
  out.outside = reader.boolean("outside");
  out.boot_generation = reader.integer("bootGeneration");
  out.boot = reader.textIf("boot").value_or("");
  out.freeze = reader.textIf("freeze").value_or("");
  if (const auto verdict = reader.textIf("verdict")) { SP_TRY(out.verdict, parseJobState(*verdict)); }
  out.verdict_message = reader.textIf("verdictMessage").value_or("");
  out.held_snapshot = reader.textIf("heldSnapshot").value_or("");
  out.secret_hash = reader.text("secretHash");
  out.stop_asked = reader.boolean("stopAsked");
  out.doomed = reader.text("doomed");
  SP_TRY(out.doomed_state, parseJobState(reader.text("doomedState")));
  out.snapshot = reader.text("snapshot");
  out.superseded = reader.textsIf("superseded");
  out.percent = readNumber(body, "percent");
  out.bytes_done = reader.integer("bytesDone");
  out.bytes_total = reader.integer("bytesTotal");
  out.files_done = reader.integer("filesDone");
  out.files_total = reader.integer("filesTotal");
  out.stored_bytes = reader.integer("storedBytes");
  out.failed_files = reader.textsIf("failedFiles");
  out.failed_count = reader.integer("failedCount");
  return finished(reader, std::move(out));
}

json::Object RecoveryPoint::encode() const {
  json::Object out{{"id", id},
                   {"vault", vault},
                   {"instance", instance},
                   {"resourceArn", resource_arn},
                   {"roleArn", role_arn},
                   {"job", job},
                   {"snapshot", snapshot},
                   {"status", status},
                   {"message", message},
                   {"created", toMicros(created)},
                   {"completed", toMicros(completed)},
                   {"size", size},
                   {"files", files},
                   {"deleteAfterDays", delete_after_days},
                   {"paths", toArray(paths)},
                   {"tags", toObject(tags)}};
  putTime(out, "restored", restored);
  if (!held.empty()) out["held"] = held;
  if (by_lifecycle) out["byLifecycle"] = true;
  if (!created_by.empty()) out["createdBy"] = toObject(created_by);
  return out;
}

Result<RecoveryPoint> RecoveryPoint::decode(const json::Object& body) {
  json::Reader reader(body, "recovery_point");
  RecoveryPoint out;
  out.id = reader.text("id");
  out.vault = reader.text("vault");
  out.instance = reader.text("instance");
  out.resource_arn = reader.text("resourceArn");
  out.role_arn = reader.text("roleArn");
  out.job = reader.text("job");
  out.snapshot = reader.text("snapshot");
  out.status = reader.text("status");
  out.message = reader.text("message");
  out.created = fromMicros(reader.integer("created"));
  out.completed = fromMicros(reader.integer("completed"));
  out.restored = readTime(reader, "restored");
  out.size = reader.integer("size");
  out.files = reader.integer("files");
  out.delete_after_days = reader.integer("deleteAfterDays");
  out.held = reader.textIf("held").value_or("");
  out.created_by = readMap(body, "createdBy");
  out.by_lifecycle = reader.booleanIf("byLifecycle").value_or(false);
  out.paths = reader.textsIf("paths");
  out.tags = readMap(body, "tags");
  return finished(reader, std::move(out));
}

json::Object RestoreJob::encode() const {
  json::Object out{{"id", id},
                   {"recoveryPoint", recovery_point},
                   {"vault", vault},
                   {"source", source},
                   {"roleArn", role_arn},
                   {"token", token},
                   {"argumentsHash", arguments_hash},
                   {"target", target},
                   {"targetPath", target_path},
                   {"includePaths", toArray(include_paths)},
                   {"inPlace", in_place},
                   {"status", backup::name(status)},
                   {"message", message},
                   {"created", toMicros(created)},
                   {"agent", agent},
                   {"outside", outside},
                   {"secretHash", secret_hash},
                   {"doomed", doomed},
                   {"percent", percent},
                   {"bytes", bytes},
                   {"files", files},
                   {"size", size}};
  putTime(out, "ended", ended);
  return out;
}

Result<RestoreJob> RestoreJob::decode(const json::Object& body) {
  json::Reader reader(body, "restore_job");
  RestoreJob out;
  out.id = reader.text("id");
  out.recovery_point = reader.text("recoveryPoint");
  out.vault = reader.text("vault");
  out.source = reader.text("source");
  out.role_arn = reader.text("roleArn");
  out.token = reader.text("token");
  out.arguments_hash = reader.text("argumentsHash");
  out.target = reader.text("target");
  out.target_path = reader.text("targetPath");
  out.include_paths = reader.textsIf("includePaths");
  out.in_place = reader.boolean("inPlace");
  SP_TRY(out.status, parseRestoreStatus(reader.text("status")));
  out.message = reader.text("message");
  out.created = fromMicros(reader.integer("created"));
  out.ended = readTime(reader, "ended");
  out.agent = reader.text("agent");
  out.outside = reader.boolean("outside");
  out.secret_hash = reader.text("secretHash");
  out.doomed = reader.text("doomed");
  out.percent = readNumber(body, "percent");
  out.bytes = reader.integer("bytes");
  out.files = reader.integer("files");
  out.size = reader.integer("size");
  return finished(reader, std::move(out));
}

}  // namespace sp::services::backup
