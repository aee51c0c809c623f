// Stillpoint's own service and workflow, wired: signing name "stillpoint", JSON 1.1, target prefix "Stillpoint_20261101".
// docs/api/stillpoint.md tells each operation.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "aws/operation.h"
#include "runtime/executions.h"
#include "services/backup/backup.h"
#include "services/context.h"
#include "services/delivery/deliveries.h"
#include "services/ec2/instances.h"
#include "services/s3/objects.h"
#include "services/ssm/commands.h"
#include "services/ssm/nodes/nodes.h"
#include "services/stillpoint/lanes.h"
#include "services/stillpoint/status/status_keeper.h"
#include "store/output_store.h"

namespace sp::services::stillpoint {

/// Definition and input schema of the built-in machine, as the files in workflows/ say.
std::string_view prePostBackupDefinition();
std::string_view prePostBackupSchema();
inline constexpr std::string_view kPrePostBackup = "PrePostBackup";
/// arn:aws:states:REGION:ACCOUNT:stateMachine:PrePostBackup
std::string prePostBackupArn(const Realm& realm);

/// Lanes, ledger and finaliser over the own services. Made before the core starts; registers with all of them.
class Stillpoint {
 public:
  /// All given outlive it.
  Stillpoint(Context& context, ssm::Commands& commands, s3::Objects& objects, ec2::Instances& instances, backup::Backup& backup,
             ssm::Nodes& nodes);
  Stillpoint(const Stillpoint&) = delete;
  Stillpoint& operator=(const Stillpoint&) = delete;
  ~Stillpoint();

  Lanes& lanes();
  Ledger& ledger();
  /// Where the steps' outcomes go; once, before the core starts.
  void attach(runtime::Executions& executions);
  /// Lives as long as this object; all given outlive it.
  aws::ServiceTable makeStillpoint(const ssm::Commands& commands, const store::OutputStore& outputs, StatusKeeper& status,
                                   delivery::Deliveries& deliveries);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sp::services::stillpoint
