// A runtime on a real store and a clock that is set by hand.
#pragma once
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "runtime/definitions.h"
#include "runtime/execution_runtime.h"
#include "store/sqlite/sqlite_store.h"

namespace sp::runtime {

inline constexpr Instant kStart{Duration(1'700'000'000'000'000)};
inline constexpr Duration kDay = std::chrono::hours(24);
inline constexpr std::string_view kArn = "arn:aws:states:us-east-1:000000000000:execution:m:e";

/// Remembers its tasks in the store, as the real ones do; "now" answers from within start().
class Tasks final : public TaskPort {
 public:
  explicit Tasks(ExecutionRuntime& runtime) : runtime_(runtime) {}
  bool knows(std::string_view resource) const override { return resource.starts_with("arn:aws:states:::test:"); }
  void start(store::Txn& txn, const TaskRequest& request) override {
    ++starts;
    txn.records().put("started", request.token, request.resource);
    if (request.resource.ends_with(":now")) return runtime_.taskSucceeded(txn, request.token, request.parameters);
    if (request.resource.ends_with(":fail")) return runtime_.taskFailed(txn, request.token, "Test.Error", "told so");
    txn.records().put("open", request.token, "");
  }
  void cancel(store::Txn& txn, std::string_view token) override { txn.records().erase("open", token); }

  int starts = 0;

 private:
  ExecutionRuntime& runtime_;
};

class RuntimeTest : public testing::Test {
 protected:
  RuntimeTest()
      : directory_(std::filesystem::temp_directory_path() / ("sp-runtime-" + std::to_string(getpid()))), random_(1), clock_(kStart) {
    std::filesystem::create_directories(directory_);
    boot();
  }
  ~RuntimeTest() override {
    shut();
    std::filesystem::remove_all(directory_);
  }
  void shut() {
    core_.reset();
    tasks_.reset();
    runtime_.reset();
    store_.reset();
  }
  /// A new process on a new store, at kStart.
  void bootAnew() {
    shut();
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    clock_ = ManualClock(kStart);
    boot();
  }
  /// A new process on the same store.
  void boot() {
    shut();
    store_ = std::move(*store::openSqlite(directory_ / "store.db"));
    core_ = std::make_unique<Core>(*store_, clock_, random_);
    runtime_ = std::make_unique<ExecutionRuntime>(*core_);
    tasks_ = std::make_unique<Tasks>(*runtime_);
    runtime_->setTasks(*tasks_);
    runtime_->onEnd([](store::Txn& txn, const store::ExecutionRow& row) { txn.records().put("ended", row.arn, row.status); });
  }
  void run(store::Job job) {
    core_->post(std::move(job));
    core_->runPending();
  }
  StartSpec specOf(store::Txn& txn, const std::string& definition, const std::string& input = "{}") {
    StartSpec spec;
    spec.arn = kArn;
    spec.name = "e";
    spec.machine_arn = "machine";
    spec.machine_name = "m";
    spec.input = input;
    spec.definition = definitions::add(txn, definition);
    return spec;
  }
  void startExecution(const std::string& definition, const std::string& input = "{}") {
    run([&](store::Txn& txn) {
      EXPECT_TRUE(runtime_->start(txn, specOf(txn, definition, input)));
      return true;
    });
  }
  /// Answers the oldest open task.
  bool answer() {
    bool any = false;
    run([&](store::Txn& txn) {
      const auto open = txn.records().scan("open", "", "", 1);
      if (open.empty()) return true;
      any = true;
      txn.records().erase("open", open[0].key);
      runtime_->taskSucceeded(txn, open[0].key, json::Value(1));
      return true;
    });
    return any;
  }
  bool elapse() {
    const auto next = core_->nextTimer();
    if (!next) return false;
    if (*next > clock_.now()) clock_.advance(*next - clock_.now());
    core_->runPending();
    return true;
  }
  store::ExecutionRow row() {
    std::optional<store::ExecutionRow> found;
    run([&](store::Txn& txn) {
      found = txn.executions().get(kArn);
      return true;
    });
    return *found;
  }
  std::string history() {
    std::string all;
    run([&](store::Txn& txn) {
      for (const auto& event : txn.executions().history(kArn, 1, false, 100000)) all += event + "\n";
      return true;
    });
    return all;
  }
  std::size_t count(std::string kind) {
    std::size_t n = 0;
    run([&](store::Txn& txn) {
      n = txn.records().scan(kind, "", "", 1000).size();
      return true;
    });
    return n;
  }

  std::filesystem::path directory_;
  SeededRandom random_;
  ManualClock clock_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Core> core_;
  std::unique_ptr<ExecutionRuntime> runtime_;
  std::unique_ptr<Tasks> tasks_;
};

}  // namespace sp::runtime
