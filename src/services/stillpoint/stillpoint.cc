#include "services/stillpoint/stillpoint.h"

#include <algorithm>
#include <iterator>

#include "services/backup/places.h"
#include "services/backup/vaults.h"
#include "services/stillpoint/adapters.h"
#include "services/stillpoint/operations.h"

namespace sp::services::stillpoint {

struct Stillpoint::Parts {
  Parts(Context& given, ssm::Commands& commands, s3::Objects& objects, ec2::Instances& machines, backup::Backup& backup_service,
        ssm::Nodes& all_nodes)
      : provider({given.realm, given.random, given.agents, commands, objects, machines, backup_service.jobs(), backup_service.places()}),
        ports(provider.ports()),
        ledger(given.core, given.locks, ports),
        finaliser(given.core, ports),
        lanes(given.core, given.locks, ports, ledger, finaliser, prePostBackupArn(given.realm)),
        backup(backup_service),
        context(given),
        instances(machines),
        nodes(all_nodes) {}

  Provider provider;
  Ports ports;
  Ledger ledger;
  Finaliser finaliser;
  Lanes lanes;
  backup::Backup& backup;
  Context& context;
  ec2::Instances& instances;
  ssm::Nodes& nodes;
};

std::string prePostBackupArn(const Realm& realm) { return realm.arn("states", "stateMachine:" + std::string(kPrePostBackup)); }

Stillpoint::Stillpoint(Context& context, ssm::Commands& commands, s3::Objects& objects, ec2::Instances& instances, backup::Backup& backup,
                       ssm::Nodes& nodes)
    : parts_(std::make_unique<Parts>(context, commands, objects, instances, backup, nodes)) {
  auto& lanes = parts_->lanes;
  const auto& realm = context.realm;
  commands.onInvocationEnded([&lanes](store::Txn& txn, const ssm::Invocation& invocation) { lanes.commandEnded(txn, endOf(invocation)); });
  commands.onCreated([&lanes](store::Txn& txn, const ssm::Command& command) {
    if (!json::boolOr(command.freeze, "guard", false) || command.instance_ids.empty()) return;
    lanes.guardBegan(txn, command.by, command.instance_ids.front(), json::textOr(command.freeze, "id"), command.id);
  });
  context.reports.on("connected", [&leases = parts_->ledger.leases()](store::Txn& txn, const std::string& agent, const json::Object&) {
    leases.connected(txn, agent);
  });
  instances.onSettled(
      [&lanes](store::Txn& txn, const Instance& instance, const std::string& error) { lanes.powerSettled(txn, instance.id, error); });
  instances.onPersonPower([&lanes](store::Txn& txn, const Instance& instance, const std::string& action, const aws::Principal& principal) {
    lanes.personActed(txn, instance.id, action, principal.arn);
  });
  backup.jobs().onBusy([&ledger = parts_->ledger](store::Txn& txn, const std::string& instance) { return ledger.paying(txn, instance); });
  backup.places().onGranted("run", [&lanes](store::Txn& txn, const std::string& holder) {
    const auto lane = executionOf(holder);
    lanes.placed(txn, std::string(lane.substr(0, lane.rfind('#'))), std::string(lane.substr(lane.rfind('#') + 1)));
  });
  backup.vaults().onChanged(
      [&lanes](store::Txn& txn, const backup::Repository& repository) { lanes.repositoryChanged(txn, repository.name); });
  backup.jobs().onCut([&lanes, &realm](store::Txn& txn, const backup::Job& job) { lanes.jobCut(txn, viewOf(job, realm)); });
  backup.jobs().onEnded([&lanes, &realm](store::Txn& txn, const backup::Job& job) { lanes.jobEnded(txn, viewOf(job, realm)); });
}

Stillpoint::~Stillpoint() = default;

Lanes& Stillpoint::lanes() { return parts_->lanes; }
Ledger& Stillpoint::ledger() { return parts_->ledger; }
void Stillpoint::attach(runtime::Executions& executions) { parts_->lanes.attach(executions); }

aws::ServiceTable Stillpoint::makeStillpoint(const ssm::Commands& commands, const store::OutputStore& outputs, StatusKeeper& status,
                                             delivery::Deliveries& deliveries) {
  aws::ServiceTable table;
  table.signing_name = "stillpoint";
  table.protocol = aws::Protocol::json11;
  table.target_or_namespace = "Stillpoint_20261101";
  auto& instances = parts_->instances;
  table.operations = {addInstance(instances),
                      createEnrolmentToken(parts_->nodes),
                      deleteEnrolmentToken(),
                      describeInvocation(commands, outputs),
                      describeRun(parts_->ports, parts_->context.locks),
                      describeServer(status),
                      exportVaultKeys(parts_->backup),
                      listAgents(parts_->context, instances),
                      listEnrolmentTokens(),
                      listInstances(parts_->context, instances),
                      listOwed(),
                      listRepositories(parts_->backup),
                      listUpcomingRuns(parts_->ports, parts_->backup, parts_->context.realm),
                      pauseBackupPlan(parts_->backup),
                      removeInstance(instances),
                      resumeBackupPlan(parts_->backup),
                      revokeAgent(parts_->nodes),
                      setInstancePower(instances),
                      start(parts_->ledger, parts_->ports),
                      tagInstance(instances),
                      thaw(parts_->ledger, parts_->ports)};
  std::ranges::move(deadLetterOperations(deliveries), std::back_inserter(table.operations));
  return table;
}

}  // namespace sp::services::stillpoint
