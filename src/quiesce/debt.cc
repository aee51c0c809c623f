#include "quiesce/debt.h"

#include <algorithm>
#include <array>

namespace sp::quiesce {
namespace {

constexpr std::array<std::string_view, 3> kKinds = {"start", "thaw", "post"};
constexpr std::array<std::string_view, 4> kStates = {"open", "suspended", "paid", "voided"};
constexpr std::array<std::string_view, 4> kFreezeStates = {"asked", "frozen", "failed", "thawed"};

template <class Enum, std::size_t N>
std::optional<Enum> parse(const std::array<std::string_view, N>& names, std::string_view text) {
  for (std::size_t i = 0; i < N; ++i)
    if (names[i] == text) return static_cast<Enum>(i);
  return std::nullopt;
}

}  // namespace

std::string_view toText(DebtKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }
std::string_view toText(DebtState state) { return kStates[static_cast<std::size_t>(state)]; }
std::string_view toText(Freeze::State state) { return kFreezeStates[static_cast<std::size_t>(state)]; }

json::Object encode(const Debt& debt) {
  json::Object out;
  out["kind"] = toText(debt.kind);
  out["state"] = toText(debt.state);
  out["instance"] = debt.instance;
  out["execution"] = debt.execution;
  out["freezeId"] = debt.freeze_id;
  out["attempts"] = debt.attempts;
  out["command"] = debt.command;
  out["by"] = debt.by;
  out["lastError"] = debt.last_error;
  out["since"] = toMicros(debt.since);
  out["notBefore"] = toMicros(debt.not_before);
  if (debt.settled) out["settled"] = toMicros(*debt.settled);
  return out;
}

Result<Debt> decodeDebt(const json::Object& record) {
  const auto kind = parse<DebtKind>(kKinds, json::textOr(record, "kind"));
  const auto state = parse<DebtState>(kStates, json::textOr(record, "state"));
  if (!kind || !state) return fail("quiesce.debt", "not a debt: " + json::toText(record));
  Debt debt;
  debt.kind = *kind;
  debt.state = *state;
  debt.instance = json::textOr(record, "instance");
  debt.execution = json::textOr(record, "execution");
  debt.freeze_id = json::textOr(record, "freezeId");
  debt.attempts = static_cast<int>(json::intOr(record, "attempts", 0));
  debt.command = json::textOr(record, "command");
  debt.by = json::textOr(record, "by");
  debt.last_error = json::textOr(record, "lastError");
  debt.since = fromMicros(json::intOr(record, "since", 0));
  debt.not_before = fromMicros(json::intOr(record, "notBefore", 0));
  if (json::find(record, "settled") != nullptr) debt.settled = fromMicros(json::intOr(record, "settled", 0));
  return debt;
}

json::Object encode(const Freeze& freeze) {
  json::Object out;
  out["id"] = freeze.id;
  out["attempt"] = freeze.attempt;
  out["state"] = toText(freeze.state);
  return out;
}

Result<Freeze> decodeFreeze(const json::Object& record) {
  const auto state = parse<Freeze::State>(kFreezeStates, json::textOr(record, "state"));
  if (!state) return fail("quiesce.freeze", "not a freeze: " + json::toText(record));
  return Freeze{json::textOr(record, "id"), static_cast<int>(json::intOr(record, "attempt", 1)), *state};
}

Move nextMove(const Debt& debt, const Scene& scene) {
  if (debt.state == DebtState::paid || debt.state == DebtState::voided) return Move::wait;
  if (scene.machine == Machine::gone) return Move::giveUp;
  // A machine that runs is what a start owes, whoever started it; a stop in flight shows as stopping, never as running.
  if (debt.kind == DebtKind::start && scene.machine == Machine::running) return Move::confirm;
  if (debt.state == DebtState::suspended || !scene.lane_over) return Move::wait;
  if (debt.kind == DebtKind::start) {
    if (scene.machine != Machine::stopped || scene.job_open || scene.now < debt.not_before) return Move::wait;
    return scene.lock_held ? Move::startMachine : Move::takeLock;
  }
  if (scene.start_owed || scene.machine != Machine::running || !debt.command.empty() || scene.now < debt.not_before) return Move::wait;
  return scene.lock_held ? Move::sendScript : Move::takeLock;
}

Duration backoff(int attempts) {
  const int doublings = std::clamp(attempts - 1, 0, 8);
  return std::min<Duration>(std::chrono::seconds(2LL << doublings), std::chrono::minutes(5));
}

}  // namespace sp::quiesce
