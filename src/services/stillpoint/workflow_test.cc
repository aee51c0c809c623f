// The built-in state machine itself, on the real engine over the model fleet.
#include "services/stillpoint/stillpoint.h"

#include <gtest/gtest.h>

#include "runtime/definitions.h"
#include "runtime/execution_runtime.h"
#include "services/stillpoint/lanes_fixture.h"

namespace sp::services::stillpoint {
namespace {

class Steps final : public runtime::TaskPort {
 public:
  std::unique_ptr<Lanes>* lanes = nullptr;
  bool knows(std::string_view resource) const override {
    return resource.starts_with(kPrefix) && Lanes::knows(resource.substr(kPrefix.size()));
  }
  void start(store::Txn& txn, const runtime::TaskRequest& request) override { (*lanes)->start(txn, request); }
  void cancel(store::Txn& txn, std::string_view token) override { (*lanes)->cancel(txn, token); }
  runtime::RedrivePlan redrivePlan(store::Txn& txn, std::string_view execution) override { return Lanes::redrivePlan(txn, execution); }
  void redriven(store::Txn& txn, std::string_view execution) override { (*lanes)->redriven(txn, execution); }

 private:
  static constexpr std::string_view kPrefix = "arn:aws:states:::stillpoint:";
};

class Workflow : public LanesTest {
 protected:
  Workflow() {
    steps_.lanes = &lanes_;
    restart();
    fleet_.machines["i-a"] = {};
    fleet_.machines["i-b"] = {};
  }
  ~Workflow() override {
    lanes_.reset();
    runtime_.reset();
  }

