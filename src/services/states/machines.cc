#include "services/states/machines.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "runtime/definitions.h"
#include "services/states/states.h"

namespace sp::services::states {
namespace {

constexpr std::string_view kKind = "state_machine";
constexpr std::size_t kDecodedKept = 1024;
// PrePostBackup.
constexpr std::uint64_t kBuiltins = 1;

json::Object objectOr(const json::Object& record, std::string_view key) {
  const auto* value = json::find(record, key);
  return value != nullptr && value->is_object() ? value->get_object() : json::Object();
}

}  // namespace

json::Object Machine::encode() const {
  return {{"name", name},
          {"arn", arn},
          {"definition", definition},
          {"roleArn", role_arn},
          {"description", description},
          {"created", toMicros(created)},
          {"updated", toMicros(updated)},
          {"revision", revision},
          {"logging", logging},
          {"tracing", tracing},
          {"tags", tags},
          {"builtin", builtin}};
}

Machine Machine::decode(const json::Object& record) {
  Machine made;
  made.name = json::textOr(record, "name");
  made.arn = json::textOr(record, "arn");
  made.definition = json::textOr(record, "definition");
  made.role_arn = json::textOr(record, "roleArn");
  made.description = json::textOr(record, "description");
  made.created = fromMicros(json::intOr(record, "created", 0));
  made.updated = fromMicros(json::intOr(record, "updated", 0));
  made.revision = json::textOr(record, "revision");
  made.logging = objectOr(record, "logging");
  made.tracing = objectOr(record, "tracing");
  made.tags = objectOr(record, "tags");
  made.builtin = json::boolOr(record, "builtin", false);
  return made;
}

std::string Service::machineArn(std::string_view name) const { return context.realm.arn("states", fmt::format("stateMachine:{}", name)); }

std::string Service::executionArn(std::string_view machine, std::string_view name) const {
  return context.realm.arn("states", fmt::format("execution:{}:{}", machine, name));
}

std::optional<Machine> Service::find(store::Txn& txn, std::string_view name) const {
  const auto record = txn.records().get(kKind, name);
  if (!record) return std::nullopt;
  if (const auto known = decoded->find(name); known != decoded->end() && known->second.first == *record) return known->second.second;
  const auto parsed = json::parse(*record);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  auto machine = Machine::decode(parsed->get_object());
  if (decoded->size() >= kDecodedKept) decoded->clear();
  decoded->insert_or_assign(std::string(name), std::pair(*record, machine));
  return machine;
}

bool isThere(store::Txn& txn, std::string_view machine) { return txn.records().get(kKind, machine).has_value(); }

void Service::put(store::Txn& txn, const Machine& machine) const {
  const auto before = find(txn, machine.name);
  txn.records().put(kKind, machine.name, json::toText(machine.encode()));
  if (before && before->definition == machine.definition) return;
  runtime::definitions::adopt(txn, machine.definition);
  if (before) runtime::definitions::release(txn, before->definition);
}

void Service::erase(store::Txn& txn, const Machine& machine) const {
  if (txn.records().erase(kKind, machine.name)) runtime::definitions::release(txn, machine.definition);
}

Answer<void> Service::roomForExecution(store::Txn& txn) const {
  if (!runtime.openReached(txn, quotas.open_executions)) return {};
  return aws::refuse("ExecutionLimitExceeded",
                     fmt::format("Execution Limit Exceeded: 'The maximum number of running executions ({}) has been reached. Running "
                                 "executions must end or be stopped before a new execution can be started.'",
                                 quotas.open_executions));
}

Answer<void> Service::roomForMachine(store::Txn& txn) const {
  const auto most = static_cast<std::uint64_t>(quotas.state_machines) + kBuiltins;
  if (txn.records().count(kKind, most) < most) return {};
  return aws::refuse(
      "StateMachineLimitExceeded",
      fmt::format("State Machine Limit Exceeded: 'The maximum number of state machines ({}) has been reached. Existing state "
                  "machines must be deleted before a new state machine can be created.'",
                  quotas.state_machines));
}

Answer<void> Service::roomForActivity(store::Txn& txn) const {
  if (activities.count(txn, static_cast<std::uint64_t>(quotas.activities)) < static_cast<std::uint64_t>(quotas.activities)) return {};
  return aws::refuse("ActivityLimitExceeded",
                     fmt::format("Activity Limit Exceeded: 'The maximum number of activities ({}) has been reached. Existing activities "
                                 "must be deleted before a new activity can be created.'",
                                 quotas.activities));
}

Answer<Machine> Service::machine(store::Txn& txn, const std::string& arn) const {
  SP_TRY(const auto name, nameInArn(arn, "stateMachine"));
  auto found = find(txn, name);
  if (!found || found->arn != arn) return aws::refuse("StateMachineDoesNotExist", fmt::format("State Machine Does Not Exist: '{}'", arn));
  return std::move(*found);
}

Answer<store::ExecutionRow> Service::execution(store::Txn& txn, const std::string& arn) const {
  SP_CHECK_OK(nameInArn(arn, "execution"));
  auto row = txn.executions().get(arn);
  if (!row) return aws::refuse("ExecutionDoesNotExist", fmt::format("Execution Does Not Exist: '{}'", arn));
  return std::move(*row);
}

Answer<Activity> Service::activity(store::Txn& txn, const std::string& arn) const {
  SP_CHECK_OK(nameInArn(arn, "activity"));
  auto found = activities.find(txn, arn);
  if (!found) return aws::refuse("ActivityDoesNotExist", fmt::format("Activity Does Not Exist: '{}'", arn));
  return std::move(*found);
}

asl::Surroundings Service::surroundings() const {
  return {.knows = [this](std::string_view resource) { return tasks.knows(resource); },
          .refuses = [this](std::string_view resource,
                            const json::Object* parameters) { return tasks.refusedParameters(resource, parameters); }};
}

Answer<std::string> Service::keepDefinition(store::Txn& txn, const std::string& text, const Machine* before) const {
  if (before != nullptr && runtime::definitions::textOf(txn, before->definition) == text) return before->definition;
  const auto compiled = asl::compileNew(text, surroundings());
  if (!compiled) return aws::refuse("InvalidDefinition", asl::describe(compiled.error()));
  return runtime::definitions::add(txn, text);
}

Answer<std::string> nameInArn(std::string_view arn, std::string_view type) {
  if (!arn.starts_with("arn:")) return aws::refuse("InvalidArn", fmt::format("Invalid Arn: 'Invalid ARN prefix: {}'", cutText(arn, 256)));
  const auto parts = split(arn, ':');
  if (parts.size() < 7 || parts[6].empty())
    return aws::refuse("InvalidArn", fmt::format("Invalid Arn: 'Invalid ARN: {}'", cutText(arn, 256)));
  if (parts[2] != "states") return aws::refuse("InvalidArn", fmt::format("Invalid Arn: 'Invalid service in ARN: {}'", parts[2]));
  if (parts[5] != type)
    return aws::refuse("InvalidArn", fmt::format("Invalid Arn: 'Resource type not valid in this context: {}'", parts[5]));
  return std::string(arn.substr(static_cast<std::size_t>(parts[6].data() - arn.data())));
}

Answer<void> checkName(std::string_view name) {
  constexpr std::string_view kRefused = " \t\r\n?*<>{}[]\"#%\\^|~`$&,;:/";
  std::size_t characters = 0;
  bool good = isUtf8(name);
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    if ((c & 0xC0U) != 0x80U) ++characters;
    const bool high_control = c == 0xC2U && i + 1 < name.size() && static_cast<unsigned char>(name[i + 1]) < 0xA0U;
    if (c < 0x20 || c == 0x7F || high_control || kRefused.find(name[i]) != std::string_view::npos) good = false;
  }
  if (characters == 0 || characters > 80)
    return std::unexpected(aws::ApiError::validation(
        fmt::format("1 validation error detected: Value '{}' at 'name' failed to satisfy constraint: Member must have length {} than or "
                    "equal to {}",
                    cutText(name, 256), characters == 0 ? "greater" : "less", characters == 0 ? 1 : 80)));
  if (!good) return aws::refuse("InvalidName", fmt::format("Invalid Name: '{}'", name));
  return {};
}

