#include "sweep_machines.h"

#include <algorithm>

#include <fmt/format.h>

namespace sp::sim {
namespace {

using std::chrono::seconds;

// A Task state. `rest`: its transition and handlers, as JSON members.
std::string task(const char* resource, const std::string& what, const std::string& rest, int after = 10) {
  const std::string token = resource == std::string(kCallback) ? R"(,"token.$":"$$.Task.Token")" : "";
  return fmt::format(
      R"({{"Type":"Task","Resource":"{}","TimeoutSeconds":100,"ResultPath":"$.r","Parameters":{{"do":[{}],"after":{}{}}},{}}})", resource,
      what, after, token, rest);
}
std::string beating(const char* resource, const std::string& what, const std::string& rest, int after = 10) {
  auto made = task(resource, what, rest, after);
  return made.insert(1, R"("HeartbeatSeconds":8,)");
}
// With what its tries do once the execution was redriven.
std::string redone(const std::string& made, const std::string& what) {
  auto copy = made;
  return copy.insert(copy.find("\"after\""), fmt::format(R"("redone":[{}],)", what));
}
std::string machine(const std::string& states, const std::string& more = "") {
  return fmt::format(R"({{{}"StartAt":"A","States":{{{}}}}})", more, states);
}
std::string branch(const std::string& name, const std::string& states) {
  return fmt::format(R"({{"StartAt":"{}","States":{{{}}}}})", name, states);
}

const std::string kEnd = R"("End":true)";
const std::string kTryAgain = R"("Retry":[{"ErrorEquals":["E","States.Timeout"],"IntervalSeconds":3,"MaxAttempts":2,"BackoffRate":2}])";

std::vector<SweepMachine> plain() {
  return {
      {.name = "a line of every simple state",
       .definition = machine(R"("A":)" + task(kLater, R"("ok")", R"("Next":"B")") + R"(,"B":{"Type":"Wait","Seconds":5,"Next":"C"},"C":)" +
                             task(kNow, R"("ok")", R"("Next":"D")") +
                             R"(,"D":{"Type":"Pass","Result":1,"ResultPath":"$.p","Next":"E"},
           "E":{"Type":"Choice","Choices":[{"Variable":"$.p","NumericEquals":1,"Next":"F"}],"Default":"G"},
           "F":)" + task(kLater, R"("twice")", R"("Next":"H")") +
                             R"(,"G":{"Type":"Fail","Error":"Wrong"},"H":{"Type":"Succeed"})"),
       .result = R"(SUCCEEDED {"r":"ok 1","p":1})"},
      {.name = "retries until it works",
       .definition = machine(R"("A":)" + task(kLater, R"("fail:E","late","ok")", kTryAgain + R"(,"Next":"B")") + R"(,"B":)" +
                             task(kNow, R"("fail:E","fail:E","ok")", kTryAgain + "," + kEnd)),
       .result = R"(SUCCEEDED {"r":"ok 3"})"},
      {.name = "retries with jitter, in vain",
       .definition =
           machine(R"("A":)" +
                   task(kLater, R"("fail:E")",
                        R"("Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":9,"MaxAttempts":3,"JitterStrategy":"FULL"}],)" + kEnd)),
       .result = "FAILED E"},
      {.name = "caught, then failed on purpose",
       .definition = machine(
           R"("A":)" + task(kLater, R"("fail:E")", R"("Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":"$.e","Next":"B"}],)" + kEnd) +
           R"(,"B":)" + task(kLater, R"("silent")", R"("Catch":[{"ErrorEquals":["States.Timeout"],"Next":"C"}],)" + kEnd) +
           R"(,"C":{"Type":"Fail","Error":"As.Planned","Cause":"c"})"),
       .result = "FAILED As.Planned"},
      {.name = "heartbeats come, then stop",
       .definition = machine(R"("A":)" + beating(kCallback, R"("beats")", R"("Next":"B")", 14) + R"(,"B":)" +
                             beating(kCallback, R"("dies","fail:E","beats")", kTryAgain + R"(,"Next":"C")", 14) + R"(,"C":)" +
                             task(kCallback, R"("late","twice")", kTryAgain + "," + kEnd)),
       .result = R"(SUCCEEDED {"r":"ok 2"})"},
      {.name = "an activity and its workers",
       .definition = machine(R"("A":)" + beating(kActivity, R"("beats")", R"("Next":"B")", 14) + R"(,"B":)" +
                             beating(kActivity, R"("dies","fail:E","twice")", kTryAgain + R"(,"Next":"C")", 6) + R"(,"C":)" +
                             task(kActivity, R"("late","silent","ok")", kTryAgain + "," + kEnd)),
       .result = R"(SUCCEEDED {"r":"ok 3"})"},
  };
}

// Branches and iterations, which answer seconds apart.
std::vector<SweepMachine> branching() {
  const auto three = R"({"Type":"Parallel","ResultPath":"$.q","Branches":[)" + branch("P", R"("P":)" + task(kLater, R"("ok")", kEnd, 3)) +
                     "," + branch("Q", R"("Q":{"Type":"Wait","Seconds":7,"Next":"R"},"R":)" + task(kNow, R"("ok")", kEnd)) + "," +
                     branch("S", R"("S":)" + task(kCallback, R"("ok")", kEnd, 11)) + "]";
  const auto failing =
      R"({"Type":"Parallel","ResultPath":"$.q","Branches":[)" +
      branch("P", R"("P":)" + task(kLater, R"("ok")", R"("Next":"P2")", 3) + R"(,"P2":{"Type":"Wait","Seconds":50,"End":true})") + "," +
      branch("Q", R"("Q":)" + task(kLater, R"("fail:E")", kEnd, 9)) + "," +
      branch("S", R"("S":{"Type":"Map","ItemsPath":"$.items","ItemProcessor":)" +
                      branch("T", R"("T":)" + task(kCallback, R"("silent")", kEnd)) + R"(,"End":true})") +
      "]";
  const auto map = [](const std::string& inner, const std::string& more) {
    return R"({"Type":"Map","ItemsPath":"$.items","ResultPath":"$.m",)" + more +
           R"("ItemSelector":{"v.$":"$$.Map.Item.Value"},"ItemProcessor":)" + inner;
  };
  const std::string timed = R"("after.$":"$.v.after","do.$":"$.v.do")";
  const auto item = [&](const std::string& next) {
    return R"({"Type":"Task","Resource":")" + std::string(kLater) + R"(","TimeoutSeconds":100,"ResultPath":"$.r","Parameters":{)" + timed +
           "}," + next + "}";
  };
  const std::string items =
      R"({"items":[{"after":5,"do":["ok"]},{"after":8,"do":["fail:E"]},{"after":14,"do":["ok"]},{"after":17,"do":["ok"]}]})";
  const std::string fine = R"({"items":[{"after":5,"do":["ok"]},{"after":8,"do":["ok"]},{"after":14,"do":["ok"]}]})";
  return {
      {.name = "three branches that all succeed",
       .definition = machine(R"("A":)" + three + R"(,"Next":"B"},"B":{"Type":"Pass","Parameters":{"q.$":"$.q[*].r"},"End":true})"),
       .result = R"(SUCCEEDED {"q":["ok 1","ok 1","ok 1"]})"},
      {.name = "a branch fails: its siblings are aborted, retried, caught",
       .definition = machine(
           R"("A":)" + failing + "," + kTryAgain +
           R"(,"Catch":[{"ErrorEquals":["E"],"ResultPath":"$.e","Next":"B"}],"Next":"B"},"B":{"Type":"Pass","Parameters":{"e.$":"$.e.Error"},"End":true})"),
       .input = R"({"items":[1,2]})",
       .result = R"(SUCCEEDED {"e":"E"})"},
      {.name = "a Map with two at a time",
       .definition = machine(R"("A":)" +
                             map(branch("T", R"("T":)" + item(R"("Next":"U")") + R"(,"U":{"Type":"Wait","Seconds":2,"End":true})"),
                                 R"("MaxConcurrency":2,)") +
                             R"(,"Next":"B"},"B":{"Type":"Pass","Parameters":{"m.$":"$.m[*].r"},"End":true})"),
       .input = fine,
       .result = R"(SUCCEEDED {"m":["ok 1","ok 1","ok 1"]})"},
      {.name = "a Map that bears one failure",
       .definition = machine(R"("A":)" + map(branch("T", R"("T":)" + item(kEnd)), R"("ToleratedFailureCount":1,"MaxConcurrency":3,)") +
                             R"(,"Next":"B"},"B":{"Type":"Pass","Parameters":{"e.$":"$.m[1].Error"},"End":true})"),
       .input = items,
       .result = R"(SUCCEEDED {"e":"E"})"},
      {.name = "a Map that fails and is done again, one at a time",
       .definition =
           machine(R"("A":)" + map(branch("T", R"("T":)" + item(kEnd)), R"("MaxConcurrency":1,)") + "," + kTryAgain + "," + kEnd + "}"),
       .input = items,
       .result = "FAILED E"},
      {.name = "Maps in branches in a Map",
       .definition = machine(
           R"("A":{"Type":"Map","ItemsPath":"$.rows","ItemProcessor":)" +
           branch(
               "P",
               R"("P":{"Type":"Parallel","Branches":[)" +
                   branch("Q", R"("Q":)" + map(branch("T", R"("T":)" + item(kEnd)), "") + R"(,"OutputPath":"$.m[*].r","End":true})") + "," +
                   branch("R", R"("R":{"Type":"Wait","Seconds":3,"Next":"S"},"S":{"Type":"Pass","Result":0,"End":true})") +
                   R"(],"Retry":[{"ErrorEquals":["E"],"MaxAttempts":1,"IntervalSeconds":30}],"Catch":[{"ErrorEquals":["E"],"Next":"C"}],"End":true},"C":{"Type":"Pass","Result":"caught","End":true})") +
           R"(,"End":true})"),
       .input = R"({"rows":[)" + items + "," + R"({"items":[{"after":22,"do":["ok"]},{"after":25,"do":["ok"]}]})" + "]}",
       .result = R"(SUCCEEDED ["caught",[["ok 1","ok 1"],0]])"},
      {.name = "a Map of many steps, which lets others go on in between",
       .definition =
           machine(R"("A":)" + map(branch("T", R"("T":{"Type":"Pass","Next":"U"},"U":{"Type":"Pass","Result":1,"End":true})"), "") +
                   R"(,"Next":"B"},"B":)" + task(kLater, R"("ok")", R"("OutputPath":"$.r","End":true)")),
       .input = R"({"items":[0,1,2,3,4,5,6,7,8,9]})",
       .step_events = 12,
       .result = R"(SUCCEEDED "ok 1")"},
  };
}

// What people do to executions.
std::vector<SweepMachine> handled() {
  // A callback's message leaves as a worker takes his task: in one machine either may come first.
  const auto all = [](const std::string& another) {
    return R"({"Type":"Parallel","ResultPath":"$.q","Branches":[)" +
           branch("P", R"("P":)" + redone(task(kLater, R"("silent")", kEnd, 3), R"("ok")")) + "," + branch("Q", R"("Q":)" + another) + "," +
           branch("R", R"("R":{"Type":"Wait","Seconds":60,"End":true})") + "," +
           branch("T", R"("T":)" + redone(task(kNow, R"("fail:E","silent")", kTryAgain + "," + kEnd), R"("ok")")) + "]";
  };
  const auto with_activity = all(redone(beating(kActivity, R"("silent")", kEnd, 5), R"("ok")"));
  const auto with_callback = all(beating(kCallback, R"("beats")", kEnd, 14));
  const auto partly = R"({"Type":"Parallel","ResultPath":"$.q","Branches":[)" + branch("P", R"("P":)" + task(kLater, R"("ok")", kEnd, 3)) +
                      "," + branch("Q", R"("Q":)" + redone(task(kLater, R"("fail:E")", kEnd, 12), R"("ok")")) + "," +
                      branch("R", R"("R":{"Type":"Map","ItemsPath":"$.items","MaxConcurrency":1,"ItemProcessor":)" +
                                      branch("T", R"("T":)" + task(kLater, R"("ok")", kEnd, 7)) + R"(,"End":true})") +
                      "]";
  return {
      {.name = "stopped while it waits for everything",
       .definition = machine(R"("A":)" + with_callback + "," + kEnd + "}"),
       .stopped_after = 7,
       .result = "ABORTED Sim.Stopped"},
      {.name = "stopped while a worker is at it",
       .definition = machine(R"("A":)" + with_activity + "," + kEnd + "}"),
       .stopped_after = 7,
       .result = "ABORTED Sim.Stopped"},
      {.name = "stopped, then redriven to its end",
       .definition = machine(R"("A":)" + with_callback + R"(,"Next":"B"},"B":{"Type":"Pass","Result":"done","End":true})"),
       .stopped_after = 7,
       .redrives = 1,
       .result = R"(SUCCEEDED "done")"},
      {.name = "stopped, then redriven for another worker",
       .definition = machine(R"("A":)" + with_activity + R"(,"Next":"B"},"B":{"Type":"Pass","Result":"done","End":true})"),
       .stopped_after = 7,
       .redrives = 1,
       .result = R"(SUCCEEDED "done")"},
      {.name = "failed, then redriven: what had succeeded stays",
       .definition = machine(R"("A":)" + task(kLater, R"("ok")", R"("Next":"B")") + R"(,"B":)" + partly +
                             R"(,"ResultSelector":{"p.$":"$[0].r","q.$":"$[1].r","m.$":"$[2][*].r"},"Next":"C"},"C":)" +
                             redone(task(kCallback, R"("fail:F")", kEnd), R"("ok")")),
       .input = R"({"items":[{},{},{}]})",
       .redrives = 2,
       .result = R"(SUCCEEDED {"items":[{},{},{}],"r":"ok 1","q":{"p":"ok 1","q":"ok 1","m":["ok 1","ok 1","ok 1"]}})"},
      {.name = "a failure that was borne is not redriven",
       .definition = machine(R"("A":{"Type":"Map","ToleratedFailureCount":1,"ItemsPath":"$.items","Next":"B","ItemProcessor":)" +
                             branch("P", R"("P":{"Type":"Parallel","End":true,"Branches":[)" +
                                             branch("T", R"("T":)" + task(kLater, R"("fail:E")", kEnd)) + "]}") +
                             R"(},"B":{"Type":"Fail","Error":"Later"})"),
       .input = R"({"items":[{}]})",
       .redrives = 1,
       .result = "FAILED Later"},
      {.name = "redriven in vain, twice",
       .definition = machine(R"("A":)" + task(kLater, R"("fail:E")", kTryAgain + "," + kEnd)),
       .redrives = 2,
       .result = "FAILED E"},
      {.name = "its time is over, in the second run it is not",
       .definition =
           machine(R"("A":)" + redone(task(kLater, R"("silent")", R"("Next":"B")"), R"("ok")") + R"(,"B":)" + task(kLater, R"("ok")", kEnd),
                   R"("TimeoutSeconds":25,)"),
       .redrives = 1,
       .result = R"(SUCCEEDED {"r":"ok 1"})"},
  };
}

}  // namespace

