// What the engine's benchmarks share: core, runtime and a real store (synchronous=FULL) in a folder of its own, and tasks that
// wait until the benchmark answers them.
#pragma once
#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "runtime/definitions.h"
#include "runtime/execution_runtime.h"
#include "store/sqlite/sqlite_store.h"
#include "usage.h"

namespace sp::bench {

/// Tasks that wait; the benchmark answers the oldest.
class WaitingTasks final : public runtime::TaskPort {
 public:
  bool knows(std::string_view resource) const override { return resource == "arn:aws:states:::bench:later"; }
  void start(store::Txn& txn, const runtime::TaskRequest& request) override {
    static_cast<void>(txn);
    open.push_back(request.token);
  }
  void cancel(store::Txn& txn, std::string_view token) override { static_cast<void>(txn), static_cast<void>(token); }
  std::deque<std::string> open;
};

class Rig {
 public:
  /// `file`: the store; what is there already stays.
  explicit Rig(const std::filesystem::path& file) {
    store_ = std::move(*store::openSqlite(file));
    core_ = std::make_unique<runtime::Core>(*store_, clock_, random_);
    runtime_ = std::make_unique<runtime::ExecutionRuntime>(*core_);
    runtime_->setTasks(tasks);
    runtime_->onEnd([this](store::Txn&, const store::ExecutionRow& row) { succeeded += row.status == "SUCCEEDED" ? 1 : 0; });
  }
  ~Rig() {
    core_.reset();
    store_.reset();
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  static std::string arn(std::string_view name) { return fmt::format("arn:aws:states:us-east-1:000000000000:execution:bench:{}", name); }

  /// Queues the start of an execution; runPending() does it.
  void start(const std::string& name, const std::string& definition, const std::string& input, bool unlimited = true) {
    core_->post([this, name, definition, input, unlimited](store::Txn& txn) {
      runtime::StartSpec spec;
      spec.name = name;
      spec.arn = arn(name);
      spec.machine_arn = "arn:aws:states:us-east-1:000000000000:stateMachine:bench";
      spec.machine_name = "bench";
      spec.input = input;
      spec.unlimited = unlimited;
      spec.definition = runtime::definitions::add(txn, definition);
      return runtime_->start(txn, spec);
    });
  }
  /// Answers the task that waits longest, in a commit of its own. False if none waits.
  bool answer(const json::Value& output) {
    if (tasks.open.empty()) return false;
    const auto token = std::move(tasks.open.front());
    tasks.open.pop_front();
    core_->post([&](store::Txn& txn) {
      runtime_->taskSucceeded(txn, token, output);
      return true;
    });
    core_->runPending();
    return true;
  }
  void runPending() { core_->runPending(); }

  WaitingTasks tasks;
  int succeeded = 0;

 private:
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<runtime::Core> core_;
  std::unique_ptr<runtime::ExecutionRuntime> runtime_;
};

/// A chain of `count` Pass states.
inline std::string passes(int count) {
  std::string states;
  for (int i = 0; i < count; ++i)
    states += fmt::format(R"({}"S{}":{{"Type":"Pass",{}}})", i == 0 ? "" : ",", i,
                          i + 1 == count ? R"("End":true)" : fmt::format(R"("Next":"S{}")", i + 1));
  return fmt::format(R"({{"StartAt":"S0","States":{{{}}}}})", states);
}

/// A document of that size.
inline std::string textOf(std::size_t bytes) { return fmt::format(R"({{"text":"{}"}})", std::string(bytes - 11, 'x')); }

}  // namespace sp::bench
