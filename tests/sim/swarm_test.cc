// Whole worlds from seeds: whatever crashes, is lost or comes twice, each execution ends in time with a result its machine
// may have. A failing seed tells its story; SP_SEED=N runs that one alone, SP_SEEDS=N so many.
#include "swarm.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "base/log.h"
#include "oracle.h"

namespace sp::sim {
namespace {

// Failed commits are what this program is about: nobody wants to read of each.
class Quiet final : public testing::Environment {
 public:
  void SetUp() override { log::configure(log::Level::none, log::Format::text); }
};
[[maybe_unused]] const auto* const g_quiet = testing::AddGlobalTestEnvironment(new Quiet);

std::uint64_t fromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void tellOf(std::uint64_t seed, const Report& report) {
  for (const auto& what : report.broken) ADD_FAILURE() << "SP_SEED=" << seed << " sim_test --gtest_filter=Swarm.*: " << what;
  std::printf("The story of seed %llu:\n", static_cast<unsigned long long>(seed));
  for (const auto& line : simulate(seed, true).story) std::printf("%s\n", line.c_str());
}

TEST(Swarm, EveryWorldEndsWell) {
  const auto first = fromEnvironment("SP_SEED", 1);
  const auto count = std::getenv("SP_SEED") != nullptr ? 1 : fromEnvironment("SP_SEEDS", 2000);
  Report all;
  std::uint64_t undisturbed = 0;
  std::map<std::string, std::uint64_t> ends;
  for (auto seed = first; seed < first + count; ++seed) {
    const auto report = simulate(seed);
    if (!report.broken.empty()) return tellOf(seed, report);
    if (seed % 10 == 0) {
      const auto again = simulate(seed);
      ASSERT_EQ(again.trace, report.trace) << "seed " << seed << " went another way the second time";
    }
    all.commits += report.commits;
    all.crashes += report.crashes;
    all.faults += report.faults;
    all.events += report.events;
    all.beats += report.beats;
    all.late_answers += report.late_answers;
    all.stops += report.stops;
    all.redrives += report.redrives;
    if (report.undisturbed) ++undisturbed;
    for (const auto& [arn, result] : report.results) ++ends[result.substr(0, result.find(' '))];
  }
  const auto show = [](const char* what, std::uint64_t number) { std::printf("%llu %s, ", static_cast<unsigned long long>(number), what); };
  show("seeds", count);
  show("undisturbed", undisturbed);
  show("commits", all.commits);
  show("crashes", all.crashes);
  show("other faults", all.faults);
  show("events", all.events);
  show("heartbeats", all.beats);
  show("late answers", all.late_answers);
  show("stops", all.stops);
  show("redrives", all.redrives);
  for (const auto& [status, number] : ends) show(status.c_str(), number);
  std::printf("no more\n");
  if (count < 1000) return;
  // A simulation in which nothing happens proves nothing.
  EXPECT_GT(undisturbed, count / 20);
  EXPECT_LT(undisturbed, count / 2);
  EXPECT_GT(all.crashes, count);
  EXPECT_GT(all.faults, count);
  EXPECT_GT(all.events, count * 50);
  EXPECT_GT(all.beats, count / 2);
  EXPECT_GT(all.late_answers, count / 4);
  EXPECT_GT(all.stops, count / 10);
  EXPECT_GT(all.redrives, count / 10);
  for (const auto* status : {"SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"}) EXPECT_GT(ends[status], count / 100) << status;
}

TEST(Swarm, TheOracleKnowsWhatMachinesDo) {
  const auto machine = *json::parse(R"({"StartAt":"S0","States":{"S0":{"Type":"Pass","Result":1,"ResultPath":"$.p0","Next":"S1"},
    "S1":{"Type":"Choice","Choices":[{"Variable":"$.n","NumericGreaterThan":3,"Next":"S2"}],"Default":"S3"},
    "S2":{"Type":"Fail","Error":"E","Cause":"c"},"S3":{"Type":"Succeed"}}})");
  const auto may = [&](int n, const std::string& result) { return mayComeTo(result, machine.get_object(), json::Object{{"n", n}}, {}); };
  EXPECT_TRUE(may(4, "FAILED E"));
  EXPECT_FALSE(may(4, R"(SUCCEEDED {"n":4,"p0":1})"));
  EXPECT_TRUE(may(3, R"(SUCCEEDED {"n":3,"p0":1})"));
  EXPECT_FALSE(may(3, "FAILED E"));
  EXPECT_FALSE(may(3, R"(SUCCEEDED {"n":3,"p0":2})"));
}

TEST(Swarm, TheOracleJudgesBranchesByWhatIsClaimedOfThem) {
  const auto machine =
      *json::parse(R"({"StartAt":"S0","States":{"S0":{"Type":"Map","ItemsPath":"$.items","ToleratedFailureCount":1,"ResultPath":"$.m0",
    "ItemProcessor":{"StartAt":"S1","States":{"S1":{"Type":"Task","Parameters":{"state":"S1"},"ResultPath":"$.t1","End":true}}},"End":true}}})");
  const json::Object input{{"items", json::Array{7, 8}}};
  const TaskOutcomes tasks = [](const json::Object&, const json::Object& parameters, std::int64_t) -> Outcomes {
    if (parameters.at("n") == 7) return {{false, "seven"}};
    return {{false, "eight"}, {true, json::Object{{"Error", "E"}, {"Cause", ""}}}};
  };
  const auto may = [&](const std::string& result) { return mayComeTo(result, machine.get_object(), input, tasks); };
  const std::string item = R"({"n":7,"items":[7,8],"i":0,"t1":"seven"})";
  const std::string start = R"(SUCCEEDED {"items":[7,8],"m0":[)" + item + ",";
  EXPECT_TRUE(may(start + R"({"n":8,"items":[7,8],"i":1,"t1":"eight"}]})"));
  EXPECT_TRUE(may(start + R"({"Error":"E","Cause":""}]})"));
  EXPECT_FALSE(may(start + R"({"Error":"F","Cause":""}]})"));
  EXPECT_FALSE(may(start + R"({"n":8,"items":[7,8],"i":1,"t1":"seven"}]})"));
  EXPECT_FALSE(may("FAILED E"));
  EXPECT_FALSE(may("FAILED States.ExceedToleratedFailureThreshold"));
}

}  // namespace
}  // namespace sp::sim
