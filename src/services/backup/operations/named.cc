#include <fmt/format.h>

#include "services/backup/operations/service.h"

namespace sp::services::backup {

std::expected<Vault, aws::ApiError> namedVault(Service& service, const aws::Call& call) {
  const auto name = requiredText(call.input, "BackupVaultName");
  if (!name) return std::unexpected(name.error());
  if (auto refused = checkVaultName(*name)) return std::unexpected(std::move(*refused));
  auto vault = service.vaults.find(*call.txn, *name);
  if (!vault) return std::unexpected(noVault(*name));
  return std::move(*vault);
}

std::expected<RecoveryPoint, aws::ApiError> namedPoint(Service& service, const aws::Call& call) {
  const auto vault = namedVault(service, call);
  if (!vault) return std::unexpected(vault.error());
  const auto arn = requiredText(call.input, "RecoveryPointArn");
  if (!arn) return std::unexpected(arn.error());
  if (!Arn::parse(*arn)) return std::unexpected(badValue("RecoveryPointArn", *arn, "an ARN"));
  const auto id = service.points.idOf(*arn);
  auto point = id ? service.points.find(*call.txn, *id) : std::nullopt;
  if (!point || point->vault != vault->name) {
    return std::unexpected(
        apiError("ResourceNotFoundException", fmt::format("Recovery point {} does not exist in backup vault {}.", *arn, vault->name)));
  }
  return std::move(*point);
}

Listed<RecoveryPoint> pointsOfResource(Service& service, const aws::Call& call, std::string_view vault, std::string_view resource,
                                       const ListAsk& ask, const std::function<bool(const RecoveryPoint&)>& wanted) {
  std::string instance;
  if (!resource.empty()) {
    // Nothing but instances is backed up.
    constexpr std::string_view kInstance = "instance/";
    const auto arn = Arn::parse(resource);
    if (!arn || !arn->resource.starts_with(kInstance) || arn->resource.size() == kInstance.size()) return {};
    instance = arn->resource.substr(kInstance.size());
  }
  return service.points.list(*call.txn, vault, instance, ask, [&](const RecoveryPoint& point) {
    return (resource.empty() || point.resource_arn == resource) && wanted(point);
  });
}

// Keys begin with the moment of creation.
ListAsk listAsk(const PageAsk& page, const std::optional<Instant>& created_after, const std::optional<Instant>& created_before) {
  ListAsk ask{page.after, "", page.limit};
  if (created_after) ask.least = timeKey(shown(*created_after) + std::chrono::milliseconds(1), "");
  if (created_before)
    if (const auto end = timeKey(shown(*created_before), ""); ask.before.empty() || end < ask.before) ask.before = end;
  return ask;
}

aws::ApiError badValue(std::string_view member, std::string_view value, std::string_view wanted) {
  return apiError("InvalidParameterValueException", fmt::format("{} '{}' is not {}.", member, value, wanted));
}

}  // namespace sp::services::backup
