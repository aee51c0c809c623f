// Commands that a machine may make by itself: the thaw that its guard runs when the server has been away for longer than a lease.
#include <algorithm>
#include <set>

#include "agentwire/messages.h"
#include "base/log.h"
#include "services/ssm/command_keys.h"
#include "services/ssm/commands.h"

namespace sp::services::ssm {
namespace {

// The agent tells the result until it is settled, however long it is away.
constexpr auto kPatience = std::chrono::hours(24 * 30);
// Its hello may be older than what an output told of it.
constexpr auto kHelloAge = std::chrono::minutes(1);
/// Of one machine's, that have not ended: it makes one after the other.
constexpr std::size_t kMostGuards = 16;

struct Promise {
  std::string instance;
  Command command;
  document::Plan plan;
};

std::optional<Promise> load(store::Txn& txn, std::string_view id) {
  const auto body = txn.records().get(kPromiseKind, id);
  const auto parsed = body ? json::parse(*body) : Result<json::Value>(json::Value());
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const auto& object = parsed->get_object();
  const auto* given = json::find(object, "command");
  const auto* steps = json::find(object, "plan");
  auto command = given != nullptr && given->is_object() ? Command::decode(given->get_object()) : fail("promise", "it has no command");
  if (!command || steps == nullptr || !steps->is_array()) {
    log::error("a promised command cannot be read", {{"promise", id}});
    return std::nullopt;
  }
  return Promise{json::textOr(object, "instance"), std::move(*command), document::Plan::decode(steps->get_array())};
}

/// Why a step of the message could only fail.
std::string errorIn(const json::Array& steps) {
  for (const auto& step : steps) {
    if (!step.is_object()) continue;
    if (auto error = json::textOr(step.get_object(), "error"); !error.empty()) return error;
    if (const auto* inner = json::find(step.get_object(), "steps"); inner != nullptr && inner->is_array())
      if (auto error = errorIn(inner->get_array()); !error.empty()) return error;
  }
  return {};
}

}  // namespace

std::expected<std::string, aws::ApiError> Commands::promise(store::Txn& txn, const SendSpec& spec) {
  SP_TRY(const auto aimed, aim(txn, spec.input));
  if (aimed.targets.size() != 1)
    return aws::refuse("InvalidParameters", fmt::format("a promise is for one machine, not for {}", aimed.targets.size()));
  auto command = describe(txn, spec, aimed.input, aimed.planned);
  command.id.replace(command.id.size() - 4, 4, "0000");
  const auto& instance = aimed.targets.front();
  const auto message = runMessage(txn, command, aimed.planned.plan, instance);
  if (const auto error = errorIn(message.at("steps").get_array()); !error.empty()) return aws::refuse("InvalidParameters", error);
  const json::Object body{{"instance", instance}, {"command", command.encode()}, {"plan", aimed.planned.plan.encode()}};
  txn.records().put(kPromiseKind, command.id, json::toText(body));
  return command.id;
}

void Commands::forgetPromise(store::Txn& txn, std::string_view id) { txn.records().erase(kPromiseKind, id); }

std::optional<document::Plan> Commands::promisedSteps(store::Txn& txn, std::string_view id, std::string_view instance_id) const {
  auto promise = load(txn, id);
  if (!promise || promise->instance != instance_id) return std::nullopt;
  return std::move(promise->plan);
}

std::optional<json::Object> Commands::promisedRun(store::Txn& txn, std::string_view id) const {
  const auto promise = load(txn, id);
  if (!promise) return std::nullopt;
  return runMessage(txn, promise->command, promise->plan, promise->instance);
}

bool Commands::guardSpoke(store::Txn& txn, const std::string& command_id, const std::string& instance_id, Duration ago) {
  if (const auto known = find(txn, command_id)) return isGuards(*known) && invocationOf(txn, *known, instance_id).has_value();
  const auto which = agentwire::promiseOf(command_id);
  auto promise = which ? load(txn, which->promise) : std::nullopt;
  if (!promise || promise->instance != instance_id) return false;
  if (txn.records().findBy(kCommandKind, kGuardIndex, instance_id, "", kMostGuards).size() >= kMostGuards) {
    log::error("a machine tells of too many thaws of its own at once",
               {{"instance", instance_id}, {"command", command_id}, {"limit", kMostGuards}});
    return false;
  }
  auto& command = promise->command;
  command.id = command_id;
  command.freeze["attempt"] = which->attempt;
  command.freeze["guard"] = true;
  command.comment = fmt::format("{}{}{}, by the machine's own guard{}", command.comment, command.comment.empty() ? "" : " (",
                                freezeText(command.freeze), command.comment.empty() ? "" : ")");
  // By a machine whose clock was wrong it may seem older than its promise.
  command.requested = std::max(promise->command.requested, txn.now() - ago);
  command.expires = txn.now() + kPatience;
  command.status = command.details = "InProgress";
  command.target_count = command.next = 1;
  // What a transaction that came to nothing had made.
  plans_.remove_if([&](const auto& kept) { return kept.first == command_id; });
  put(txn, command, {instance_id}, promise->plan);
  txn.records().index(kCommandKind, command_id, kGuardIndex, instance_id);
  log::warn("a machine thaws by itself", {{"instance", instance_id}, {"command", command_id}, {"freeze", freezeText(command.freeze)}});
  return true;
}

// It was never sent, so nothing of it waits for an answer.
void Commands::handleUnasked(store::Txn& txn, const std::string& agent, const json::Object& message) {
  const auto id = commandReported(agent, message);
  if (!id) return;
  const auto type = json::textOr(message, "type");
  const bool refused = type == agentwire::kRefused;
  if ((refused && !find(txn, *id)) || !guardSpoke(txn, *id, agent, refused ? Duration(0) : begunAgo(message))) return;
  if (type == agentwire::kCommandResult) handleResult(txn, agent, message);
  else if (refused) handleRefused(txn, agent, message);
}

// What it had begun by itself and does not know any more: its state directory was emptied or set back. It goes on guarding nothing.
void Commands::handleHello(store::Txn& txn, const std::string& agent, const json::Object& message) {
  std::set<std::string, std::less<>> open;
  if (const auto* ids = json::find(message, "open"); ids != nullptr && ids->is_array())
    for (const auto& id : ids->get_array())
      if (id.is_string()) open.insert(json::toStd(id.get_string()));
  for (const auto& record : txn.records().findBy(kCommandKind, kGuardIndex, agent, "", kMostGuards)) {
    const auto id = requestId(record.key, agent);
    const auto command = find(txn, record.key);
    if (!command || open.contains(id) || txn.now() - command->requested < kHelloAge) continue;
    handleAbsent(txn, agent, {{"type", "absent"}, {"id", id}});
  }
}

}  // namespace sp::services::ssm
