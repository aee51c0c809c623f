#include <fmt/format.h>

#include "services/backup/operations/service.h"

namespace sp::services::backup {
namespace {

std::string unseen(std::string_view what, std::string_view why) {
  return fmt::format(
      "Backup vault cannot be deleted because {} could not be looked through for snapshots of no known job: {}. "
      "`stillpoint vault show` looks again.",
      what, why);
}

}  // namespace

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DeleteBackupVault.html
aws::Outcome deleteBackupVault(Service& service, const aws::Call& call) {
  const auto vault = namedVault(service, call);
  if (!vault) return std::unexpected(vault.error());
  const auto refuse = [](std::string_view code, std::string message) {
    auto error = apiError("InvalidRequestException", std::move(message));
    error.extra["Code"] = code;
    return std::unexpected(std::move(error));
  };
  if (vault->points > 0) return refuse("ERROR_9101", "Backup vault cannot be deleted because it contains recovery points.");
  if (vault->name == "Default") return refuse("ERROR_9102", "The default backup vault cannot be deleted.");
  if (service.jobs.usesVault(*call.txn, vault->name) || service.restores.usesVault(*call.txn, vault->name) ||
      service.vaults.changing(vault->name)) {
    return refuse("ERROR_9103", "Backup vault cannot be deleted while jobs use it.");
  }
  for (const auto& repository : service.vaults.repositories(*call.txn, vault->name))
    if (!repository.look_error.empty()) return refuse("ERROR_9104", unseen(repository.name, repository.look_error));
  // The last look may be a day old.
  const auto looked = service.quarantine.found(*call.txn, vault->name, "", 1);
  const auto strange = looked.empty() ? service.vaults.strange(*call.txn, vault->name) : Result<std::string>(looked.front().id);
  if (!strange) return refuse("ERROR_9104", unseen(vault->name, strange.error().text()));
  if (!strange->empty()) {
    return refuse(
        "ERROR_9104",
        fmt::format("Backup vault cannot be deleted because it contains snapshots of no known job, such as {}: `stillpoint vault show {}` "
                    "lists them. Remove them with restic first if nobody wants them.",
                    *strange, vault->name));
  }
  service.vaults.erase(*call.txn, vault->name);
  return json::Object();
}

}  // namespace sp::services::backup
