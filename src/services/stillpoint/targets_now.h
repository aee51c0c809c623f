// What the targets of rules and schedules would work on if they ran at this moment, and what they would fail for: people look at
// schedules to learn it before the night does.
#pragma once
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/arn.h"
#include "services/backup/backup.h"
#include "services/stillpoint/ports.h"

namespace sp::services::stillpoint {

struct TargetNow {
  /// Instance ids; nullopt: its input does not tell.
  std::optional<std::set<std::string>> machines;
  /// In words, without a full stop; empty: nothing is known against it.
  std::string problem;
};

/// Of a record's target: Arn, Input, RunCommandParameters.
TargetNow targetNow(const Ports& ports, backup::Backup& backup, store::Txn& txn, const Realm& realm, const json::Object& target);
/// "vault NAME does not exist: the next run fails"; empty: it is there.
std::string missingVault(backup::Backup& backup, store::Txn& txn, const std::string& name);
/// Those that are not empty, behind each other.
std::string joinProblems(const std::vector<std::string>& problems);

}  // namespace sp::services::stillpoint
