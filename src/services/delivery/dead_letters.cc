#include "services/delivery/dead_letters.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "base/log.h"
#include "services/delivery/record_text.h"

namespace sp::services::delivery {
namespace {

/// Keys: queue, then the letter's id.
constexpr std::string_view kLetter = "dead_letter";
/// What stands in a queue's list, by its name; there is one as long as there are letters.
constexpr std::string_view kList = "dead_letter_list";
/// By the queue's name: its oldest letter's time is over.
constexpr std::string_view kTimer = "dead_letter";
// Of one commit: nobody waits long behind it.
constexpr std::size_t kRemovedAtOnce = 200;
constexpr std::size_t kListsAtOnce = 100;
constexpr std::int64_t kToldEvery = 1'000;
constexpr std::size_t kQueueNameLength = 80;

std::string keyOf(std::string_view queue, std::string_view id) { return fmt::format("{}\x1f{}", queue, id); }

DeadLetter letterOf(const store::Record& record, Duration moved) {
  DeadLetter letter;
  letter.id = record.key.substr(record.key.find('\x1f') + 1);
  const auto body = decode(record.body);
  letter.since = fromMicros(json::intOr(body, "since", 0)) + moved;
  for (const auto& [name, to] : {std::pair{"attributes", &letter.attributes}, std::pair{"delivery", &letter.delivery}})
    if (const auto* value = json::find(body, name); value != nullptr && value->is_object()) *to = value->get_object();
  return letter;
}

DeadLetterList listOf(store::Txn& txn, const std::string& queue) {
  const auto kept = txn.records().get(kList, queue);
  const auto body = kept ? decode(*kept) : json::Object();
  return {queue, json::intOr(body, "letters", 0), json::intOr(body, "bytes", 0), json::intOr(body, "dropped", 0),
          Duration(json::intOr(body, "moved", 0))};
}

void save(store::Txn& txn, const DeadLetterList& list) {
  if (list.letters > 0)
    return txn.records().put(
        kList, list.queue,
        json::toText(
            json::Object{{"letters", list.letters}, {"bytes", list.bytes}, {"dropped", list.dropped}, {"moved", list.moved.count()}}));
  txn.records().erase(kList, list.queue);
  txn.timers().drop(kTimer, list.queue);
}

void take(store::Txn& txn, DeadLetterList& list, const store::Record& record) {
  txn.records().erase(kLetter, record.key);
  --list.letters;
  list.bytes -= static_cast<std::int64_t>(record.body.size());
}

}  // namespace

bool isQueueName(std::string_view text) {
  return !text.empty() && text.size() <= kQueueNameLength &&
         std::ranges::all_of(text, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_'; });
}

std::expected<std::string, std::string> deadLetterQueue(const Realm& realm, std::string_view text) {
  const auto arn = Arn::parse(text);
  if (!arn) return std::unexpected("Provided Arn is not in correct format.");
  if (arn->service != "sqs") return std::unexpected("a dead-letter queue is an SQS queue.");
  if (arn->region != realm.region || arn->account != realm.account)
    return std::unexpected(fmt::format("it is not of account {} and region {}.", realm.account, realm.region));
  if (arn->resource.ends_with(".fifo")) return std::unexpected("a FIFO queue is no dead-letter queue.");
  if (!isQueueName(arn->resource))
    return std::unexpected(fmt::format("a queue's name has 1 to {} letters, digits, - and _.", kQueueNameLength));
  return arn->resource;
}

std::string deadLetterQueueOf(const json::Object& target) {
  const auto* config = json::find(target, "DeadLetterConfig");
  if (config == nullptr || !config->is_object()) return "";
  const auto arn = Arn::parse(json::textOr(config->get_object(), "Arn"));
  return arn ? arn->resource : "";
}

DeadLetters::DeadLetters(Context& context, LetterBounds bounds) : context_(context), bounds_(bounds) {
  context_.core.onTimer(std::string(kTimer), [this](store::Txn& txn, const store::Timer& timer) { expire(txn, timer.id); });
  context_.core.onClockSet(clockSet);
}

void DeadLetters::clockSet(store::Txn& txn, Duration by) {
  std::string after;
  for (bool more = true; more;) {
    const auto names = txn.records().scan(kList, "", after, kListsAtOnce);
    for (const auto& record : names) {
      auto list = listOf(txn, record.key);
      list.moved += by;
      save(txn, list);
      if (const auto oldest = letters(txn, list.queue, "", 1); !oldest.empty())
        txn.timers().set({std::string(kTimer), list.queue, oldest[0].since + kLetterLife, ""});
    }
    more = names.size() == kListsAtOnce;
    if (more) after = names.back().key;
  }
}

void DeadLetters::keep(store::Txn& txn, const std::string& queue, json::Object attributes, const json::Object& delivery) {
  auto list = listOf(txn, queue);
  const auto body = json::toText(
      json::Object{{"since", toMicros(txn.now() - list.moved)}, {"attributes", std::move(attributes)}, {"delivery", delivery}});
  // One letter is kept whatever its size.
  while (list.letters > 0 && (list.letters >= bounds_.letters || list.bytes + static_cast<std::int64_t>(body.size()) > bounds_.bytes)) {
    const auto oldest = txn.records().scan(kLetter, keyOf(queue, ""), "", 1);
    if (oldest.empty()) break;
    // Not a line for each: a list that is full stays so while its target fails.
    if (list.dropped++ % kToldEvery == 0)
      log::warn("dead letters are dropped for newer ones: their list is full",
                {{"queue", queue}, {"letters", list.letters}, {"bytes", list.bytes}, {"dropped", list.dropped}});
    take(txn, list, oldest[0]);
  }
  if (list.letters == 0) txn.timers().set({std::string(kTimer), queue, txn.now() + kLetterLife, ""});
  ++list.letters;
  list.bytes += static_cast<std::int64_t>(body.size());
  txn.records().put(kLetter, keyOf(queue, context_.random.orderedUuid(txn.now())), body);
  save(txn, list);
}

std::vector<DeadLetterList> DeadLetters::lists(store::Txn& txn, std::string_view after, std::size_t limit) {
  std::vector<DeadLetterList> out;
  for (const auto& record : txn.records().scan(kList, "", after, limit)) out.push_back(listOf(txn, record.key));
  return out;
}

std::vector<DeadLetter> DeadLetters::letters(store::Txn& txn, const std::string& queue, std::string_view after, std::size_t limit) {
  std::vector<DeadLetter> out;
  const auto moved = listOf(txn, queue).moved;
  for (const auto& record : txn.records().scan(kLetter, keyOf(queue, ""), after.empty() ? "" : keyOf(queue, after), limit))
    out.push_back(letterOf(record, moved));
  return out;
}

std::optional<DeadLetter> DeadLetters::find(store::Txn& txn, const std::string& queue, std::string_view id) {
  const auto key = keyOf(queue, id);
  const auto body = txn.records().get(kLetter, key);
  return body ? std::optional(letterOf({key, *body}, listOf(txn, queue).moved)) : std::nullopt;
}

bool DeadLetters::remove(store::Txn& txn, const std::string& queue, std::string_view id) {
  const auto key = keyOf(queue, id);
  const auto body = txn.records().get(kLetter, key);
  if (!body) return false;
  auto list = listOf(txn, queue);
  take(txn, list, {key, *body});
  save(txn, list);
  return true;
}

void DeadLetters::expire(store::Txn& txn, const std::string& queue) {
  auto list = listOf(txn, queue);
  const auto oldest = txn.records().scan(kLetter, keyOf(queue, ""), "", kRemovedAtOnce);
  std::int64_t gone = 0;
  std::optional<Instant> next;
  for (const auto& record : oldest) {
    const auto over = letterOf(record, list.moved).since + kLetterLife;
    if (over > txn.now()) {
      next = over;
      break;
    }
    take(txn, list, record);
    ++gone;
  }
  if (gone > 0) log::info("dead letters were removed after 14 days", {{"queue", queue}, {"letters", gone}});
  save(txn, list);
  if (list.letters > 0) txn.timers().set({std::string(kTimer), queue, next.value_or(txn.now()), ""});
}

}  // namespace sp::services::delivery
