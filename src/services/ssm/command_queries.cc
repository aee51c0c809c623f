// Reading commands and invocations.
#include "base/log.h"
#include "services/ssm/command_keys.h"
#include "services/ssm/commands.h"

namespace sp::services::ssm {
namespace {

constexpr std::size_t kPage = 1000;

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

std::string commandOf(const std::string& order_key) { return order_key.substr(order_key.rfind('/') + 1); }

}  // namespace

void Commands::save(store::Txn& txn, const Command& command) const {
  txn.records().put(kCommandKind, command.id, json::toText(command.encode()));
}

void Commands::save(store::Txn& txn, const Invocation& invocation) const {
  txn.records().put(kInvocationKind, invocation.key(), json::toText(invocation.encode()));
}

std::optional<Command> Commands::find(store::Txn& txn, std::string_view command_id) const {
  return decoded<Command>(txn.records().get(kCommandKind, command_id));
}

std::optional<Invocation> Commands::invocation(store::Txn& txn, std::string_view command_id, std::string_view instance_id) const {
  return decoded<Invocation>(txn.records().get(kInvocationKind, fmt::format("{}/{}", command_id, instance_id)));
}

std::vector<Invocation> Commands::invocations(store::Txn& txn, std::string_view command_id) const {
  std::vector<Invocation> found;
  const auto prefix = fmt::format("{}/", command_id);
  std::string after;
  while (true) {
    const auto page = txn.records().scan(kInvocationKind, prefix, after, kPage);
    for (const auto& record : page)
      if (auto one = decoded<Invocation>(record.body)) found.push_back(std::move(*one));
    if (page.size() < kPage) return found;
    after = page.back().key;
  }
}

std::vector<Invocation> Commands::openOn(store::Txn& txn, std::string_view instance_id) const {
  std::vector<Invocation> found;
  for (const auto& record : txn.records().findBy(kInvocationKind, kOpenIndex, instance_id, "", kPage))
    if (auto one = decoded<Invocation>(record.body)) found.push_back(std::move(*one));
  return found;
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
