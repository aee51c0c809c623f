#include "services/states/activities/activities.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "engine/step.h"

namespace sp::services::states {
namespace {

constexpr std::string_view kKind = "activity";
constexpr std::string_view kQueue = "activity_task";

std::string_view nameIn(std::string_view arn) { return arn.substr(arn.rfind(':') + 1); }

// Keys are "NAME/MICROSECONDS/NUMBER/TOKEN", the numbers with zeros ahead: who was scheduled first comes first, of one
// execution's tasks of one moment, too. No name holds a slash.
std::string queueOf(std::string_view arn) { return fmt::format("{}/", nameIn(arn)); }

}  // namespace

json::Object Activity::encode() const { return {{"name", name}, {"arn", arn}, {"created", toMicros(created)}, {"tags", tags}}; }

Activity Activity::decode(const json::Object& record) {
  Activity made;
  made.name = json::textOr(record, "name");
  made.arn = json::textOr(record, "arn");
  made.created = fromMicros(json::intOr(record, "created", 0));
  if (const auto* tags = json::find(record, "tags"); tags != nullptr && tags->is_object()) made.tags = tags->get_object();
  return made;
}

std::string Activities::arnOf(std::string_view name) const { return context_.realm.arn("states", fmt::format("activity:{}", name)); }

std::optional<Activity> Activities::find(store::Txn& txn, std::string_view arn) const {
  const auto record = txn.records().get(kKind, nameIn(arn));
  if (!record) return std::nullopt;
  const auto parsed = json::parse(*record);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  auto found = Activity::decode(parsed->get_object());
  return found.arn == arn ? std::optional(std::move(found)) : std::nullopt;
}

void Activities::put(store::Txn& txn, const Activity& activity) const {
  txn.records().put(kKind, activity.name, json::toText(activity.encode()));
}

void Activities::erase(store::Txn& txn, std::string_view arn) const { txn.records().erase(kKind, nameIn(arn)); }

std::uint64_t Activities::count(store::Txn& txn, std::uint64_t most) const { return txn.records().count(kKind, most); }

std::vector<Activity> Activities::list(store::Txn& txn, std::string_view after, std::size_t limit) const {
  std::vector<Activity> all;
  for (const auto& record : txn.records().scan(kKind, "", after, limit)) {
    const auto parsed = json::parse(record.body);
    if (parsed && parsed->is_object()) all.push_back(Activity::decode(parsed->get_object()));
  }
  return all;
}

void Activities::schedule(store::Txn& txn, std::string_view arn, std::string_view token, std::string_view input) {
  const auto number = engine::splitGlobalName(token).second;
  const auto key = fmt::format("{}{:020}/{:020}/{}", queueOf(arn), toMicros(txn.now()), number, token);
  txn.records().put(kQueue, key, json::toText(json::Object{{"token", token}, {"input", input}}));
  txn.records().index(kQueue, key, "token", token);
  txn.afterCommit([this, topic = topic(arn)] { context_.core.waiters().ring(topic); });
}

std::optional<Activities::Task> Activities::take(store::Txn& txn, std::string_view arn) const {
  const auto waiting = txn.records().scan(kQueue, queueOf(arn), "", 1);
  if (waiting.empty()) return std::nullopt;
  const auto parsed = json::parse(waiting.front().body);
  txn.records().erase(kQueue, waiting.front().key);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  return Task{json::textOr(parsed->get_object(), "token"), json::textOr(parsed->get_object(), "input")};
}

void Activities::withdraw(store::Txn& txn, std::string_view token) const {
  for (const auto& record : txn.records().findBy(kQueue, "token", token, "", 10)) txn.records().erase(kQueue, record.key);
}

std::string Activities::topic(std::string_view arn) { return fmt::format("activity/{}", nameIn(arn)); }

}  // namespace sp::services::states
