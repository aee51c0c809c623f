// Stillpoint's operations, a file each.
#pragma once
#include "aws/operation.h"
#include "services/backup/backup.h"
#include "services/stillpoint/ledger.h"
#include "services/stillpoint/ports.h"

namespace sp::services::stillpoint {

/// A run as people see it: lanes, statuses, frozen seconds, progress.
aws::Operation describeRun(const Ports& ports);
/// What is owed to machines, of all runs or to one machine.
aws::Operation listOwed();
/// What plain restic needs to restore without Stillpoint.
aws::Operation exportVaultKeys(backup::Backup& backup);
/// Pays what is owed to a machine now, its thaw after its start.
aws::Operation thaw(Ledger& ledger, const Ports& ports);
/// The same, by the name people look for when a machine is stopped.
aws::Operation start(Ledger& ledger, const Ports& ports);

/// One debt as ListOwed, Thaw and Start show it.
json::Object debtShape(const quiesce::Debt& debt);

}  // namespace sp::services::stillpoint
