// Whole worlds from seeds: whatever crashes, is lost or comes twice, each execution ends with a result its machine may
// have. A failing seed is printed; SP_SEED=N runs that one alone, SP_SEEDS=N so many.
#include <cstdlib>

#include <gtest/gtest.h>

#include "asl/definition.h"
#include "world.h"

namespace sp::sim {
namespace {

std::uint64_t fromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void expectGood(std::uint64_t seed, const Report& report) {
  for (const auto& what : report.broken) ADD_FAILURE() << "SP_SEED=" << seed << " sim_test: " << what;
  for (const auto& [arn, result] : report.results) {
    const auto& expected = report.expected.at(arn);
    if (expected.contains(result)) continue;
    std::string all;
    for (const auto& one : expected) all += "\n  " + one;
    ADD_FAILURE() << "SP_SEED=" << seed << " sim_test: " << arn << " came to\n  " << result << "\nbut may only come to" << all;
  }
}

TEST(Sim, EveryWorldEndsWell) {
  const auto first = fromEnvironment("SP_SEED", 1);
  const auto count = std::getenv("SP_SEED") != nullptr ? 1 : fromEnvironment("SP_SEEDS", 600);
  std::uint64_t crashes = 0;
  std::uint64_t events = 0;
  std::set<std::string> kinds;
  for (std::uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) {
    const auto report = simulate(seed);
    expectGood(seed, report);
    crashes += report.crashes;
    events += report.events;
    for (const auto& [arn, result] : report.results) kinds.insert(result.substr(0, result.find(' ')));
  }
  std::printf("%llu seeds, %llu crashes, %llu events\n", static_cast<unsigned long long>(count), static_cast<unsigned long long>(crashes),
              static_cast<unsigned long long>(events));
  if (count < 100) return;
  // A simulation in which nothing happens proves nothing.
  EXPECT_GT(crashes, count);
  EXPECT_GT(events, count * 20);
  EXPECT_EQ(kinds, (std::set<std::string>{"ABORTED", "FAILED", "SUCCEEDED"}));
}

TEST(Sim, TwoRunsOfASeedAreTheSame) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto one = simulate(seed);
    const auto other = simulate(seed);
    EXPECT_EQ(one.trace, other.trace) << "seed " << seed;
    EXPECT_EQ(one.crashes, other.crashes) << "seed " << seed;
  }
}

TEST(Sim, TheOracleKnowsWhatMachinesDo) {
  const auto machine = *json::parse(R"({"StartAt":"S0","States":{"S0":{"Type":"Pass","Result":1,"ResultPath":"$.p0","Next":"S1"},
    "S1":{"Type":"Choice","Choices":[{"Variable":"$.n","NumericGreaterThan":3,"Next":"S2"}],"Default":"S3"},
    "S2":{"Type":"Fail","Error":"E","Cause":"c"},"S3":{"Type":"Succeed"}}})");
  const auto result = [&](int n) { return oracle(1, machine.get_object(), json::Object{{"n", n}}); };
  EXPECT_EQ(result(4), std::set<std::string>{"FAILED E"});
  EXPECT_EQ(result(3), std::set<std::string>{R"(SUCCEEDED {"n":3,"p0":1})"});
}

}  // namespace
}  // namespace sp::sim
