#include "services/stillpoint/stillpoint.h"

#include "services/stillpoint/adapters.h"
#include "services/stillpoint/operations.h"

namespace sp::services::stillpoint {

struct Stillpoint::Parts {
  Parts(Context& context, ssm::Commands& commands, s3::Objects& objects, ec2::Instances& instances, backup::Backup& backup_service)
      : provider({context.realm, context.random, context.agents, commands, objects, instances, backup_service.jobs()}),
        ports(provider.ports()),
        ledger(context.core, context.locks, ports),
        finaliser(context.core, ports),
        lanes(context.core, context.locks, ports, ledger, finaliser, prePostBackupArn(context.realm)),
        backup(backup_service) {}

  Provider provider;
  Ports ports;
  Ledger ledger;
  Finaliser finaliser;
  Lanes lanes;
  backup::Backup& backup;
};

std::string prePostBackupArn(const Realm& realm) { return realm.arn("states", "stateMachine:" + std::string(kPrePostBackup)); }

Stillpoint::Stillpoint(Context& context, ssm::Commands& commands, s3::Objects& objects, ec2::Instances& instances, backup::Backup& backup)
    : parts_(std::make_unique<Parts>(context, commands, objects, instances, backup)) {
  auto& lanes = parts_->lanes;
  const auto& realm = context.realm;
  commands.onInvocationEnded([&lanes](store::Txn& txn, const ssm::Invocation& invocation) { lanes.commandEnded(txn, endOf(invocation)); });
  instances.onSettled(
      [&lanes](store::Txn& txn, const Instance& instance, const std::string& error) { lanes.powerSettled(txn, instance.id, error); });
  instances.onPersonPower([&lanes](store::Txn& txn, const Instance& instance, const std::string& action, const aws::Principal& principal) {
    lanes.personActed(txn, instance.id, action, principal.arn);
  });
  backup.jobs().onCut([&lanes, &realm](store::Txn& txn, const backup::Job& job) { lanes.jobCut(txn, viewOf(job, realm)); });
  backup.jobs().onEnded([&lanes, &realm](store::Txn& txn, const backup::Job& job) { lanes.jobEnded(txn, viewOf(job, realm)); });
}

Stillpoint::~Stillpoint() = default;

Lanes& Stillpoint::lanes() { return parts_->lanes; }
Ledger& Stillpoint::ledger() { return parts_->ledger; }
void Stillpoint::attach(runtime::Executions& executions) { parts_->lanes.attach(executions); }

aws::ServiceTable Stillpoint::makeStillpoint() {
  aws::ServiceTable table;
  table.signing_name = "stillpoint";
  table.protocol = aws::Protocol::json11;
  table.target_or_namespace = "Stillpoint_20261101";
  table.operations = {describeRun(parts_->ports), exportVaultKeys(parts_->backup), listOwed(), start(parts_->ledger, parts_->ports),
                      thaw(parts_->ledger, parts_->ports)};
  return table;
}

}  // namespace sp::services::stillpoint
