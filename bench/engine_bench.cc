// Durable transitions a second of the engine in process: core, runtime and a real store with synchronous=FULL, no wire.
//
//   engine_bench [DIRECTORY]     default: a folder below the current one (a tmpfs would measure no disk)
#include <filesystem>

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/execution_runtime.h"
#include "store/sqlite/sqlite_store.h"

namespace {

using namespace sp;

struct Usage {
  std::chrono::steady_clock::time_point wall = std::chrono::steady_clock::now();
  double cpu = 0;
  Usage() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
    cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
};

class Bench {
 public:
  explicit Bench(const std::filesystem::path& directory) : directory_(directory) {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    store_ = std::move(*store::openSqlite(directory_ / "store.db"));
    core_ = std::make_unique<runtime::Core>(*store_, clock_, random_);
    runtime_ = std::make_unique<runtime::ExecutionRuntime>(*core_);
  }
  ~Bench() {
    core_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  /// Starts `count` executions at once and prints what one cost.
  void run(std::string_view what, const std::string& definition, const std::string& input, int count, int transitions) {
    int ended = 0;
    runtime_->onEnd([&ended](store::Txn&, const store::ExecutionRow& row) { ended += row.status == "SUCCEEDED" ? 1 : 0; });
    const Usage before;
    for (int i = 0; i < count; ++i) {
      core_->post([&, i](store::Txn& txn) {
        runtime::StartSpec spec;
        spec.name = fmt::format("{}-{}", number_, i);
        spec.arn = "arn:aws:states:us-east-1:000000000000:execution:m:" + spec.name;
        spec.machine_arn = "arn:aws:states:us-east-1:000000000000:stateMachine:m";
        spec.machine_name = "m";
        spec.input = input;
        spec.unlimited = true;
        spec.definition = runtime_->addDefinition(txn, definition);
        return runtime_->start(txn, spec);
      });
    }
    core_->runPending();
    const Usage after;
    ++number_;
    const double wall = std::chrono::duration<double>(after.wall - before.wall).count();
    const double cpu = after.cpu - before.cpu;
    fmt::print("{:<34} {:>8} executions  {:>9.0f} transitions/s  {:>8.3f} ms CPU an execution  {:>8.3f} s\n", what, ended,
               count * transitions / wall, cpu * 1000 / count, wall);
    if (ended != count) fmt::print("  ONLY {} of {} succeeded\n", ended, count);
  }

 private:
  std::filesystem::path directory_;
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<runtime::Core> core_;
  std::unique_ptr<runtime::ExecutionRuntime> runtime_;
  int number_ = 0;
};

std::string passes(int count) {
  std::string states;
  for (int i = 0; i < count; ++i)
    states += fmt::format(R"({}"S{}":{{"Type":"Pass",{}}})", i == 0 ? "" : ",", i,
                          i + 1 == count ? R"("End":true)" : fmt::format(R"("Next":"S{}")", i + 1));
  return fmt::format(R"({{"StartAt":"S0","States":{{{}}}}})", states);
}

std::string textOf(std::size_t bytes) { return fmt::format(R"({{"text":"{}"}})", std::string(bytes - 11, 'x')); }

}  // namespace

int main(int argc, char** argv) {
  const std::filesystem::path directory = argc > 1 ? argv[1] : fmt::format("engine-bench-{}", getpid());
  const auto with_writes =
      R"({"StartAt":"S0","States":{"S0":{"Type":"Pass","Result":1,"ResultPath":"$.a","Next":"S1"},)"
      R"j("S1":{"Type":"Pass","Parameters":{"x.$":"$.a","y.$":"States.Format('{}-{}', $.a, $$.State.Name)"},"ResultPath":"$.b","Next":"S2"},)j"
      R"("S2":{"Type":"Choice","Choices":[{"Variable":"$.a","NumericEquals":1,"Next":"S3"}]},"S3":{"Type":"Succeed"}}})";
  const auto map = fmt::format(R"({{"StartAt":"M","States":{{"M":{{"Type":"Map","ItemProcessor":{},"End":true}}}}}})", passes(3));
  std::string items = "[0";
  for (int i = 1; i < 1000; ++i) items += fmt::format(",{{\"item\":{}}}", i);
  items += "]";
  Bench(directory).run("10 Pass, 300 B, 1,000 at once", passes(10), textOf(300), 1000, 10);
  Bench(directory).run("paths and intrinsics, 300 B", with_writes, textOf(300), 1000, 4);
  Bench(directory).run("Map of 1,000 x 3 Pass", map, items, 1, 3000);
  Bench(directory).run("10 Pass, 64 KB", passes(10), textOf(64 << 10), 100, 10);
  Bench(directory).run("10 Pass, 200 KB", passes(10), textOf(200 << 10), 100, 10);
  return 0;
}
