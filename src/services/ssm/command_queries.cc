// Reading commands and invocations.
#include "base/log.h"
#include "services/ssm/command_keys.h"
#include "services/ssm/commands.h"

namespace sp::services::ssm {
namespace {

constexpr std::size_t kPage = 1000;
constexpr std::size_t kPlansKept = 32;
constexpr std::size_t kOpenPage = 100;

template <class T>
std::optional<T> decoded(const std::optional<std::string>& body) {
  if (!body) return std::nullopt;
  const auto parsed = json::parse(*body);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  auto value = T::decode(parsed->get_object());
  if (value) return std::move(*value);
  log::error("a record of Run Command is broken", {{"error", value.error().text()}});
  return std::nullopt;
}

/// Whether it was let go is told by its place.
std::optional<Invocation> placed(std::optional<Invocation> invocation, const Command& command) {
  if (invocation && invocation->place >= 0) invocation->dispatched = invocation->place < command.next;
  return invocation;
}

std::vector<std::string> textsOf(const std::string& body, std::string_view key) {
  const auto parsed = json::parse(body);
  if (!parsed || !parsed->is_object()) return {};
  return json::Reader(parsed->get_object()).textsIf(key);
}

std::string commandOf(const std::string& order_key) { return order_key.substr(order_key.rfind('/') + 1); }

}  // namespace

void Commands::save(store::Txn& txn, const Command& command) const {
  command_watch_.over(
      txn, command, [&] { return find(txn, command.id); },
      [&] { txn.records().put(kProgressKind, command.id, json::toText(command.encodeProgress())); });
}

void Commands::save(store::Txn& txn, const Invocation& invocation) const {
  invocation_watch_.over(
      txn, invocation, [&] { return invocationAt(txn, invocation.key()); },
      [&] { txn.records().put(kInvocationKind, invocation.key(), json::toText(invocation.encode())); });
}

std::optional<Command> Commands::find(store::Txn& txn, std::string_view command_id) const {
  auto progress = txn.records().get(kProgressKind, command_id);
  if (!progress) progress = txn.records().get(kCommandKind, command_id);  // of before the two were apart
  const auto known = progress ? plan(txn, command_id) : nullptr;
  if (!known) return std::nullopt;
  auto command = known->command;
  const auto body = json::parse(*progress);
  auto read = body && body->is_object() ? command.decodeProgress(body->get_object()) : fail("json.type", "no object");
  if (read) return command;
  log::error("a record of Run Command is broken", {{"error", read.error().text()}});
  return std::nullopt;
}

std::shared_ptr<const Commands::Plan> Commands::plan(store::Txn& txn, std::string_view command_id) const {
  if (const auto found = std::ranges::find(plans_, command_id, &std::pair<std::string, std::shared_ptr<const Plan>>::first);
      found != plans_.end()) {
    plans_.splice(plans_.begin(), plans_, found);
    return found->second;
  }
  const auto body = txn.records().get(kCommandKind, command_id);
  auto command = decoded<Command>(body);
  if (!command) return nullptr;
  auto made = std::make_shared<Plan>();
  const auto list = txn.records().get(kTargetsKind, command_id);
  made->targets = list ? textsOf(*list, "machines") : textsOf(*body, "waiting");
  const auto steps = json::parse(txn.records().get(kPlanKind, command_id).value_or("[]"));
  if (steps && steps->is_array()) made->steps = document::Plan::decode(steps->get_array());
  made->command = std::move(*command);
  plans_.emplace_front(command_id, made);
  if (plans_.size() > kPlansKept) plans_.pop_back();
  return made;
}

document::Plan Commands::stepsOf(store::Txn& txn, std::string_view command_id) const {
  const auto known = plan(txn, command_id);
  return known ? known->steps : document::Plan();
}

std::optional<Invocation> Commands::invocation(store::Txn& txn, std::string_view command_id, std::string_view instance_id) const {
  const auto command = find(txn, command_id);
  return command ? invocationOf(txn, *command, instance_id) : std::nullopt;
}

std::vector<std::string> Commands::targetsOf(store::Txn& txn, std::string_view command_id) const {
  const auto known = plan(txn, command_id);
  return known ? known->targets : std::vector<std::string>();
}

std::optional<Invocation> Commands::invocationAt(store::Txn& txn, std::string_view key) const {
  return decoded<Invocation>(txn.records().get(kInvocationKind, key));
}

std::optional<Invocation> Commands::invocationOf(store::Txn& txn, const Command& command, std::string_view instance_id) const {
  return placed(invocationAt(txn, fmt::format("{}/{}", command.id, instance_id)), command);
}

std::vector<Invocation> Commands::invocations(store::Txn& txn, std::string_view command_id) const {
  std::vector<Invocation> found;
  const auto command = find(txn, command_id);
  if (!command) return found;
  const auto prefix = fmt::format("{}/", command_id);
  std::string after;
  while (true) {
    const auto page = txn.records().scan(kInvocationKind, prefix, after, kPage);
    for (const auto& record : page)
      if (auto one = placed(decoded<Invocation>(record.body), *command)) found.push_back(std::move(*one));
    if (page.size() < kPage) return found;
    after = page.back().key;
  }
}

std::vector<Invocation> Commands::openOn(store::Txn& txn, std::string_view instance_id) const {
  std::vector<Invocation> found;
  eachOpen(txn, [&](const Command& command) {
    if (auto one = invocationOf(txn, command, instance_id); one && !one->hasEnded()) found.push_back(std::move(*one));
  });
  return found;
}

void Commands::eachOpen(store::Txn& txn, const std::function<void(const Command&)>& visit) const {
  std::string after;
  while (true) {
    const auto page = txn.records().findBy(kCommandKind, kOpenIndex, kOpenCommand, after, kOpenPage);
    for (const auto& record : page)
      if (const auto command = find(txn, record.key)) visit(*command);
    if (page.size() < kOpenPage) return;
    after = page.back().key;
  }
}

std::vector<Command> Commands::newest(store::Txn& txn, std::string& position, std::size_t limit) const {
  std::vector<Command> found;
  for (const auto& record : txn.records().scanBack(kCommandOrder, "", position, limit)) {
    position = record.key;
    if (auto one = find(txn, commandOf(record.key))) found.push_back(std::move(*one));
  }
  return found;
}

std::vector<Invocation> Commands::newestOn(store::Txn& txn, std::string_view instance_id, std::string& position, std::size_t limit) const {
  std::vector<Invocation> found;
  for (const auto& record : txn.records().scanBack(kInvocationOrder, fmt::format("{}/", instance_id), position, limit)) {
    position = record.key;
    if (auto one = invocation(txn, commandOf(record.key), instance_id)) found.push_back(std::move(*one));
  }
  return found;
}

std::string Commands::shownStatus(const Invocation& invocation) const {
  const bool delayed = invocation.status == "Pending" && invocation.dispatched && !context_.agents.connected(invocation.instance_id);
  return delayed ? "Delayed" : invocation.status;
}

std::string Commands::shownDetails(const Invocation& invocation) const {
  return shownStatus(invocation) == "Delayed" ? "Delayed" : invocation.details;
}

}  // namespace sp::services::ssm
