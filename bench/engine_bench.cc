// Durable transitions a second of the engine in process: core, runtime and a real store with synchronous=FULL, no wire.
//
//   engine_bench [DIRECTORY]             default: a folder below the current one (a tmpfs would measure no disk)
//   engine_bench --cpu BYTES DIRECTORY   for the guard: executions of 10 Pass with that much input at once, the µs of CPU of one
#include <unistd.h>

#include <cstdlib>

#include "engine_rig.h"

namespace {

using namespace sp;
using namespace sp::bench;

struct Goal {
  std::string_view goal;
  std::string_view limit;
};

/// Starts `count` executions at once and prints what one cost.
void run(const std::filesystem::path& directory, std::string_view what, const std::string& definition, const std::string& input, int count,
         int transitions, const Goal& goal) {
  const Folder folder(directory);
  Rig rig(folder.store());
  const Usage usage;
  for (int i = 0; i < count; ++i) rig.start(fmt::format("e{}", i), definition, input);
  rig.runPending();
  const auto wall = usage.wallSeconds();
  fmt::print("{:<30} {:>9.0f} transitions/s  {:>8.3f} ms CPU an execution  {:>7.3f} s   goal {}   limit {}\n", what,
             count * transitions / wall, usage.cpuSeconds() * 1000 / count, wall, goal.goal, goal.limit);
  if (rig.succeeded != count) fmt::print("  ONLY {} of {} succeeded\n", rig.succeeded, count);
}

/// Through the store's end, which brings over the rest of the WAL: how much of that is done before is chance.
int cpuOfOne(std::size_t bytes, const std::filesystem::path& directory) {
  const int count = bytes < 1000 ? 1000 : 100;
  const Folder folder(directory);
  auto rig = std::make_unique<Rig>(folder.store());
  const Usage usage;
  for (int i = 0; i < count; ++i) rig->start(fmt::format("e{}", i), passes(10), textOf(bytes));
  rig->runPending();
  const int succeeded = rig->succeeded;
  rig.reset();
  fmt::print("{:.2f}\n", usage.cpuSeconds() * 1e6 / count);
  return succeeded == count ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::string_view(argv[1]) == "--cpu") return cpuOfOne(std::strtoul(argv[2], nullptr, 10), argv[3]);
  const std::filesystem::path directory = argc > 1 ? argv[1] : fmt::format("engine-bench-{}", getpid());
  const auto with_writes =
      R"({"StartAt":"S0","States":{"S0":{"Type":"Pass","Result":1,"ResultPath":"$.a","Next":"S1"},)"
      R"j("S1":{"Type":"Pass","Parameters":{"x.$":"$.a","y.$":"States.Format('{}-{}', $.a, $$.State.Name)"},"ResultPath":"$.b","Next":"S2"},)j"
      R"("S2":{"Type":"Choice","Choices":[{"Variable":"$.a","NumericEquals":1,"Next":"S3"}]},"S3":{"Type":"Succeed"}}})";
  const auto map = fmt::format(R"({{"StartAt":"M","States":{{"M":{{"Type":"Map","ItemProcessor":{},"End":true}}}}}})", passes(3));
  std::string items = "[0";
  for (int i = 1; i < 1000; ++i) items += fmt::format(",{{\"item\":{}}}", i);
  items += "]";
  run(directory, "10 Pass, 300 B, 1,000 at once", passes(10), textOf(300), 1000, 10,
      {">= 50,000/s, <= 0.25 ms", "105,000/s, 0.09-0.16 ms"});
  run(directory, "paths and intrinsics, 300 B", with_writes, textOf(300), 1000, 4, {"-", "-"});
  run(directory, "Map of 1,000 x 3 Pass", map, items, 1, 3000, {"<= 0.080 s", "0.025-0.050 s"});
  run(directory, "10 Pass, 64 KB", passes(10), textOf(64 << 10), 100, 10, {"<= 0.6 ms", "0.25 ms"});
  run(directory, "10 Pass, 200 KB", passes(10), textOf(200 << 10), 100, 10, {"<= 2 ms", "0.8 ms"});
  return 0;
}