  // LanesTest::boot made its parts for the driver; the engine needs the same core, so all is made here again.
  void restart() {
    lanes_.reset();
    finaliser_.reset();
    ledger_.reset();
    runtime_.reset();
    core_ = std::make_unique<runtime::Core>(*store_, clock_, random_);
    locks_ = std::make_unique<runtime::MachineLock>();
    const Ports ports{fleet_, fleet_, fleet_, targets_, fleet_};
    ledger_ = std::make_unique<Ledger>(*core_, *locks_, ports);
    finaliser_ = std::make_unique<Finaliser>(*core_, ports);
    lanes_ = std::make_unique<Lanes>(*core_, *locks_, ports, *ledger_, *finaliser_, kMachineArn);
    runtime_ = std::make_unique<runtime::ExecutionRuntime>(*core_);
    runtime_->setTasks(steps_);
    lanes_->attach(*runtime_);
  }
  /// `built_in`: of the server's own machine, else of a copy of it.
  void startExecution(const std::string& arn, const std::string& input, bool built_in = true,
                      const std::string& definition = std::string(prePostBackupDefinition())) {
    run([&](store::Txn& txn) {
      runtime::StartSpec spec;
      spec.arn = arn;
      spec.name = "one";
      spec.machine_arn = kMachineArn;
      spec.machine_name = "PrePostBackup";
      spec.role_arn = "arn:aws:iam::000000000000:role/stillpoint";
      spec.input = input;
      spec.definition = runtime::definitions::add(txn, definition);
      spec.unlimited = built_in;
      EXPECT_TRUE(runtime_->start(txn, spec));
    });
  }
  bool oneEvent() {
    if (!fleet_.commands.empty()) return endCommand(0, "Success"), true;
    if (!fleet_.power.empty()) return settlePower(*fleet_.power.begin()), true;
    for (const auto& [id, job] : fleet_.jobs)
      if (!job.ended()) return endJob(id, job.state == "ABORTING" ? "ABORTED" : "COMPLETED"), true;
    return false;
  }
  store::ExecutionRow row(const std::string& arn) {
    store::ExecutionRow found;
    run([&](store::Txn& txn) { found = *txn.executions().get(arn); });
    return found;
  }
  // Task states entered, in order, between the targets' resolution and the row.
  std::vector<std::string> tasksEntered(const std::string& arn) {
    std::vector<std::string> names;
    run([&](store::Txn& txn) {
      for (const auto& text : txn.executions().history(arn, 1, false, 10'000)) {
        const auto event = json::parse(text)->as_object();
        if (json::textOr(event, "type") != "TaskStateEntered") continue;
        for (const auto& member : event)
          if (member.value().is_object() && json::find(member.value().get_object(), "name") != nullptr)
            names.push_back(json::textOr(member.value().get_object(), "name"));
      }
    });
    return names;
  }

  bool redrive(const std::string& arn = kExecution) {
    bool done = false;
    run([&](store::Txn& txn) { done = runtime_->redrive(txn, arn); });
    return done;
  }
  std::string notRedrivable(const std::string& arn = kExecution) {
    std::string why;
    run([&](store::Txn& txn) { why = runtime_->redrivable(txn, *txn.executions().get(arn)).reason; });
    return why;
  }
  json::Object entry(const std::string& instance) {
    for (const auto& one : entries())
      if (json::textOr(one.get_object(), "InstanceId") == instance) return one.get_object();
    return {};
  }

  Steps steps_;
  std::unique_ptr<runtime::ExecutionRuntime> runtime_;
};

TEST_F(Workflow, AllEightPathsRunAsTheSeedsStatesSay) {
  for (int path = 1; path <= 8; ++path) {
    const auto arn = fmt::format("{}-{}", kExecution, path);
    startExecution(arn, inputFor(path));
    while (oneEvent()) {}
    EXPECT_EQ(row(arn).status, "SUCCEEDED") << path << ": " << row(arn).description;
    std::vector<std::string> expected = {"ValidateInput", "ReserveMachine"};
    const bool stops = path <= 4;
    if (path == 1 || path == 2 || path == 5 || path == 6) expected.emplace_back("ExecutePreBackupScript");
    if (stops) expected.emplace_back("StopEC2Instance");
    expected.emplace_back("RunBackupJob");
    expected.emplace_back("AwaitBackupJobCompletion");
    if (stops) expected.emplace_back("StartEC2Instance");
    if (path % 2 == 1) expected.emplace_back("ExecutePostBackupScript");
    expected.emplace_back("ReleaseMachine");
    expected.emplace_back("SaveWorkflowStateToDynamoDB");
    EXPECT_EQ(tasksEntered(arn), expected) << path;
  }
}

TEST_F(Workflow, AFailureEndsTheExecutionWithErrorAndCause) {
  startExecution(kExecution, inputFor(1, R"("TargetEC2Instances": ["i-a", "i-b"])"));
  endCommand(0, "Failed");
  while (oneEvent()) {}
  const auto ended = row(kExecution);
  EXPECT_EQ(ended.status, "FAILED");
  const auto description = json::parse(ended.description)->as_object();
  EXPECT_EQ(json::textOr(description, "error"), "Stillpoint.PreScriptFailed");
  const auto cause = json::parse(json::textOr(description, "cause"))->as_object();
  EXPECT_EQ(cause.at("targets").as_array().size(), 1U);
  EXPECT_EQ(fleet_.rows.at(kExecution).at("Status"), "PARTIAL");
}

TEST_F(Workflow, MalformedInputsFailBeforeAnythingIsTouchedAndHaveARow) {
  int number = 0;
  for (const std::string input : {"{}", "[]", "\"x\"", "{\"Targets\": 1}"}) {
    const auto arn = fmt::format("{}-{}", kExecution, ++number);
    startExecution(arn, input);
    EXPECT_EQ(row(arn).status, "FAILED") << input;
    EXPECT_EQ(json::textOr(json::parse(row(arn).description)->as_object(), "error"), "Stillpoint.InvalidInput") << input;
    EXPECT_EQ(fleet_.rows.at(arn).at("Workflow_Overall_Status"), "[]");
  }
  EXPECT_TRUE(fleet_.commands.empty());
}

TEST_F(Workflow, ARestartAtEveryWaitChangesNothing) {
  startExecution(kExecution, inputFor(1));
  restart();
  while (oneEvent()) restart();
  EXPECT_EQ(row(kExecution).status, "SUCCEEDED");
  EXPECT_EQ(fleet_.machines["i-a"].journal.size(), 2U) << "each script ran once";
}

TEST_F(Workflow, StopExecutionInEveryPhaseUndoes) {
  for (int events = 0; events < 5; ++events) {
    const auto arn = fmt::format("{}-{}", kExecution, events);
    startExecution(arn, inputFor(1));
    for (int i = 0; i < events; ++i) oneEvent();
    run([&](store::Txn& txn) { EXPECT_TRUE(runtime_->stop(txn, arn, "Mine", "because")); });
    EXPECT_EQ(row(arn).status, "ABORTED");
    EXPECT_EQ(fleet_.rows.at(arn).at("Status"), "ABORTED");
    for (int i = 0; i < 3; ++i) {
      while (oneEvent()) {}
      advance(std::chrono::minutes(6));
    }
    EXPECT_EQ(fleet_.machines["i-a"].state, quiesce::Machine::running) << events;
    EXPECT_TRUE(fleet_.machines["i-a"].frozen.empty()) << events;
    EXPECT_TRUE(owedTo("i-a").empty()) << events;
    EXPECT_EQ(holder("i-a"), "") << events;
  }
}

TEST_F(Workflow, TheBuiltInMachinesOwnExecutionsAreNotRedriven) {
  startExecution(kExecution, inputFor(5));
  endCommand(0, "Failed");
  while (oneEvent()) {}
  EXPECT_EQ(row(kExecution).status, "FAILED");
  EXPECT_EQ(notRedrivable(), "Executions of built-in state machines cannot be redriven: start a new one");
  EXPECT_FALSE(redrive());
}

TEST_F(Workflow, ARedriveGoesOnWithTheMachineThatFailedFromItsPreScript) {
  startExecution(kExecution, inputFor(1, R"("TargetEC2Instances": ["i-a", "i-b"])"), false);
  endCommand(0, "Failed");
  while (oneEvent()) {}
  ASSERT_EQ(row(kExecution).status, "FAILED");
  const auto first = json::textOr(entry("i-a"), "FreezeId");
  const auto good = entry("i-b");
  const auto started = fleet_.rows.at(kExecution).at("StartTime");
  advance(std::chrono::minutes(1));
  ASSERT_TRUE(redrive());
  EXPECT_EQ(row(kExecution).status, "RUNNING");
  while (oneEvent()) restart();
  EXPECT_EQ(row(kExecution).status, "SUCCEEDED") << row(kExecution).description;
  const std::vector<std::string> scripts = {"Stillpoint pre-script Failed", "Stillpoint post-script Success",
                                            "Stillpoint pre-script Success", "Stillpoint post-script Success"};
  EXPECT_EQ(fleet_.machines["i-a"].journal, scripts);
  EXPECT_EQ(fleet_.machines["i-b"].journal.size(), 2U) << "a machine that was backed up is not touched again";
  EXPECT_NE(json::textOr(entry("i-a"), "FreezeId"), first) << "the old freeze was thawed for ever";
  EXPECT_EQ(json::textOr(entry("i-a"), "BackupJobStatus"), "COMPLETED");
  EXPECT_EQ(json::textOr(entry("i-a"), "FailureMessage"), "");
  EXPECT_EQ(json::intOr(entry("i-a"), "Attempt", 1), 2);
  EXPECT_NE(json::textOr(entry("i-a"), "Note").find("attempt 1 failed in pre"), std::string::npos);
  EXPECT_EQ(entry("i-b"), good);
  EXPECT_EQ(fleet_.rows.at(kExecution).at("Status"), "SUCCEEDED");
  EXPECT_EQ(fleet_.rows.at(kExecution).at("RedriveCount"), "1");
  EXPECT_EQ(fleet_.rows.at(kExecution).at("StartTime"), started);
  EXPECT_GT(fleet_.rows.at(kExecution).at("EndTime"), started);
  EXPECT_EQ(holder("i-a") + holder("i-b"), "");
}

TEST_F(Workflow, NoRedriveWhileAnythingIsOwed) {
  startExecution(kExecution, inputFor(5), false);
  endCommand(0, "Success");
  endJob(fleet_.jobs.begin()->first, "COMPLETED");
  endCommand(0, "Failed");
  EXPECT_EQ(row(kExecution).status, "FAILED");
  EXPECT_NE(notRedrivable().find("i-a is still owed its post-script"), std::string::npos) << notRedrivable();
  EXPECT_FALSE(redrive());
  advance(std::chrono::seconds(10));
  endCommand(0, "Success");
  EXPECT_EQ(notRedrivable(), "");
  // The backup was good, but nobody knows what the machine has done since it was thawed: all of it again.
  ASSERT_TRUE(redrive());
  while (oneEvent()) {}
  EXPECT_EQ(row(kExecution).status, "SUCCEEDED");
  EXPECT_EQ(fleet_.machines["i-a"].journal.size(), 5U);
  EXPECT_EQ(fleet_.jobs.size(), 2U);
}

TEST_F(Workflow, ARedriveAfterAnAbortInEveryPhase) {
  for (int events = 0; events < 5; ++events) {
    const auto arn = fmt::format("{}-{}", kExecution, events);
    startExecution(arn, inputFor(1), false);
    for (int i = 0; i < events; ++i) oneEvent();
    run([&](store::Txn& txn) { EXPECT_TRUE(runtime_->stop(txn, arn, "Mine", "because")); });
    for (int i = 0; i < 3; ++i) {
      while (oneEvent()) {}
      advance(std::chrono::minutes(6));
    }
    const auto before = fleet_.machines["i-a"].journal.size();
    ASSERT_TRUE(redrive(arn)) << events << ": " << notRedrivable(arn);
    while (oneEvent()) restart();
    EXPECT_EQ(row(arn).status, "SUCCEEDED") << events << row(arn).description;
    EXPECT_EQ(fleet_.rows.at(arn).at("Status"), "SUCCEEDED") << events;
    EXPECT_EQ(fleet_.machines["i-a"].journal.size(), before + 2) << events;
    EXPECT_TRUE(fleet_.machines["i-a"].frozen.empty()) << events;
    EXPECT_EQ(holder("i-a"), "") << events;
  }
}

TEST_F(Workflow, ARedriveValidatesAnewWhatWasRefused) {
  fleet_.vaults.clear();
  startExecution(kExecution, inputFor(5), false);
  EXPECT_EQ(row(kExecution).status, "FAILED");
  ASSERT_TRUE(redrive());
  EXPECT_EQ(row(kExecution).status, "FAILED");
  fleet_.vaults.insert("vault");
  ASSERT_TRUE(redrive());
  while (oneEvent()) {}
  EXPECT_EQ(row(kExecution).status, "SUCCEEDED");
  EXPECT_EQ(fleet_.rows.at(kExecution).at("RedriveCount"), "2");
  EXPECT_EQ(fleet_.rows.at(kExecution).at("FailureMessage"), "");
}

TEST_F(Workflow, ARedrivenRunWaitsForAMachineThatAnotherRunHolds) {
  startExecution(kExecution, inputFor(5), false);
  endCommand(0, "Failed");
  while (oneEvent()) {}
  startExecution(kExecution + "-other", inputFor(5), false);
  ASSERT_EQ(fleet_.commands.size(), 1U);
  ASSERT_TRUE(redrive());
  EXPECT_EQ(fleet_.commands.size(), 1U) << "it must wait";
  while (oneEvent()) {}
  EXPECT_EQ(row(kExecution + "-other").status, "SUCCEEDED");
  EXPECT_EQ(row(kExecution).status, "SUCCEEDED");
}

TEST_F(Workflow, ATargetThatIsGoneStaysFailed) {
  startExecution(kExecution, inputFor(8, R"("TargetEC2Instances": ["i-a", "i-none"])"), false);
  while (oneEvent()) {}
  ASSERT_TRUE(redrive());
  EXPECT_EQ(row(kExecution).status, "FAILED");
  EXPECT_EQ(json::textOr(entry("i-none"), "FailureMessage"), "TargetEC2Instances: i-none does not exist");
  EXPECT_EQ(fleet_.jobs.size(), 1U);
}

/// A copy of the state machine, with a member of a state of its lanes changed.
std::string copyWith(const std::string& state, const std::string& member, const json::Value& value) {
  auto definition = *json::parse(prePostBackupDefinition());
  auto& map = definition.as_object().at("States").as_object().at("BackupWorkflow").as_object();
  map.at("ItemProcessor").as_object().at("States").as_object().at(state).as_object()[member] = value;
  return json::toText(definition);
}

TEST_F(Workflow, AMachineWhoseStateTimesOutHasFailed) {
  struct Case {
    const char* state;
    int events;
    const char* error;
    const char* phase;
  };
  for (const auto& [state, events, error, phase] :
       std::vector<Case>{{"ReserveMachine", 0, "Stillpoint.BackupFailed", "preflight"},
                         {"ExecutePreBackupScript", 0, "Stillpoint.PreScriptTimedOut", "pre"},
                         {"StopEC2Instance", 1, "Stillpoint.StopFailed", "stop"},
                         {"RunBackupJob", 2, "Stillpoint.BackupFailed", "backup"},
                         {"AwaitBackupJobCompletion", 2, "Stillpoint.BackupFailed", "backup"},
                         {"StartEC2Instance", 3, "Stillpoint.StartFailed", "start"},
                         {"ExecutePostBackupScript", 4, "Stillpoint.PostScriptFailed", "post"}}) {
    SCOPED_TRACE(state);
    fleet_.jobs.clear();
    const auto arn = kExecution + "-" + state;
    const bool queues = std::string_view(state) == "ReserveMachine";
    if (queues) startExecution(arn + "-first", inputFor(5));
    startExecution(arn, inputFor(1), false, copyWith(state, "TimeoutSeconds", 60));
    for (int i = 0; i < events; ++i) oneEvent();
    if (std::string_view(state) == "AwaitBackupJobCompletion") cutJob(fleet_.jobs.begin()->first);
    EXPECT_EQ(tasksEntered(arn).back(), state);
    advance(std::chrono::seconds(61));
    for (int i = 0; i < 3; ++i) {
      while (oneEvent()) {}
      advance(std::chrono::minutes(6));
    }
    EXPECT_EQ(row(arn).status, "FAILED");
    EXPECT_EQ(json::textOr(json::parse(row(arn).description)->as_object(), "error"), error);
    EXPECT_EQ(fleet_.rows.at(arn).at("Status"), "FAILED");
    const auto lane = entries(arn).at(0).as_object();
    EXPECT_EQ(json::textOr(lane, "Phase"), phase);
    EXPECT_EQ(json::textOr(lane, "FailureMessage"), std::string(state) + " was given up before it ended");
    EXPECT_EQ(fleet_.machines["i-a"].state, quiesce::Machine::running);
    EXPECT_TRUE(fleet_.machines["i-a"].frozen.empty());
    EXPECT_TRUE(owedTo("i-a").empty());
    EXPECT_EQ(holder("i-a"), "");
  }
}

TEST_F(Workflow, ACopyThatGoesPastTheBackupDoesNotSucceed) {
  startExecution(kExecution, inputFor(7, R"("TargetEC2Instances": ["i-a", "i-b"])"), false,
                 copyWith("isStopEC2InstanceRequired?", "Default", "RunPostBackupScript?"));
  while (oneEvent()) {}
  EXPECT_EQ(row(kExecution).status, "FAILED");
  EXPECT_EQ(json::textOr(json::parse(row(kExecution).description)->as_object(), "error"), "Stillpoint.BackupFailed");
  EXPECT_EQ(fleet_.rows.at(kExecution).at("FailedCount"), "2");
  EXPECT_EQ(json::textOr(entry("i-b"), "FailureMessage"), "the machine was not backed up; its lane came to done");
  EXPECT_TRUE(fleet_.jobs.empty());
}

TEST_F(Workflow, TwoHundredMachinesInOneRun) {
  json::Array ids;
  for (int i = 0; i < 200; ++i) {
    const auto id = fmt::format("i-{:017x}", i);
    fleet_.machines[id] = {};
    ids.emplace_back(id);
  }
  startExecution(kExecution, inputFor(8, "\"TargetEC2Instances\": " + json::toText(ids)));
  EXPECT_EQ(fleet_.jobs.size(), 200U);
  run([&](store::Txn& txn) {
    for (auto& [id, job] : fleet_.jobs) {
      job.state = "COMPLETED";
      lanes_->jobEnded(txn, job);
    }
  });
  EXPECT_EQ(row(kExecution).status, "SUCCEEDED");
  EXPECT_EQ(fleet_.rows.at(kExecution).at("TargetCount"), "200");
}

}  // namespace
}  // namespace sp::services::stillpoint
