#include "services/backup/shapes.h"

#include <cmath>

#include "base/strings.h"
#include "base/time_format.h"
#include "schedule/retention.h"
#include "services/backup/recovery_points.h"
#include "services/backup/tags.h"

namespace sp::services::backup {
namespace {

/// What AWS takes for "never".
constexpr std::int64_t kNever = -1;
/// A hundred years, as vault locks have it.
constexpr std::int64_t kMostDays = 36'500;
/// Seconds from 1970 to a moment that can be asked for: some three thousand years. Microseconds hold a hundred times as many.
constexpr std::int64_t kFarthest = 100'000'000'000;

std::string percentText(double percent) { return fmt::format("{:.1f}", percent); }

bool isDigits(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos; }

aws::ApiError invalid(std::string message) { return apiError("InvalidParameterValueException", std::move(message)); }

void putCreatedBy(json::Object& out, const TextMap& plan) {
  if (plan.empty()) return;
  json::Object by;
  for (const auto& [key, value] : plan) by[key] = value;
  out["CreatedBy"] = std::move(by);
}

}  // namespace

aws::ApiError apiError(std::string code, std::string message) {
  aws::ApiError out{std::move(code), std::move(message), 400, true, {}};
  out.extra["Type"] = "Client";
  return out;
}

aws::ApiError noVault(std::string_view name) {
  return apiError("ResourceNotFoundException", fmt::format("Backup vault {} does not exist.", name));
}

std::optional<aws::ApiError> checkVaultName(std::string_view name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  if (name.size() >= 2 && name.size() <= 50 && name.find_first_not_of(kAllowed) == std::string_view::npos) return std::nullopt;
  return invalid(fmt::format("Invalid backup vault name '{}': 2 to 50 letters, digits, '-' and '_'.", name));
}

std::optional<aws::ApiError> checkRoleArn(std::string_view text, const Realm& realm) {
  const auto arn = Arn::parse(text);
  if (arn && arn->service == "iam" && arn->region.empty() && isDigits(arn->account) && arn->account.size() == 12 &&
      arn->account == realm.account && arn->resource.starts_with("role/") && arn->resource.size() > 5) {
    return std::nullopt;
  }
  return invalid(fmt::format("IAM Role ARN cannot be assumed by AWS Backup: '{}'. Give arn:aws:iam::{}:role/NAME.", text, realm.account));
}

std::optional<std::string> instanceOfArn(std::string_view text, const Realm& realm) {
  const auto arn = Arn::parse(text);
  if (!arn || arn->service != "ec2" || arn->account != realm.account || arn->region != realm.region ||
      !arn->resource.starts_with("instance/i-")) {
    return std::nullopt;
  }
  auto id = arn->resource.substr(9);
  if (id.size() < 3 || id.substr(2).find_first_not_of("0123456789abcdef") != std::string::npos) return std::nullopt;
  return id;
}

std::expected<std::string, aws::ApiError> requiredText(const json::Object& input, std::string_view member) {
  const auto* value = json::find(input, member);
  if (value == nullptr || value->is_null() || (value->is_string() && value->get_string().empty())) {
    return std::unexpected(apiError("MissingParameterValueException", fmt::format("{} is required.", member)));
  }
  if (!value->is_string()) return std::unexpected(invalid(fmt::format("{} must be a string, not a {}.", member, json::kindName(*value))));
  return json::toStd(value->get_string());
}

std::expected<std::string, aws::ApiError> optionalText(const json::Object& input, std::string_view member, std::string_view otherwise) {
  const auto* value = json::find(input, member);
  if (value == nullptr || value->is_null()) return std::string(otherwise);
  if (!value->is_string()) return std::unexpected(invalid(fmt::format("{} must be a string, not a {}.", member, json::kindName(*value))));
  return json::toStd(value->get_string());
}

std::optional<aws::ApiError> refuseMember(const json::Object& input, std::string_view member, std::string_view why) {
  const auto* value = json::find(input, member);
  if (value == nullptr || value->is_null()) return std::nullopt;
  const bool empty = (value->is_bool() && !value->get_bool()) || (value->is_array() && value->get_array().empty()) ||
                     (value->is_object() && value->get_object().empty()) || (value->is_string() && value->get_string().empty());
  if (empty) return std::nullopt;
  return invalid(fmt::format("{}: {}. Leave it out.", member, why));
}

json::Object only(const json::Object& input, std::initializer_list<std::string_view> members) {
  json::Object out;
  for (const auto member : members)
    if (const auto* value = json::find(input, member); value != nullptr && !value->is_null()) out[member] = *value;
  return out;
}

std::expected<TextMap, aws::ApiError> tagMap(const json::Object& input, std::string_view member) {
  auto tags = textMap(input, member);
  if (!tags) return tags;
  if (auto bad = badTags(member, *tags)) return std::unexpected(invalid(std::move(*bad)));
  return tags;
}

std::expected<TextMap, aws::ApiError> textMap(const json::Object& input, std::string_view member) {
  TextMap out;
  const auto* value = json::find(input, member);
  if (value == nullptr || value->is_null()) return out;
  if (!value->is_object()) return std::unexpected(invalid(fmt::format("{} must be a map of strings.", member)));
  for (const auto& entry : value->get_object()) {
    if (!entry.value().is_string())
      return std::unexpected(invalid(fmt::format("{}.{} must be a string.", member, std::string_view(entry.key()))));
    out[std::string(entry.key())] = json::toStd(entry.value().get_string());
  }
  return out;
}

std::expected<std::optional<std::int64_t>, aws::ApiError> integer(const json::Object& input, std::string_view member) {
  const auto* value = json::find(input, member);
  if (value == nullptr || value->is_null()) return std::nullopt;
  if (value->is_int64()) return value->get_int64();
  return std::unexpected(invalid(fmt::format("{} '{}' is not a whole number.", member, json::toText(*value))));
}

std::expected<std::int64_t, aws::ApiError> deleteAfterDays(const json::Object& input) {
  const auto* value = json::find(input, "Lifecycle");
  if (value == nullptr || value->is_null()) return 0;
  if (!value->is_object()) return std::unexpected(invalid(fmt::format("Lifecycle '{}' is not an object.", json::toText(*value))));
  const auto& lifecycle = value->get_object();
  const auto remove = integer(lifecycle, "DeleteAfterDays");
  if (!remove) return std::unexpected(remove.error());
  const auto cold = integer(lifecycle, "MoveToColdStorageAfterDays");
  if (!cold) return std::unexpected(cold.error());
  if (cold->value_or(kNever) != kNever)
    return std::unexpected(invalid("Lifecycle: there is no cold storage yet. Leave out MoveToColdStorageAfterDays."));
  for (const auto& [member, why] : {std::pair("OptInToArchiveForSupportedResources", "there is no cold storage yet"),
                                    std::pair("DeleteAfterEvent", "recovery points are deleted by their age alone")})
    if (auto refused = refuseMember(lifecycle, member, why)) return std::unexpected(std::move(*refused));
  const auto days = remove->value_or(kNever);
  if (days == kNever) return 0;
  if (days < 1 || days > kMostDays)
    return std::unexpected(invalid(
        fmt::format("Lifecycle: DeleteAfterDays must be from 1 to {}, or -1 to keep the recovery point for ever: {}", kMostDays, days)));
  return days;
}

std::expected<std::optional<Instant>, aws::ApiError> timeFilter(const json::Object& input, std::string_view member) {
  const auto* value = json::find(input, member);
  if (value == nullptr || value->is_null()) return std::nullopt;
  if (value->is_number() && std::abs(value->to_number<double>()) <= static_cast<double>(kFarthest))
    return fromMicros(std::llround(value->to_number<double>() * 1e6));
  if (value->is_string()) {
    if (const auto time = parseIso8601(json::toView(value->get_string()))) return *time;
    if (const auto seconds = parseInt(json::toView(value->get_string())); seconds && *seconds >= -kFarthest && *seconds <= kFarthest)
      return fromMicros(*seconds * 1'000'000);
  }
  return std::unexpected(invalid(fmt::format("{} must be a time such as 2026-11-01T00:00:00Z, or seconds since 1970, at most {}: {}",
                                             member, kFarthest, json::toText(*value))));
}

std::expected<PageAsk, aws::ApiError> pageAsk(const aws::Call& call, std::string_view operation) {
  PageAsk page;
  json::Object bound = call.input;
  bound.erase("NextToken");
  bound.erase("MaxResults");
  page.bound_to = fmt::format("{} {}", operation, json::toText(bound));
  if (const auto* most = json::find(call.input, "MaxResults"); most != nullptr && !most->is_null()) {
    const auto count = json::intOr(call.input, "MaxResults", 0);
    if (count < 1 || count > 1000) return std::unexpected(invalid("MaxResults must be between 1 and 1000."));
    page.limit = static_cast<std::size_t>(count);
  }
  const auto token = json::textOr(call.input, "NextToken");
  if (token.empty()) return page;
  auto position = aws::readPageToken(page.bound_to, token);
  if (!position) return std::unexpected(invalid("NextToken was not made by this operation with these parameters."));
  page.after = std::move(*position);
  return page;
}

void putNextToken(json::Object& output, const PageAsk& page, std::string_view last_key, bool more) {
  if (more) output["NextToken"] = aws::makePageToken(page.bound_to, last_key);
}

std::string vaultArn(const Realm& realm, std::string_view name) { return realm.arn("backup", fmt::format("backup-vault:{}", name)); }

json::Object vaultShape(const Vault& vault, const Realm& realm) {
  json::Object out{{"BackupVaultName", vault.name},
                   {"BackupVaultArn", vaultArn(realm, vault.name)},
                   {"CreationDate", toEpochSeconds(vault.created)},
                   {"NumberOfRecoveryPoints", vault.points},
                   {"Locked", false}};
  if (!vault.creator_request_id.empty()) out["CreatorRequestId"] = vault.creator_request_id;
  if (!vault.encryption_key_arn.empty()) out["EncryptionKeyArn"] = vault.encryption_key_arn;
  return out;
}

std::string_view messageCategory(JobState state) {
  if (!isFinal(state)) return "";
  return state == JobState::completed ? "SUCCESS" : state == JobState::aborted ? "ABORTED" : "FAILURE";
}

json::Object jobShape(const Job& job, const Realm& realm, const RecoveryPoints& points) {
  json::Object out{{"AccountId", realm.account},
                   {"BackupJobId", job.id},
                   {"BackupVaultName", job.vault},
                   {"BackupVaultArn", vaultArn(realm, job.vault)},
                   {"VaultType", "BACKUP_VAULT"},
                   {"ResourceArn", job.resource_arn},
                   {"ResourceType", "EC2"},
                   {"ResourceName", job.instance},
                   {"IamRoleArn", job.role_arn},
                   {"State", name(job.state)},
                   {"PercentDone", percentText(job.percent)},
                   {"BackupSizeInBytes", std::max(job.bytes_total, job.bytes_done)},
                   {"BytesTransferred", job.stored_bytes},
                   {"CreationDate", toEpochSeconds(job.created)},
                   {"StartBy", toEpochSeconds(job.start_by)},
                   {"ExpectedCompletionDate", toEpochSeconds(job.complete_by)},
                   {"IsEncrypted", true},
                   {"IsParent", false}};
  if (!job.message.empty()) out["StatusMessage"] = job.message;
  if (job.started) out["InitiationDate"] = toEpochSeconds(*job.started);
  if (job.ended) out["CompletionDate"] = toEpochSeconds(*job.ended);
  if (job.state == JobState::completed || job.state == JobState::partial) out["RecoveryPointArn"] = points.arn(job.recovery_point);
  if (!job.options.empty()) {
    json::Object options;
    for (const auto& [key, value] : job.options) options[key] = value;
    out["BackupOptions"] = options;
  }
  if (job.delete_after_days > 0) out["RecoveryPointLifecycle"] = json::Object{{"DeleteAfterDays", job.delete_after_days}};
  putCreatedBy(out, job.created_by);
  if (const auto category = messageCategory(job.state); !category.empty()) out["MessageCategory"] = category;
  return out;
}

json::Object pointShape(const RecoveryPoint& point, const Realm& realm, const RecoveryPoints& points) {
  json::Object out{{"RecoveryPointArn", points.arn(point.id)},
                   {"BackupVaultName", point.vault},
                   {"BackupVaultArn", vaultArn(realm, point.vault)},
                   {"VaultType", "BACKUP_VAULT"},
                   {"ResourceArn", point.resource_arn},
                   {"ResourceType", "EC2"},
                   {"ResourceName", point.instance},
                   {"IamRoleArn", point.role_arn},
                   {"Status", point.status},
                   {"CreationDate", toEpochSeconds(point.created)},
                   {"CompletionDate", toEpochSeconds(point.completed)},
                   {"BackupSizeInBytes", point.size},
                   {"IsEncrypted", true},
                   {"IsParent", false}};
  if (const auto message = statusMessage(point); !message.empty()) out["StatusMessage"] = message;
  if (point.restored) out["LastRestoreTime"] = toEpochSeconds(*point.restored);
  putLifecycle(out, point);
  putCreatedBy(out, point.created_by);
  return out;
}

std::string statusMessage(const RecoveryPoint& point) {
  return fmt::format("{}{}{}", point.message, point.message.empty() || point.held.empty() ? "" : " ", point.held);
}

void putLifecycle(json::Object& out, const RecoveryPoint& point) {
  if (point.delete_after_days <= 0) return;
  out["Lifecycle"] = json::Object{{"DeleteAfterDays", point.delete_after_days}};
  out["CalculatedLifecycle"] = json::Object{{"DeleteAt", toEpochSeconds(schedule::deleteAt(point.created, point.delete_after_days))}};
}

json::Object restoreShape(const RestoreJob& job, const Realm& realm, const RecoveryPoints& points) {
  json::Object out{{"AccountId", realm.account},
                   {"RestoreJobId", job.id},
                   {"RecoveryPointArn", points.arn(job.recovery_point)},
                   {"CreationDate", toEpochSeconds(job.created)},
                   {"Status", name(job.status)},
                   {"PercentDone", percentText(job.percent)},
                   {"BackupSizeInBytes", job.size},
                   {"ResourceType", "EC2"}};
  if (!job.role_arn.empty()) out["IamRoleArn"] = job.role_arn;
  if (!job.message.empty()) out["StatusMessage"] = job.message;
  if (job.ended) out["CompletionDate"] = toEpochSeconds(*job.ended);
  if (job.status == RestoreStatus::completed && job.target != "host")
    out["CreatedResourceArn"] = realm.arn("ec2", "instance/" + job.target);
  return out;
}

}  // namespace sp::services::backup
