#include "quiesce/debt.h"

#include <gtest/gtest.h>

namespace sp::quiesce {
namespace {

Scene scene(Machine machine, bool over = true, bool held = true) {
  Scene out;
  out.machine = machine;
  out.lane_over = over;
  out.lock_held = held;
  out.now = fromMicros(1000);
  return out;
}

Debt debt(DebtKind kind, DebtState state = DebtState::open) {
  Debt out;
  out.kind = kind;
  out.state = state;
  return out;
}

TEST(Debt, WhileTheLaneLivesThePayerOnlyConfirms) {
  EXPECT_EQ(nextMove(debt(DebtKind::start), scene(Machine::stopped, false)), Move::wait);
  EXPECT_EQ(nextMove(debt(DebtKind::start), scene(Machine::running, false)), Move::confirm);
  EXPECT_EQ(nextMove(debt(DebtKind::thaw), scene(Machine::running, false)), Move::wait);
}

TEST(Debt, AStoppedMachineIsStartedByWhoHoldsIt) {
  EXPECT_EQ(nextMove(debt(DebtKind::start), scene(Machine::stopped)), Move::startMachine);
  EXPECT_EQ(nextMove(debt(DebtKind::start), scene(Machine::stopped, true, false)), Move::takeLock);
  EXPECT_EQ(nextMove(debt(DebtKind::start), scene(Machine::stopping)), Move::wait);
  EXPECT_EQ(nextMove(debt(DebtKind::start), scene(Machine::pending)), Move::wait);
}

TEST(Debt, AThawComesAfterTheStartAndOneAtATime) {
  auto at = scene(Machine::running);
  EXPECT_EQ(nextMove(debt(DebtKind::thaw), at), Move::sendScript);
  at.start_owed = true;
  EXPECT_EQ(nextMove(debt(DebtKind::thaw), at), Move::wait);
  at.start_owed = false;
  auto paying = debt(DebtKind::thaw);
  paying.command = "c";
  EXPECT_EQ(nextMove(paying, at), Move::wait);
  EXPECT_EQ(nextMove(debt(DebtKind::thaw), scene(Machine::stopped)), Move::wait);
}

TEST(Debt, NothingHappensBeforeItsTimeOrWhileAJobReads) {
  auto later = debt(DebtKind::start);
  later.not_before = fromMicros(2000);
  EXPECT_EQ(nextMove(later, scene(Machine::stopped)), Move::wait);
  auto reading = scene(Machine::stopped);
  reading.job_open = true;
  EXPECT_EQ(nextMove(debt(DebtKind::start), reading), Move::wait);
}

TEST(Debt, ASuspendedDebtWaitsForAPersonButIsPaidWhenTheMachineRuns) {
  EXPECT_EQ(nextMove(debt(DebtKind::start, DebtState::suspended), scene(Machine::stopped)), Move::wait);
  EXPECT_EQ(nextMove(debt(DebtKind::start, DebtState::suspended), scene(Machine::running)), Move::confirm);
  EXPECT_EQ(nextMove(debt(DebtKind::thaw, DebtState::suspended), scene(Machine::running)), Move::wait);
}

TEST(Debt, AMachineThatIsGoneIsOwedNothing) {
  for (const auto kind : {DebtKind::start, DebtKind::thaw, DebtKind::post}) {
    EXPECT_EQ(nextMove(debt(kind), scene(Machine::gone, false)), Move::giveUp);
    EXPECT_EQ(nextMove(debt(kind, DebtState::paid), scene(Machine::gone)), Move::wait);
  }
}

TEST(Debt, PausesGrowToFiveMinutes) {
  EXPECT_EQ(backoff(0), std::chrono::seconds(2));
  EXPECT_EQ(backoff(1), std::chrono::seconds(2));
  EXPECT_EQ(backoff(2), std::chrono::seconds(4));
  EXPECT_EQ(backoff(8), std::chrono::seconds(256));
  EXPECT_EQ(backoff(9), std::chrono::minutes(5));
  EXPECT_EQ(backoff(1'000'000), std::chrono::minutes(5));
}

TEST(Debt, RecordsGiveThemselvesBack) {
  auto original = debt(DebtKind::thaw, DebtState::suspended);
  original.instance = "i-1";
  original.execution = "arn";
  original.freeze_id = "frz";
  original.attempts = 3;
  original.command = "c";
  original.by = "me";
  original.last_error = "no";
  original.since = fromMicros(5);
  original.not_before = fromMicros(6);
  original.settled = fromMicros(7);
  const auto encoded = encode(original);
  EXPECT_EQ(json::toText(encode(*decodeDebt(encoded))), json::toText(encoded));
  EXPECT_EQ(decodeDebt({{"kind", "x"}, {"state", "open"}}).error().code, "quiesce.debt");
  const Freeze freeze{"frz", 2, Freeze::State::frozen};
  EXPECT_EQ(json::toText(encode(*decodeFreeze(encode(freeze)))), json::toText(encode(freeze)));
  EXPECT_FALSE(decodeFreeze({}));
}

}  // namespace
}  // namespace sp::quiesce