Answer<void> checkRole(std::string_view arn) {
  const auto parts = split(arn, ':');
  if (parts.size() >= 6 && parts[0] == "arn" && parts[2] == "iam" && parts[5].starts_with("role/")) return {};
  return aws::refuse("InvalidArn", fmt::format("Invalid Role Arn: 'Invalid ARN prefix: {}'", cutText(arn, 256)));
}

json::Object defaultLogging() { return {{"level", "OFF"}, {"includeExecutionData", false}}; }
json::Object defaultTracing() { return {{"enabled", false}}; }

}  // namespace sp::services::states

namespace sp::services {

Result<void> registerBuiltin(store::Txn& txn, Context& context, runtime::ExecutionRuntime& runtime, const runtime::TaskPort& tasks,
                             states::Activities& activities, std::string_view name, const std::string& definition) {
  const states::Service service{context, runtime, tasks, activities};
  auto kept = service.keepDefinition(txn, definition, nullptr);
  if (!kept) return fail("states.definition", fmt::format("{}: {}", name, kept.error().message));
  auto machine = service.find(txn, name);
  if (machine && machine->builtin && machine->definition == *kept) return {};
  states::Machine made;
  made.name = name;
  made.arn = service.machineArn(name);
  made.definition = std::move(*kept);
  made.role_arn = fmt::format("arn:aws:iam::{}:role/stillpoint", context.realm.account);
  made.created = machine ? machine->created : txn.now();
  made.updated = txn.now();
  made.logging = states::defaultLogging();
  made.tracing = states::defaultTracing();
  made.builtin = true;
  if (machine) made.tags = machine->tags;
  service.put(txn, made);
  return {};
}

}  // namespace sp::services
