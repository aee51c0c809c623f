// Executions that are large or old, in process: what one event costs when an execution has thousands of lanes, and whether its
// cost grows with the execution's age. Each answer is one event and one durable commit.
//
//   long_bench [DIRECTORY]            default: a folder below the current one
//   long_bench --fill STORE EVENTS    puts at least that many history events into a store (of a server that is not running), as
//                                     executions of 25,000 events; prints the ARN of one in the middle
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "engine_rig.h"

namespace {

using namespace sp;
using namespace sp::bench;

constexpr std::int64_t kEventsEach = 25'000;

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

/// A Map whose items all wait for a task: the answers come one at a time.
void lanes(const std::filesystem::path& directory, int count) {
  const Folder folder(directory);
  Rig rig(folder.store());
  std::string items = "[0";
  for (int i = 1; i < count; ++i) items += fmt::format(",{{\"item\":{}}}", i);
  items += "]";
  const Usage starting;
  rig.start("lanes",
            R"({"StartAt":"M","States":{"M":{"Type":"Map","ItemProcessor":{"StartAt":"T","States":{"T":{"Type":"Task",)"
            R"("Resource":"arn:aws:states:::bench:later","TimeoutSeconds":3600,"ResultPath":"$.r","End":true}}},)"
            R"("ItemSelector":{"item.$":"$$.Map.Item.Value"},"End":true}}})",
            items);
  rig.runPending();
  const auto start_cpu = starting.cpuSeconds();
  const Usage answering;
  int answered = 0;
  while (rig.answer(json::Object{{"answer", answered}})) ++answered;
  fmt::print(
      "Map of {:>6} tasks               start {:>7.3f} s CPU   answers {:>8.3f} ms CPU each, {:>8.2f} s in all   goal -   limit {}\n",
      count, start_cpu, answering.cpuSeconds() * 1000 / answered, answering.wallSeconds(), "0.2 ms (one commit)");
  if (rig.succeeded != 1 || answered != count) fmt::print("  answered {} of {}, succeeded {}\n", answered, count, rig.succeeded);
}

/// One execution to its 25,000th event, seven events an answer.
void age(const std::filesystem::path& directory) {
  const Folder folder(directory);
  Rig rig(folder.store());
  rig.start(
      "age",
      R"({"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::bench:later","Next":"C"},)"
      R"("C":{"Type":"Choice","Choices":[{"Variable":"$.end","BooleanEquals":true,"Next":"E"}],"Default":"T"},"E":{"Type":"Succeed"}}})",
      "{}", false);
  rig.runPending();
  constexpr std::int64_t kAnswers = (kEventsEach - 10) / 7;
  std::vector<double> ms;
  for (std::int64_t i = 1; i <= kAnswers; ++i) {
    const Usage usage;
    rig.answer(json::Object{{"end", i == kAnswers}});
    ms.push_back(usage.wallSeconds() * 1000);
  }
  const auto tenth = static_cast<std::ptrdiff_t>(ms.size() / 10);
  const auto young = median({ms.begin(), ms.begin() + tenth});
  const auto old = median({ms.end() - tenth, ms.end()});
  fmt::print(
      "one execution, 25,000 events       event p50 {:.3f} ms in its first tenth, {:.3f} ms in its last ({:+.0f} %)   goal no slow-down\n",
      young, old, (old / young - 1) * 100);
  if (rig.succeeded != 1) fmt::print("  it DID NOT succeed\n");
}

void fill(const std::filesystem::path& store, std::int64_t events) {
  // Four events a turn, and seven around them.
  const auto turns = (kEventsEach - 7) / 4;
  const auto definition = fmt::format(
      R"j({{"StartAt":"P","States":{{"P":{{"Type":"Pass","Parameters":{{"n.$":"States.MathAdd($.n, 1)"}},"Next":"C"}},)j"
      R"("C":{{"Type":"Choice","Choices":[{{"Variable":"$.n","NumericLessThan":{},"Next":"P"}}],"Default":"E"}},"E":{{"Type":"Succeed"}}}}}})",
      turns);
  const auto executions = std::max<std::int64_t>(1, (events + kEventsEach - 1) / kEventsEach);
  Rig rig(store);
  const Usage usage;
  for (std::int64_t i = 0; i < executions; i += 20) {
    for (auto j = i; j < std::min(i + 20, executions); ++j) rig.start(fmt::format("fill-{}", j), definition, R"({"n":0})", false);
    rig.runPending();
  }
  if (rig.succeeded != executions) {
    fmt::print(stderr, "only {} of {} executions succeeded\n", rig.succeeded, executions);
    std::exit(1);
  }
  fmt::print(stderr, "{} events in {:.1f} s\n", executions * kEventsEach, usage.wallSeconds());
  fmt::print("{}\n", Rig::arn(fmt::format("fill-{}", executions / 2)));
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc == 4 && std::string_view(argv[1]) == "--fill") {
    fill(argv[2], std::atoll(argv[3]));
    return 0;
  }
  const std::filesystem::path directory = argc > 1 ? argv[1] : fmt::format("long-bench-{}", getpid());
  lanes(directory, 100);
  lanes(directory, 2'000);
  age(directory);
  return 0;
}
