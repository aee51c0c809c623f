// Who does the tasks of state machines: `aws-sdk:` calls of every operation served here, the optimised DynamoDB
// integrations, `.sync` tasks that end by event, and Stillpoint's own steps. Core thread only.
//
// A call of our own services is done in the transaction of the step that makes it, so its effect and the execution's
// progress are one commit. What a `.sync` task waits for is a record; after a restart nothing needs to be taken up.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"
#include "runtime/execution_runtime.h"
#include "services/backup/jobs.h"
#include "services/context.h"
#include "services/ec2/instances.h"
#include "services/events/events.h"
#include "services/scheduler/sdk_calls.h"
#include "services/ssm/commands.h"
#include "services/states/activities/activities.h"
#include "services/stillpoint/lanes.h"
#include "tasks/lambda_calls.h"
#include "tasks/naming.h"
#include "tasks/s3_calls.h"

namespace sp::tasks {

class TaskRegistry final : public runtime::TaskPort, public services::scheduler::SdkCalls {
 public:
  /// Registers with the services for the events that end `.sync` tasks: before the core starts. All given outlive it.
  TaskRegistry(services::Context& context, services::stillpoint::Lanes& lanes, services::ssm::Commands& commands,
               services::ec2::Instances& instances, services::backup::Jobs& jobs, services::states::Activities& activities,
               services::s3::S3& s3, services::events::Events& events, net::WebClient& web, const std::string& lambda_endpoint);
  TaskRegistry(const TaskRegistry&) = delete;
  TaskRegistry& operator=(const TaskRegistry&) = delete;

  /// Operations that `aws-sdk:` may call. Once, before the first execution; tables are copied.
  void serve(std::vector<aws::ServiceTable> tables);
  /// Where outcomes go; once, before the core starts.
  void attach(runtime::ExecutionRuntime& executions);

  /// Makes calls of functions and of S3 again that were under way: the first job after every start.
  void recover(store::Txn& txn) {
    lambda_.recover(txn);
    s3_.recover(txn);
  }
  /// Before the core stops.
  void stop() { s3_.stop(); }

  bool knows(std::string_view resource) const override;
  std::vector<std::string> refusedParameters(std::string_view resource, const json::Object* parameters) const override;
  bool activityExists(store::Txn& txn, std::string_view arn) const override;
  void start(store::Txn& txn, const runtime::TaskRequest& request) override;
  void cancel(store::Txn& txn, std::string_view token) override;
  runtime::RedrivePlan redrivePlan(store::Txn& txn, std::string_view execution) override;
  void redriven(store::Txn& txn, std::string_view execution) override;

  bool knowsSdk(std::string_view service, std::string_view action) const override;
  std::vector<std::string> unknownOfSdk(std::string_view service, std::string_view action, const json::Object& parameters) const override;
  aws::Outcome callSdk(store::Txn& txn, std::string_view service, std::string_view action, const json::Object& parameters,
                       const std::string& id) override;

 private:
  const aws::Operation* find(std::string_view signing_name, std::string_view operation) const;
  aws::Outcome call(store::Txn& txn, const aws::Operation& operation, json::Object input, std::string_view token,
                    const std::string& request_id) const;
  void begin(store::Txn& txn, const runtime::TaskRequest& request, const Resource& resource);
  void unusable(store::Txn& txn, const runtime::TaskRequest& request, std::string_view why);
  void invoke(store::Txn& txn, const runtime::TaskRequest& request);
  void sendEvents(store::Txn& txn, const runtime::TaskRequest& request, const Resource& resource);
  void startExecution(store::Txn& txn, const runtime::TaskRequest& request, const Resource& resource);
  bool goOnWithChild(store::Txn& txn, const runtime::TaskRequest& request, bool parsed);
  void executionEnded(store::Txn& txn, const store::ExecutionRow& row);
  void callSdk(store::Txn& txn, const runtime::TaskRequest& request, const Resource& resource);
  void callDynamo(store::Txn& txn, const runtime::TaskRequest& request, const Resource& resource);
  void startSync(store::Txn& txn, const runtime::TaskRequest& request, const Resource& resource);

  void commandEnded(store::Txn& txn, const services::ssm::Command& command);
  void jobEnded(store::Txn& txn, const services::backup::Job& job);
  void powerSettled(store::Txn& txn, const std::string& instance, const std::string& error);
  void checkPower(store::Txn& txn, const std::string& token, const std::string& instance, const std::string& error);

  services::Context& context_;
  services::stillpoint::Lanes& lanes_;
  services::ssm::Commands& commands_;
  services::ec2::Instances& instances_;
  services::backup::Jobs& jobs_;
  services::states::Activities& activities_;
  services::events::Events& events_;
  LambdaCalls lambda_;
  S3Calls s3_;
  runtime::ExecutionRuntime* executions_ = nullptr;
  /// signing name → operation name → what does it.
  std::map<std::string, std::map<std::string, aws::Operation, std::less<>>, std::less<>> operations_;
};

}  // namespace sp::tasks
