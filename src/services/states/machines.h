// State machines as records.
#pragma once
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "asl/definition.h"
#include "aws/operation.h"
#include "base/clock.h"
#include "json/json.h"
#include "model/arn.h"
#include "runtime/execution_runtime.h"
#include "services/context.h"
#include "services/states/activities/activities.h"
#include "store/store.h"

namespace sp::services::states {

template <class T>
using Answer = std::expected<T, aws::ApiError>;

struct Machine {
  std::string name;
  std::string arn;
  /// Name of the definition kept by the runtime.
  std::string definition;
  std::string role_arn;
  std::string description;
  Instant created;
  Instant updated;
  /// Empty until the first update.
  std::string revision;
  json::Object logging;
  json::Object tracing;
  json::Object tags;
  bool builtin = false;

  json::Object encode() const;
  static Machine decode(const json::Object& record);
};

/// How much of each there may be: AWS's figures unless the configuration says otherwise.
struct Quotas {
  std::int64_t open_executions = 1'000'000;
  std::int64_t state_machines = 100'000;
  std::int64_t activities = 100'000;
};

/// Machines as they were decoded, each beside the very record it was decoded from: a record that has changed since, or was rolled
/// back, differs. Core thread only.
using DecodedMachines = std::map<std::string, std::pair<std::string, Machine>, std::less<>>;

/// What all operations work with.
struct Service {
  Context& context;
  runtime::ExecutionRuntime& runtime;
  const runtime::TaskPort& tasks;
  Activities& activities;
  Quotas quotas = {};
  std::shared_ptr<DecodedMachines> decoded = std::make_shared<DecodedMachines>();

  std::string machineArn(std::string_view name) const;
  std::string executionArn(std::string_view machine, std::string_view name) const;

  std::optional<Machine> find(store::Txn& txn, std::string_view name) const;
  void put(store::Txn& txn, const Machine& machine) const;
  void erase(store::Txn& txn, const Machine& machine) const;
  /// ExecutionLimitExceeded while as many executions are open as may be.
  Answer<void> roomForExecution(store::Txn& txn) const;
  /// StateMachineLimitExceeded, the built-in ones not counted.
  Answer<void> roomForMachine(store::Txn& txn) const;
  /// ActivityLimitExceeded.
  Answer<void> roomForActivity(store::Txn& txn) const;
  /// By ARN; InvalidArn or StateMachineDoesNotExist.
  Answer<Machine> machine(store::Txn& txn, const std::string& arn) const;
  /// By ARN; InvalidArn or ActivityDoesNotExist.
  Answer<Activity> activity(store::Txn& txn, const std::string& arn) const;
  /// By ARN; InvalidArn or ExecutionDoesNotExist.
  Answer<store::ExecutionRow> execution(store::Txn& txn, const std::string& arn) const;
  /// What a new definition is held against here.
  asl::Surroundings surroundings() const;
  /// The definition compiled and kept; InvalidDefinition. `before`: whose it is to be, null: nobody's yet; what that has already is
  /// not looked at again.
  Answer<std::string> keepDefinition(store::Txn& txn, const std::string& text, const Machine* before) const;
};

/// "arn:aws:states:R:A:TYPE:NAME…" of the wanted type, or InvalidArn. Returns what follows the type.
Answer<std::string> nameInArn(std::string_view arn, std::string_view type);
/// 1 to 80 characters without blanks, brackets, wildcards, controls and "#%\^|~`$&,;:/ — or InvalidName.
Answer<void> checkName(std::string_view name);
/// arn:aws:iam::ACCOUNT:role/NAME, or InvalidArn.
Answer<void> checkRole(std::string_view arn);
/// Whether there is a state machine of that name.
bool isThere(store::Txn& txn, std::string_view machine);
/// Default configurations as DescribeStateMachine shows them.
json::Object defaultLogging();
json::Object defaultTracing();

}  // namespace sp::services::states
