// The own provider: the workflow's ports over ssm, ec2, backup and dynamodb, so that ListCommandInvocations, ListBackupJobs
// and the table show all that a run does.
#pragma once
#include <memory>
#include <string>

#include "base/random.h"
#include "model/arn.h"
#include "runtime/ports.h"
#include "services/backup/jobs.h"
#include "services/ec2/instances.h"
#include "services/s3/objects.h"
#include "services/ssm/commands.h"
#include "services/stillpoint/ports.h"

namespace sp::services::backup {
class Places;
}

namespace sp::services::stillpoint {

/// Table of the job log.
inline constexpr std::string_view kJobLogTable = "PrePostBackupLog";
/// Bucket of the lists that are too large for a row.
inline constexpr std::string_view kJobLogBucket = "prepostbackup-log";

struct ProviderParts {
  const Realm& realm;
  Random& random;
  runtime::AgentPort& agents;
  ssm::Commands& commands;
  s3::Objects& objects;
  ec2::Instances& instances;
  backup::Jobs& jobs;
  backup::Places& places;
};

class Provider {
 public:
  /// All parts outlive it.
  explicit Provider(const ProviderParts& parts);
  Provider(const Provider&) = delete;
  Provider& operator=(const Provider&) = delete;
  ~Provider();
  Ports ports();

 private:
  struct Own;
  std::unique_ptr<Own> own_;
};

/// How a lane is named among those that hold a place or wait for one: "run:EXECUTION_ARN#INSTANCE".
std::string placeOf(std::string_view execution, std::string_view instance);
ScriptEnd endOf(const ssm::Invocation& invocation);
JobView viewOf(const backup::Job& job, const Realm& realm);

}  // namespace sp::services::stillpoint
