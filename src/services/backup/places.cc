#include "services/backup/places.h"

#include <utility>

#include <fmt/format.h>

#include "base/strings.h"
#include "json/json.h"

namespace sp::services::backup {
namespace {

/// Key: a holder; {"owner"} and, while it waits, "turn".
constexpr std::string_view kPlaceKind = "backup_place";
/// Key: "OWNER#TURN"; the body is the holder. Turns grow in order of arrival.
constexpr std::string_view kQueueKind = "backup_place_queue";
/// Key: an owner with a place or a turn; {"held", "waiting", "turn"}.
constexpr std::string_view kOwnerKind = "backup_place_owner";
/// Key: "last"; the last turn that was given, as digits.
constexpr std::string_view kTurnKind = "backup_place_turn";
constexpr std::string_view kTimer = "backup.places";
constexpr std::size_t kAll = 100'000;

std::string queueKey(std::string_view owner, std::string_view turn) { return fmt::format("{}#{}", owner, turn); }

json::Object objectOf(std::string_view body) {
  auto parsed = json::parse(body);
  return parsed && parsed->is_object() ? std::move(parsed->get_object()) : json::Object();
}

std::int64_t nextTurn(store::Txn& txn) {
  const auto last = txn.records().get(kTurnKind, "last");
  const auto turn = (last ? parseInt(*last).value_or(0) : 0) + 1;
  txn.records().put(kTurnKind, "last", std::to_string(turn));
  return turn;
}

}  // namespace

Places::Places(runtime::Core& core) {
  core.onTimer(std::string(kTimer), [this](store::Txn& txn, const store::Timer&) { fill(txn); });
}

std::vector<Places::Owner> Places::owners(store::Txn& txn) const {
  std::vector<Owner> out;
  for (const auto& record : txn.records().scan(kOwnerKind, "", "", kAll)) {
    const auto body = objectOf(record.body);
    out.push_back({record.key, json::intOr(body, "held", 0), json::intOr(body, "waiting", 0), json::intOr(body, "turn", 0)});
  }
  return out;
}

void Places::change(store::Txn& txn, std::string_view owner, std::int64_t held, std::int64_t waiting, bool given) const {
  const auto before = objectOf(txn.records().get(kOwnerKind, owner).value_or(""));
  held += json::intOr(before, "held", 0);
  waiting += json::intOr(before, "waiting", 0);
  if (held <= 0 && waiting <= 0) {
    txn.records().erase(kOwnerKind, owner);
    return;
  }
  const auto turn = given || before.empty() ? nextTurn(txn) : json::intOr(before, "turn", 0);
  txn.records().put(kOwnerKind, owner, json::toText(json::Object{{"held", held}, {"waiting", waiting}, {"turn", turn}}));
}

Places::Use Places::use(store::Txn& txn) const {
  Use out;
  for (const auto& owner : owners(txn)) {
    out.held += owner.held;
    out.waiting += owner.waiting;
  }
  return out;
}

void Places::hold(store::Txn& txn, std::string_view owner, std::string_view holder) const {
  txn.records().put(kPlaceKind, holder, json::toText(json::Object{{"owner", owner}}));
  change(txn, owner, 1, 0, true);
}

bool Places::take(store::Txn& txn, std::string_view owner, std::string_view holder) {
  if (const auto known = txn.records().get(kPlaceKind, holder)) return json::find(objectOf(*known), "turn") == nullptr;
  const auto now = use(txn);
  if (now.waiting == 0 && now.held < static_cast<std::int64_t>(most_)) {
    hold(txn, owner, holder);
    return true;
  }
  // Digits of one length: their order as texts is that of the numbers.
  const auto turn = fmt::format("{:019d}", nextTurn(txn));
  txn.records().put(kPlaceKind, holder, json::toText(json::Object{{"owner", owner}, {"turn", turn}}));
  txn.records().put(kQueueKind, queueKey(owner, turn), holder);
  change(txn, owner, 0, 1);
  return false;
}

void Places::occupy(store::Txn& txn, std::string_view owner, std::string_view holder) {
  const auto known = txn.records().get(kPlaceKind, holder);
  if (known) {
    const auto turn = json::textOr(objectOf(*known), "turn");
    if (turn.empty()) return;
    txn.records().erase(kQueueKind, queueKey(owner, turn));
    change(txn, owner, 0, -1);
  }
  hold(txn, owner, holder);
}

void Places::leave(store::Txn& txn, std::string_view holder) {
  const auto known = txn.records().get(kPlaceKind, holder);
  if (!known) return;
  const auto body = objectOf(*known);
  const auto owner = json::textOr(body, "owner");
  const auto turn = json::textOr(body, "turn");
  txn.records().erase(kPlaceKind, holder);
  if (!turn.empty()) {
    txn.records().erase(kQueueKind, queueKey(owner, turn));
    return change(txn, owner, 0, -1);
  }
  change(txn, owner, -1, 0);
  fill(txn);
}

bool Places::holds(store::Txn& txn, std::string_view holder) const {
  const auto known = txn.records().get(kPlaceKind, holder);
  return known && json::find(objectOf(*known), "turn") == nullptr;
}

void Places::leaveTurns(store::Txn& txn, std::string_view owner) {
  for (const auto& record : txn.records().scan(kQueueKind, queueKey(owner, ""), "", kAll)) leave(txn, record.body);
}

std::optional<store::Record> Places::next(store::Txn& txn, const std::vector<Owner>& owners) {
  const Owner* first = nullptr;
  for (const auto& owner : owners)
    if (owner.waiting > 0 && (first == nullptr || std::pair(owner.held, owner.turn) < std::pair(first->held, first->turn))) first = &owner;
  if (first == nullptr) return std::nullopt;
  auto queue = txn.records().scan(kQueueKind, queueKey(first->name, ""), "", 1);
  return queue.empty() ? std::nullopt : std::optional(std::move(queue.front()));
}

void Places::fill(store::Txn& txn) {
  if (filling_) return;
  filling_ = true;
  // Also when a handler throws: the transaction is undone, this object is not.
  struct Done {
    bool& filling;
    ~Done() { filling = false; }
  } const done{filling_};
  while (true) {
    // Read anew each time: a handler may have given up its place, or have made another one wait.
    const auto all = owners(txn);
    std::int64_t held = 0;
    for (const auto& owner : all) held += owner.held;
    if (held >= static_cast<std::int64_t>(most_)) return;
    const auto granted = next(txn, all);
    if (!granted) return;
    const auto owner = std::string_view(granted->key).substr(0, granted->key.rfind('#'));
    txn.records().erase(kQueueKind, granted->key);
    hold(txn, owner, granted->body);
    change(txn, owner, 0, -1);
    const auto handler = granted_.find(std::string_view(granted->body).substr(0, granted->body.find(':')));
    if (handler != granted_.end()) handler->second(txn, granted->body);
  }
}

void Places::recover(store::Txn& txn) { txn.timers().set({std::string(kTimer), "all", txn.now(), ""}); }

}  // namespace sp::services::backup