std::vector<SweepMachine> sweepMachines() {
  auto all = plain();
  for (auto* more : {&branching, &handled}) std::ranges::move((*more)(), std::back_inserter(all));
  return all;
}

Plan planOf(const Asked& asked) {
  const auto& parameters = asked.parameters.get_object();
  const auto* list = asked.redrives > 0 ? json::find(parameters, "redone") : nullptr;
  if (list == nullptr) list = json::find(parameters, "do");
  const auto& all = list->get_array();
  const auto place = std::min(static_cast<std::size_t>(asked.attempt), all.size()) - 1;
  const auto what = json::toStd(all[place].get_string());
  Plan plan;
  plan.output = fmt::format("ok {}", asked.attempt);
  plan.after = seconds(json::intOr(parameters, "after", 10));
  if (what.starts_with("fail:")) {
    plan.end = Plan::End::fails;
    plan.error = what.substr(5);
    plan.cause = "as it happens";
  }
  if (what == "silent" || what == "dies") plan.end = Plan::End::silent;
  if (what == "late") plan.after = seconds(150);
  if (what == "twice") plan.answers = 2;
  if (what == "beats" || what == "dies") {
    plan.beats = what == "dies" ? 2 : static_cast<int>(plan.after / seconds(5));
    plan.between = seconds(5);
  }
  return plan;
}

}  // namespace sp::sim
