#include "tasks/task_registry.h"

#include <array>

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"
#include "json/big_integer.h"
#include "services/iam/trust.h"
#include "services/states/machines.h"
#include "tasks/event_calls.h"
#include "tasks/nested_executions.h"
#include "tasks/parameters.h"
#include "tasks/s3_naming.h"

namespace sp::tasks {
namespace {

constexpr std::string_view kWait = "task_wait";
constexpr std::size_t kPage = 1000;
constexpr std::string_view kS3 = "s3";
constexpr std::string_view kInvoke = "lambda:invoke";
constexpr std::string_view kPutEvents = "events:putEvents";
constexpr std::string_view kNested = "states:startExecution";
constexpr std::array<std::string_view, 4> kSyncActions = {"ssm:sendCommand", "ec2:stopInstances", "ec2:startInstances",
                                                          "backup:startBackupJob"};
constexpr std::array<std::string_view, 4> kDynamoActions = {"putItem", "getItem", "deleteItem", "updateItem"};

bool isOneOf(const auto& list, std::string_view text) { return std::ranges::find(list, text) != list.end(); }
std::string nameOf(const Resource& resource) { return resource.service + ":" + resource.action; }

// "arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]".
bool isFunction(std::string_view resource) {
  const auto parts = split(resource, ':');
  return parts.size() >= 7 && parts.size() <= 8 && parts[0] == "arn" && parts[2] == "lambda" && parts[5] == "function" && !parts[6].empty();
}

// What a waiting task is ended by: "cmd/ID" names one task, "job/ID/TOKEN" one of those that wait for a job (two calls with one
// IdempotencyToken make one; "job/ID" is an earlier version's), "pow/TOKEN" its machines; each is found by token for its cancel.
void putWait(store::Txn& txn, const std::string& key, const std::string& token, json::Object body = {}) {
  body["token"] = token;
  txn.records().put(kWait, key, json::toText(body));
  txn.records().index(kWait, key, "token", token);
}

std::optional<json::Object> readWait(store::Txn& txn, const std::string& key) {
  const auto body = txn.records().get(kWait, key);
  if (!body) return std::nullopt;
  auto parsed = json::parse(*body);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  return std::move(parsed->get_object());
}

std::string jobKey(std::string_view id) { return fmt::format("job/{}", id); }

std::vector<std::string> keysOfJob(store::Txn& txn, std::string_view id) {
  std::vector<std::string> keys;
  if (txn.records().get(kWait, jobKey(id))) keys.push_back(jobKey(id));
  std::string after;
  while (true) {
    const auto page = txn.records().scan(kWait, jobKey(id) + "/", after, kPage);
    for (const auto& record : page) keys.push_back(record.key);
    if (page.size() < kPage) return keys;
    after = page.back().key;
  }
}

}  // namespace

TaskRegistry::TaskRegistry(services::Context& context, services::stillpoint::Lanes& lanes, services::ssm::Commands& commands,
                           services::ec2::Instances& instances, services::backup::Jobs& jobs, services::states::Activities& activities,
                           services::s3::S3& s3, services::events::Events& events, net::WebClient& web, const std::string& lambda_endpoint)
    : context_(context),
      lanes_(lanes),
      commands_(commands),
      instances_(instances),
      jobs_(jobs),
      activities_(activities),
      events_(events),
      lambda_(context, web, lambda_endpoint),
      s3_(context, s3) {
  commands.onCommandEnded([this](store::Txn& txn, const services::ssm::Command& command) { commandEnded(txn, command); });
  jobs.onEnded([this](store::Txn& txn, const services::backup::Job& job) { jobEnded(txn, job); });
  instances.onSettled(
      [this](store::Txn& txn, const Instance& instance, const std::string& error) { powerSettled(txn, instance.id, error); });
}

void TaskRegistry::attach(runtime::ExecutionRuntime& executions) {
  executions_ = &executions;
  lambda_.attach(executions);
  s3_.attach(executions);
  executions.onEnd([this](store::Txn& txn, const store::ExecutionRow& row) { executionEnded(txn, row); });
}

void TaskRegistry::serve(std::vector<aws::ServiceTable> tables) {
  for (auto& table : tables)
    for (auto& operation : table.operations) operations_[table.signing_name].emplace(operation.name, operation);
}

const aws::Operation* TaskRegistry::find(std::string_view signing_name, std::string_view operation) const {
  const auto service = operations_.find(signing_name);
  if (service == operations_.end()) return nullptr;
  const auto found = service->second.find(operation);
  return found == service->second.end() ? nullptr : &found->second;
}

bool TaskRegistry::knows(std::string_view text) const {
  using Pattern = Resource::Pattern;
  if (const auto name = services::states::nameInArn(text, "activity")) return text == activities_.arnOf(*name);
  if (isFunction(text)) return true;
  const auto resource = parseResource(text);
  if (!resource) return false;
  if (resource->sdk && resource->service == kS3)
    return (resource->pattern == Pattern::response || resource->pattern == Pattern::callback) && s3Serves(resource->operation());
  if (resource->sdk)
    return (resource->pattern == Pattern::response || resource->pattern == Pattern::callback) &&
           find(signingName(resource->service), resource->operation()) != nullptr;
  if (nameOf(*resource) == kNested) return find("states", resource->operation()) != nullptr;
  if (nameOf(*resource) == kInvoke || nameOf(*resource) == kPutEvents)
    return resource->pattern == Pattern::response || resource->pattern == Pattern::callback;
  if (resource->pattern == Pattern::callback || resource->pattern == Pattern::sync2) return false;
  if (resource->service == "stillpoint") return services::stillpoint::Lanes::knows(resource->action + (resource->sync() ? ".sync" : ""));
  if (resource->sync()) return isOneOf(kSyncActions, nameOf(*resource)) && find(resource->service, resource->operation()) != nullptr;
  return resource->service == "dynamodb" && isOneOf(kDynamoActions, resource->action);
}

std::vector<std::string> TaskRegistry::refusedParameters(std::string_view text, const json::Object* parameters) const {
  const auto resource = parseResource(text);
  return resource ? tasks::refusedParameters(text, *resource, parameters) : std::vector<std::string>();
}

bool TaskRegistry::activityExists(store::Txn& txn, std::string_view arn) const { return activities_.find(txn, arn).has_value(); }

void TaskRegistry::start(store::Txn& txn, const runtime::TaskRequest& request) {
  const auto doing = events_.chains().by(request.execution_arn);
  if (!request.task_role.empty() && !services::iam::mayAssume(txn, context_.realm, request.task_role, request.role_arn))
    return executions_->taskForbidden(
        txn, request.token,
        fmt::format("The role {} is not authorized to assume the task state's role, {}.", request.role_arn, request.task_role));
  if (services::states::nameInArn(request.resource, "activity"))
    return activities_.schedule(txn, request.resource, request.token, json::toText(request.parameters));
  if (isFunction(request.resource)) return invoke(txn, request);
  const auto resource = parseResource(request.resource);
  if (!resource || !knows(request.resource)) {
    executions_->taskFailed(txn, request.token, "States.Runtime", "The resource " + request.resource + " is not served here.");
    return;
  }
  if (!resource->sdk && resource->service == "stillpoint") {
    auto plain = request;
    json::roundBigIntegers(plain.parameters);
    return lanes_.start(txn, plain);
  }
  if (!request.parameters.is_object()) return unusable(txn, request, "they must be an object");
  begin(txn, request, *resource);
}

void TaskRegistry::unusable(store::Txn& txn, const runtime::TaskRequest& request, std::string_view why) {
  executions_->taskFailed(txn, request.token, "States.Runtime",
                          unusableCause(request.state_name, request.entered, request.parameters, why));
}

void TaskRegistry::begin(store::Txn& txn, const runtime::TaskRequest& request, const Resource& resource) {
  if (const auto why = unusableParameters(resource, request.parameters.get_object(), request.written); !why.empty())
    return unusable(txn, request, join(why, ", "));
  if (resource.sdk && resource.service == kS3)
    return s3_.begin(txn, request, resource.operation(), resource.pattern == Resource::Pattern::callback);
  if (resource.sdk) return callSdk(txn, request, resource);
  if (nameOf(resource) == kNested) return startExecution(txn, request, resource);
  if (nameOf(resource) == kInvoke) return invoke(txn, request);
  if (nameOf(resource) == kPutEvents) return sendEvents(txn, request, resource);
  if (resource.sync()) return startSync(txn, request, resource);
  callDynamo(txn, request, resource);
}

// An operation as a client of the root would call it. What it wrote before it refused is undone; the step goes on.
aws::Outcome TaskRegistry::call(store::Txn& txn, const aws::Operation& operation, json::Object input, std::string_view token,
                                const std::string& request_id) const {
  json::roundBigIntegers(input);
  const aws::Principal principal{"", context_.realm.arn("iam", "root"), context_.realm.account, context_.realm.account};
  aws::Outcome outcome = aws::refuse("InternalFailure", "not called", 500);
  txn.nested([&] {
    outcome = operation.handler({input, &txn, principal, context_.realm, request_id, token, txn.now()});
    return outcome.has_value();
  });
  return outcome;
}

void TaskRegistry::callSdk(store::Txn& txn, const runtime::TaskRequest& request, const Resource& resource) {
  const auto service = signingName(resource.service);
  const auto* operation = find(service, resource.operation());
  const auto request_id = context_.random.uuid();
  const auto outcome = call(txn, *operation, toInput(service, operation->name, request.parameters.get_object()), request.token, request_id);
  if (outcome) {
    auto result = toResult(service, operation->name, *outcome);
    if (resource.pattern == Resource::Pattern::callback) executions_->taskSubmitted(txn, request.token, std::move(result));
    else executions_->taskSucceeded(txn, request.token, json::Value(std::move(result)));
    return;
  }
  auto [error, cause] = sdkError(service, outcome.error(), request_id);
  executions_->taskFailed(txn, request.token, std::move(error), std::move(cause));
}

bool TaskRegistry::knowsSdk(std::string_view service, std::string_view action) const {
  return find(signingName(service), operationName(action)) != nullptr;
}

std::vector<std::string> TaskRegistry::unknownOfSdk(std::string_view service, std::string_view action,
                                                    const json::Object& parameters) const {
  return unknownMembers(signingName(service), operationName(action), parameters);
}

aws::Outcome TaskRegistry::callSdk(store::Txn& txn, std::string_view service, std::string_view action, const json::Object& parameters,
                                   const std::string& id) {
  const auto signing = signingName(service);
  const auto* operation = find(signing, operationName(action));
  if (operation == nullptr) return aws::refuse("InvalidTarget", fmt::format("{}:{} is not served here.", service, action));
  if (const auto unknown = unknownOfStored(signing, operation->name, parameters); !unknown.empty())
    return aws::refuse("ValidationException", fmt::format("{} has no member '{}'.", operation->name, unknown.front()));
  return call(txn, *operation, toInput(signing, operation->name, parameters), id, id);
}

void TaskRegistry::callDynamo(store::Txn& txn, const runtime::TaskRequest& request, const Resource& resource) {
  const auto* operation = find("dynamodb", resource.operation());
  const auto request_id = context_.random.uuid();
  aws::Outcome outcome = aws::refuse("InternalServerError", "DynamoDB is not served", 500);
  if (operation != nullptr) outcome = call(txn, *operation, dynamoInput(request.parameters.get_object()), request.token, request_id);
  if (outcome) {
    executions_->taskSucceeded(txn, request.token,
                               json::Value(withMetadata(*outcome, request_id, txn.now(), json::toText(*outcome).size())));
    return;
  }
  auto [error, cause] = dynamoError(outcome.error(), request_id);
  executions_->taskFailed(txn, request.token, std::move(error), std::move(cause));
}

void TaskRegistry::invoke(store::Txn& txn, const runtime::TaskRequest& request) {
  const auto call = lambdaCall(request.resource, request.parameters);
  if (call) {
    if (auto bad = badInvocation(*call, request.token)) return executions_->taskFailed(txn, request.token, bad->error, bad->cause);
    return lambda_.begin(txn, request.token, *call);
  }
  unusable(txn, request, "The field 'FunctionName' is required but was missing");
}

void TaskRegistry::sendEvents(store::Txn& txn, const runtime::TaskRequest& request, const Resource& resource) {
  auto sent = putEvents(txn, events_, request, context_.random.uuid());
  if (!sent) executions_->taskFailed(txn, request.token, std::move(sent.error().error), std::move(sent.error().cause));
  else if (resource.pattern == Resource::Pattern::callback) executions_->taskSubmitted(txn, request.token, std::move(*sent));
  else executions_->taskSucceeded(txn, request.token, json::Value(std::move(*sent)));
}

// The child starts in the step's own commit. What it does before its first wait comes to its parent after the parent's
// TaskSubmitted: outcomes queue behind what is being handled.
void TaskRegistry::startExecution(store::Txn& txn, const runtime::TaskRequest& request, const Resource& resource) {
  using Pattern = Resource::Pattern;
  const bool parsed = resource.pattern == Pattern::sync2;
  if ((resource.sync() || parsed) && goOnWithChild(txn, request, parsed)) return;
  const auto* operation = find("states", resource.operation());
  const auto request_id = context_.random.uuid();
  const auto outcome = call(txn, *operation, nestedInput(request.parameters.get_object()), request.token, request_id);
  if (!outcome) {
    auto [error, cause] = nestedError(outcome.error(), request_id);
    executions_->taskFailed(txn, request.token, std::move(error), std::move(cause));
    return;
  }
  auto started = withMetadata(nestedStarted(*outcome), request_id, txn.now(), json::toText(*outcome).size());
  if (resource.pattern == Pattern::response) return executions_->taskSucceeded(txn, request.token, json::Value(std::move(started)));
  executions_->taskSubmitted(txn, request.token, std::move(started));
  if (resource.pattern == Pattern::callback) return;
  const auto child = json::textOr(*outcome, "executionArn");
  NestedExecutions::await(txn, request, child, parsed);
  // The same name and input as one that has ended: its end was told before anybody waited.
  if (const auto row = txn.executions().get(child); row && row->status != "RUNNING") executionEnded(txn, *row);
}

// A first try that has a child is a redriven one: the child goes on where it failed; one that was redriven by itself
// meanwhile is taken as it is. A retry starts another execution, and so does a child that cannot be redriven.
bool TaskRegistry::goOnWithChild(store::Txn& txn, const runtime::TaskRequest& request, bool parsed) {
  if (request.attempt != 1) return false;
  const auto child = NestedExecutions::lastChild(txn, request);
  if (!child) return false;
  auto row = txn.executions().get(*child);
  if (!row) return false;
  const bool over = row->status != "RUNNING" && row->status != "SUCCEEDED";
  if (over && !executions_->redrivable(txn, *row).possible) return false;
  NestedExecutions::await(txn, request, *child, parsed);
  json::Object told{{"ExecutionArn", *child}, {"StartDate", toMicros(row->started) / 1000}};
  if (over) told["RedriveDate"] = toMicros(txn.now()) / 1000;
  const auto size = json::toText(told).size();
  executions_->taskSubmitted(txn, request.token, withMetadata(told, context_.random.uuid(), txn.now(), size));
  if (over) executions_->redrive(txn, *child);
  else if (row->status == "SUCCEEDED") executionEnded(txn, *row);
  return true;
}

void TaskRegistry::executionEnded(store::Txn& txn, const store::ExecutionRow& row) {
  for (const auto& parent : NestedExecutions::take(txn, row)) {
    auto told = nestedEnded(txn, row, parent.parsed);
    if (row.status == "SUCCEEDED") executions_->taskSucceeded(txn, parent.token, json::Value(std::move(told)));
    else executions_->taskFailed(txn, parent.token, "States.TaskFailed", json::toText(told));
  }
}

void TaskRegistry::startSync(store::Txn& txn, const runtime::TaskRequest& request, const Resource& resource) {
  const auto* operation = find(resource.service, resource.operation());
  const auto request_id = context_.random.uuid();
  const auto outcome =
      call(txn, *operation, toInput(resource.service, operation->name, request.parameters.get_object()), request.token, request_id);
  if (!outcome) {
    auto [error, cause] = sdkError(resource.service, outcome.error(), request_id);
    executions_->taskFailed(txn, request.token, std::move(error), std::move(cause));
    return;
  }
  executions_->taskSubmitted(txn, request.token, toResult(resource.service, operation->name, *outcome));
  if (resource.service == "ssm") {
    const auto* command = json::find(*outcome, "Command");
    const auto id = command != nullptr && command->is_object() ? json::textOr(command->get_object(), "CommandId") : "";
    putWait(txn, "cmd/" + id, request.token);
    // A tag that matches no machine makes a command that is over at once.
    if (const auto sent = commands_.find(txn, id); sent && sent->hasEnded()) commandEnded(txn, *sent);
    return;
  }
  if (resource.service == "backup") {
    const auto id = json::textOr(*outcome, "BackupJobId");
    putWait(txn, fmt::format("{}/{}", jobKey(id), request.token), request.token);
    if (const auto job = jobs_.find(txn, id); job && services::backup::isFinal(job->state)) jobEnded(txn, *job);
    return;
  }
  json::Array instances;
  if (const auto* ids = json::find(request.parameters.get_object(), "InstanceIds"); ids != nullptr && ids->is_array())
    instances = ids->get_array();
  json::Object body;
  body["wanted"] = resource.action == "stopInstances" ? "stopped" : "running";
  body["instances"] = instances;
  putWait(txn, "pow/" + request.token, request.token, std::move(body));
  for (const auto& id : instances)
    if (id.is_string()) putWait(txn, fmt::format("ec2/{}/{}", json::toView(id.get_string()), request.token), request.token);
  checkPower(txn, request.token, "", "");
}

void TaskRegistry::commandEnded(store::Txn& txn, const services::ssm::Command& command) {
  const auto key = "cmd/" + command.id;
  const auto wait = readWait(txn, key);
  if (!wait) return;
  txn.records().erase(kWait, key);
  json::Array invocations;
  bool good = true;
  for (const auto& invocation : commands_.invocations(txn, command.id)) {
    good = good && invocation.status == "Success";
    json::Object shape;
    shape["CommandId"] = invocation.command_id;
    shape["InstanceId"] = invocation.instance_id;
    shape["Status"] = invocation.status;
    shape["StatusDetails"] = invocation.details;
    if (!invocation.steps.empty()) shape["ResponseCode"] = invocation.steps.back().exit_code;
    invocations.emplace_back(std::move(shape));
  }
  json::Object output;
  output["CommandId"] = command.id;
  output["Status"] = command.status;
  output["StatusDetails"] = command.details;
  output["TargetCount"] = command.target_count;
  // A command that reached no machine did nothing: that is no success.
  good = good && !invocations.empty();
  output["CommandInvocations"] = std::move(invocations);
  const auto token = json::textOr(*wait, "token");
  if (good) executions_->taskSucceeded(txn, token, json::Value(std::move(output)));
  else executions_->taskFailed(txn, token, "States.TaskFailed", json::toText(output));
}

void TaskRegistry::jobEnded(store::Txn& txn, const services::backup::Job& job) {
  std::vector<std::string> tokens;
  for (const auto& key : keysOfJob(txn, job.id)) {
    if (const auto wait = readWait(txn, key)) tokens.push_back(json::textOr(*wait, "token"));
    txn.records().erase(kWait, key);
  }
  if (tokens.empty()) return;
  const bool good = job.state == services::backup::JobState::completed;
  json::Object output;
  output["BackupJobId"] = job.id;
  output["BackupVaultName"] = job.vault;
  output["ResourceArn"] = job.resource_arn;
  output["State"] = services::backup::name(job.state);
  if (!job.message.empty()) output["StatusMessage"] = job.message;
  if (good) output["RecoveryPointArn"] = context_.realm.arn("backup", "recovery-point:" + job.recovery_point);
  for (const auto& token : tokens) {
    if (good) executions_->taskSucceeded(txn, token, json::Value(output));
    else executions_->taskFailed(txn, token, "States.TaskFailed", json::toText(output));
  }
}

void TaskRegistry::powerSettled(store::Txn& txn, const std::string& instance, const std::string& error) {
  for (const auto& record : txn.records().scan(kWait, "ec2/" + instance + "/", "", 1000)) {
    const auto wait = readWait(txn, record.key);
    if (wait) checkPower(txn, json::textOr(*wait, "token"), instance, error);
  }
}

// Ends the task when all its machines are as wanted, or one cannot become so.
void TaskRegistry::checkPower(store::Txn& txn, const std::string& token, const std::string& instance, const std::string& error) {
  const auto wait = readWait(txn, "pow/" + token);
  if (!wait) return;
  const auto wanted = json::textOr(*wait, "wanted");
  json::Array states;
  bool all = true;
  std::string failure = error.empty() ? "" : fmt::format("{}: {}", instance, error);
  for (const auto& id : wait->at("instances").as_array()) {
    const auto found = instances_.find(txn, json::toView(id.as_string()));
    const auto state = found ? name(found->state) : std::string_view("terminated");
    if (!found || found->isGone()) failure = fmt::format("{} is {}", json::toView(id.as_string()), state);
    all = all && state == wanted;
    json::Object shape;
    shape["InstanceId"] = id;
    json::Object word;
    word["Name"] = state;
    shape["State"] = std::move(word);
    states.emplace_back(std::move(shape));
  }
  if (!all && failure.empty()) return;
  for (const auto& record : txn.records().findBy(kWait, "token", token, "", 1000)) txn.records().erase(kWait, record.key);
  json::Object output;
  output["Instances"] = std::move(states);
  if (all) return executions_->taskSucceeded(txn, token, json::Value(std::move(output)));
  output["Message"] = failure;
  executions_->taskFailed(txn, token, "States.TaskFailed", json::toText(output));
}

runtime::RedrivePlan TaskRegistry::redrivePlan(store::Txn& txn, std::string_view execution) {
  return services::stillpoint::Lanes::redrivePlan(txn, execution);
}

void TaskRegistry::redriven(store::Txn& txn, std::string_view execution) { lanes_.redriven(txn, execution); }

void TaskRegistry::cancel(store::Txn& txn, std::string_view token) {
  lanes_.cancel(txn, token);
  activities_.withdraw(txn, token);
  lambda_.cancel(txn, token);
  S3Calls::cancel(txn, token);
  if (const auto child = NestedExecutions::withdraw(txn, token)) executions_->stop(txn, *child, "", "");
  for (const auto& record : txn.records().findBy(kWait, "token", token, "", 1000)) {
    txn.records().erase(kWait, record.key);
    if (record.key.starts_with("cmd/")) {
      [[maybe_unused]] const auto asked = commands_.cancel(txn, record.key.substr(4), {});
    } else if (record.key.starts_with("job/")) {
      const auto id = record.key.substr(4, record.key.find('/', 4) - 4);
      // Another task's backup too.
      if (!keysOfJob(txn, id).empty()) continue;
      [[maybe_unused]] const auto asked = jobs_.stop(txn, id);
    }
  }
}

}  // namespace sp::tasks
