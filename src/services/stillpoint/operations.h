// Stillpoint's operations, a file each.
#pragma once
#include "aws/operation.h"
#include "services/backup/backup.h"
#include "services/delivery/deliveries.h"
#include "services/ec2/instances.h"
#include "services/ssm/commands.h"
#include "services/ssm/nodes/nodes.h"
#include "services/stillpoint/ledger.h"
#include "services/stillpoint/ports.h"
#include "services/stillpoint/status/status_keeper.h"
#include "store/output_store.h"

namespace sp::services::stillpoint {

/// One command on one machine: what it used, what ran, how much of its output is kept.
aws::Operation describeInvocation(const ssm::Commands& commands, const store::OutputStore& outputs);
/// A run as people see it: lanes, statuses, frozen seconds, progress.
aws::Operation describeRun(const Ports& ports, const runtime::MachineLock& locks);
/// The server itself: disk, store, executions, machines, agents, debts, and what is wrong.
aws::Operation describeServer(StatusKeeper& keeper);
/// What is owed to machines, of all runs or to one machine.
aws::Operation listOwed();
/// What plain restic needs to restore without Stillpoint.
aws::Operation exportVaultKeys(backup::Backup& backup);
/// Each machine's repository in a vault: its state, when its space was last freed, and what lies in it that no job made.
aws::Operation listRepositories(backup::Backup& backup);
/// Pays what is owed to a machine now, its thaw after its start.
aws::Operation thaw(Ledger& ledger, const Ports& ports);
/// The same, by the name people look for when a machine is stopped.
aws::Operation start(Ledger& ledger, const Ports& ports);

/// A record for a machine that Stillpoint did not make.
aws::Operation addInstance(ec2::Instances& instances);
/// Removes that record and leaves the machine as it is; demo machines are terminated by EC2's operation.
aws::Operation removeInstance(ec2::Instances& instances);
/// Another driver, holder or other volumes.
aws::Operation setInstancePower(ec2::Instances& instances);
/// Sets and deletes tags in one step.
aws::Operation tagInstance(ec2::Instances& instances);
/// All machines with what EC2's answer has no place for: driver, holder, volumes, agent, what holds them.
aws::Operation listInstances(Context& context, ec2::Instances& instances);

/// Rules by schedule, schedules and rules of backup plans: when they run next, and which machines they would work on now.
aws::Operation listUpcomingRuns(const Ports& ports, backup::Backup& backup, const Realm& realm);
/// A backup plan of which nothing becomes due until it is resumed.
aws::Operation pauseBackupPlan(backup::Backup& backup);
aws::Operation resumeBackupPlan(backup::Backup& backup);

/// What EventBridge and its Scheduler could not deliver: list, show, send again, delete.
std::vector<aws::Operation> deadLetterOperations(delivery::Deliveries& deliveries);

/// One-time tokens by which machines enrol, and the agents that did.
aws::Operation createEnrolmentToken(ssm::Nodes& nodes);
aws::Operation listEnrolmentTokens();
aws::Operation deleteEnrolmentToken();
aws::Operation revokeAgent(ssm::Nodes& nodes);
aws::Operation listAgents(const Context& context, const ec2::Instances& instances);

/// One debt as ListOwed, Thaw and Start show it.
json::Object debtShape(const quiesce::Debt& debt);

}  // namespace sp::services::stillpoint
