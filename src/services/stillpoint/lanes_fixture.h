// For tests only: a fleet that exists in memory, and a driver that takes the lanes through PrePostBackup's order as the
// state machine does.
#pragma once
#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "services/backup/places.h"
#include "services/stillpoint/adapters.h"
#include "services/stillpoint/lanes.h"
#include "services/stillpoint/report.h"
#include "store/sqlite/sqlite_store.h"

namespace sp::services::stillpoint {

inline const std::string kMachineArn = "arn:aws:states:us-east-1:000000000000:stateMachine:PrePostBackup";
inline const std::string kExecution = "arn:aws:states:us-east-1:000000000000:execution:PrePostBackup:one";

struct ModelMachine {
  quiesce::Machine state = quiesce::Machine::running;
  bool online = true;
  std::string boot = "first";
  bool terminated = false;
  std::string tag;
  /// Freezes whose pre-script has run and that nobody thawed.
  std::set<std::string> frozen;
  /// Freezes the agent has seen a thaw or cancel for: their pre-script is refused for ever.
  std::set<std::string> closed;
  /// Its agent wakes it when it hears nothing for too long, and has begun to from these freezes.
  bool guards = true;
  std::set<std::string> woken;
  std::vector<std::string> journal;
};

struct ModelCommand {
  std::string id;
  ScriptOrder order;
  bool cancelled = false;
};

/// All ports but the targets. What was asked lies in `commands`, `power` and `jobs` until the test ends it.
class ModelFleet : public Scripts, public Power, public Backups, public JobLog {
 public:
  std::map<std::string, ModelMachine> machines;
  std::vector<ModelCommand> commands;
  /// Instances with a power change under way.
  std::set<std::string> power;
  std::map<std::string, JobView> jobs;
  std::map<std::string, std::string> job_machine;
  /// The boot that each was to read its machine in.
  std::map<std::string, std::string> job_boot;
  /// The freeze that each is to read its machine in; why those whose machine woke have failed.
  std::map<std::string, std::string> job_freeze, job_woken;
  /// What machines may run by themselves, with how often they did.
  std::map<std::string, std::pair<ScriptOrder, int>> promises;
  /// Renewals as they were told: "freeze ID MS", "start INSTANCE MS", "start INSTANCE over".
  std::vector<std::string> leases;
  bool refuse_promise = false;
  /// What the last stop told its driver's holder.
  std::chrono::milliseconds stop_lease{0};
  std::map<std::string, std::map<std::string, std::string>> rows;
  /// Lists too large for their rows, by execution.
  std::map<std::string, std::string> lists;
  bool refuse_list = false;
  std::set<std::string> vaults = {"vault"};
  std::string missing_script;
  bool repository_ready = true;
  bool repository_maintained = false;
  /// Machines whose repositories are not there; those that were asked for.
  std::set<std::string> missing, prepared;
  /// The server's own, made anew at each boot.
  backup::Places* places = nullptr;
  /// Its runs are those of a plan.
  bool planned = false;
  /// What the last job that expired was told.
  std::optional<Instant> expired_since;
  /// How often each driver was asked to look; what is wrong with it.
  std::map<std::string, int> looks;
  std::map<std::string, Fitness> unfit;
  bool unfit_only_to_stop = true;
  bool refuse_stop = false;
  bool refuse_start = false;
  bool refuse_job = false;
  bool refuse_send = false;
  bool refuse_row = false;
  int next = 1;

  Answer<std::string> send(store::Txn& txn, const ScriptOrder& order) override {
    if (refuse_send) return aws::refuse("InvalidInstanceId", "no such node");
    if (order.freeze && json::textOr(*order.freeze, "phase") == "freeze") {
      // A thaw is owed before anything can freeze, if there is a script that thaws.
      const auto execution = std::string(executionOf(order.by));
      const auto run = loadRun(txn, execution);
      const auto debt = loadDebt(txn, execution, order.instance, quiesce::DebtKind::thaw);
      EXPECT_EQ(run->input->post.has_value(), debt && debt->state == quiesce::DebtState::open) << "a freeze without its debt";
    }
    auto id = fmt::format("cmd-{}", next++);
    commands.push_back({id, order, false});
    return id;
  }
  Answer<std::string> promise(store::Txn&, const ScriptOrder& order) override {
    if (refuse_promise) return aws::refuse("InvalidParameters", "no such object");
    auto id = fmt::format("promise-{}", next++);
    promises[id] = {order, 0};
    return id;
  }
  void forget(store::Txn&, const std::string& promise) override {
    const auto found = promises.find(promise);
    if (found == promises.end()) return;
    const auto& machine = machines[found->second.first.instance];
    const auto freeze = json::textOr(*found->second.first.freeze, "id");
    EXPECT_TRUE(machine.state == quiesce::Machine::gone || !machine.frozen.contains(freeze)) << "a frozen machine's thaw is forgotten";
    promises.erase(found);
  }
  void cancel(store::Txn&, const std::string& command, const std::string& instance) override {
    for (auto& known : commands) {
      if (known.id != command) continue;
      known.cancelled = true;
      if (known.order.freeze) machines[instance].closed.insert(json::textOr(*known.order.freeze, "id"));
    }
  }
  Answer<void> check(store::Txn&, const Script& script) override {
    if (script.source == missing_script)
      return aws::refuse("NoSuchKey", fmt::format("SourceS3Path is \"{}\": no such object", script.source));
    return {};
  }

  void look(store::Txn&, const std::string& instance) override { ++looks[instance]; }
  Fitness fitness(store::Txn&, const std::string& instance, bool stops) override {
    return unfit.contains(instance) && (stops || !unfit_only_to_stop) ? unfit[instance] : Fitness{};
  }
  quiesce::Machine state(store::Txn&, const std::string& instance) override { return machines[instance].state; }
  Answer<void> start(store::Txn&, const std::string& instance, const std::string&) override {
    auto& machine = machines[instance];
    if (refuse_start) return aws::refuse("IncorrectInstanceState", "it is being read");
    if (machine.state == quiesce::Machine::running || machine.state == quiesce::Machine::pending) return {};
    if (machine.state != quiesce::Machine::stopped)
      return aws::refuse("IncorrectInstanceState", "not in a state from which it can be started");
    machine.state = quiesce::Machine::pending;
    power.insert(instance);
    return {};
  }
  void renewStart(store::Txn&, const std::string& instance, std::optional<std::chrono::milliseconds> lease) override {
    leases.push_back(fmt::format("start {} {}", instance, lease ? std::to_string(lease->count()) : "over"));
  }
  std::string holder(store::Txn&, const std::string&) override { return "host"; }
  Answer<void> stop(store::Txn& txn, const std::string& instance, const std::string& by, std::chrono::milliseconds lease) override {
    auto& machine = machines[instance];
    stop_lease = lease;
    const auto debt = loadDebt(txn, executionOf(by), instance, quiesce::DebtKind::start);
    EXPECT_TRUE(debt && debt->state == quiesce::DebtState::open) << "a stop without its debt";
    if (refuse_stop) return aws::refuse("IncorrectInstanceState", "stop refused");
    if (machine.state != quiesce::Machine::running)
      return aws::refuse("IncorrectInstanceState", "not in a state from which it can be stopped");
    machine.state = quiesce::Machine::stopping;
    power.insert(instance);
    return {};
  }

  bool vaultExists(store::Txn&, const std::string& vault) override { return vaults.contains(vault); }
  void prepare(store::Txn&, const std::string&, const std::string& instance) override { prepared.insert(instance); }
  RepositoryState repository(store::Txn&, const std::string&, const std::string& instance) override {
    if (missing.contains(instance)) return prepared.contains(instance) ? RepositoryState::making : RepositoryState::unusable;
    if (repository_ready) return RepositoryState::ready;
    return repository_maintained ? RepositoryState::maintained : RepositoryState::unusable;
  }
  bool takePlace(store::Txn& txn, const std::string& execution, const std::string& instance) override {
    return places->take(txn, execution, placeOf(execution, instance));
  }
  void leavePlace(store::Txn& txn, const std::string& execution, const std::string& instance) override {
    places->leave(txn, placeOf(execution, instance));
  }
  void leaveTurns(store::Txn& txn, const std::string& execution) override { places->leaveTurns(txn, execution); }
  std::string expire(store::Txn&, const BackupOrder& order, const std::string& why) override {
    if (!planned) return "";
    auto id = fmt::format("job-{}", next++);
    jobs[id] = {id, "EXPIRED", why, "", 0, 0, 0};
    job_machine[id] = order.instance;
    expired_since = order.since;
    return id;
  }
  Answer<std::string> start(store::Txn&, const BackupOrder& order) override {
    if (refuse_job) return aws::refuse("LimitExceededException", "job refused");
    auto id = fmt::format("job-{}", next++);
    EXPECT_TRUE(!order.stopped || machines[order.instance].state == quiesce::Machine::stopped) << "a live read that is told as offline";
    jobs[id] = {id, "RUNNING", "", "", 0, 0, 0};
    job_machine[id] = order.instance;
    job_boot[id] = order.boot;
    job_freeze[id] = order.freeze;
    EXPECT_FALSE(machines[order.instance].woken.contains(order.freeze)) << "a machine that woke is read";
    return id;
  }
  void woken(store::Txn&, const std::string& job, const std::string& why) override {
    if (!job_freeze[job].empty() && !jobs[job].ended()) job_woken[job] = why;
  }
  void stop(store::Txn&, const std::string& job) override { jobs[job].state = "ABORTING"; }
  std::optional<JobView> find(store::Txn&, const std::string& job) override {
    return jobs.contains(job) ? std::optional(jobs[job]) : std::nullopt;
  }

  Answer<void> put(store::Txn&, const std::map<std::string, std::string>& row) override {
    if (refuse_row) return aws::refuse("InternalServerError", "no disk", 500);
    rows[row.at("SM_Execution_ID")] = row;
    return {};
  }
  void keepList(store::Txn& txn, const std::string& execution, std::string list, std::function<void(Result<std::string>)> kept) override {
    txn.afterCommit([this, execution, list = std::move(list), kept = std::move(kept)] {
      if (refuse_list) return kept(fail("blob.full", "the disk is full"));
      lists[execution] = list;
      kept("s3://lists/" + execution);
    });
  }
};

class ModelTargets final : public Targets {
 public:
  explicit ModelTargets(ModelFleet& fleet) : fleet_(fleet) {}
  std::optional<Target> find(store::Txn&, const std::string& instance) override {
    if (!fleet_.machines.contains(instance)) return std::nullopt;
    return Target{instance, fleet_.machines[instance].terminated};
  }
  std::vector<Target> byTag(store::Txn&, const std::string&, const std::string& value) override {
    std::vector<Target> found;
    for (const auto& [id, machine] : fleet_.machines)
      if (machine.tag == value) found.push_back({id, machine.terminated});
    return found;
  }
  bool agentOnline(const std::string& instance) override { return fleet_.machines[instance].online; }
  std::string boot(store::Txn&, const std::string& instance) override { return fleet_.machines[instance].boot; }
  void renewFreeze(store::Txn&, const std::string&, const std::string& freeze, std::chrono::milliseconds lease) override {
    fleet_.leases.push_back(fmt::format("freeze {} {}", freeze, lease.count()));
  }

 private:
  ModelFleet& fleet_;
};

/// Takes each lane from step to step as workflows/PrePostBackup.asl.json orders it.
class Driver final : public runtime::Executions {
 public:
  struct Task {
    std::string execution, instance, step;
  };
  Lanes* lanes = nullptr;
  std::map<std::string, Task, std::less<>> waiting;
  /// Executions that have ended, with their status, error and cause.
  struct End {
    std::string status, error, cause;
  };
  std::map<std::string, End> ended;
  std::map<std::string, std::vector<std::string>> steps;
  /// A state machine with a Wait before that step: the lane stays there until goOn().
  std::string waits_before;
  /// A state machine whose ReserveMachine has a Retry: how often it is still tried again.
  int retries = 0;
  EndHandler on_end;

  void begin(store::Txn& txn, const std::string& execution, const json::Value& input) {
    json::Object parameters;
    parameters["Input"] = input;
    launch(txn, {execution, "", "validateInput"}, std::move(parameters));
  }
  /// The time of the Wait is over.
  void goOn(store::Txn& txn) {
    for (auto& task : std::exchange(held_, {})) launch(txn, std::move(task), {});
  }
  /// The TimeoutSeconds of the state that the machine's lane is in, whose Catch goes on as after any failure.
  void timeOut(store::Txn& txn, const std::string& instance) {
    const auto found = std::ranges::find(waiting, instance, [](const auto& each) { return each.second.instance; });
    const auto [token, task] = *found;
    waiting.erase(found);
    lanes->cancel(txn, token);
    launch(txn, {task.execution, task.instance, after(task, false)}, {});
  }
  /// StopExecution.
  void abort(store::Txn& txn, const std::string& execution, const std::string& status = "ABORTED") {
    if (ended.contains(execution)) return;
    std::vector<std::string> tokens;
    for (const auto& [token, task] : waiting)
      if (task.execution == execution) tokens.push_back(token);
    end(txn, execution, {status, "", ""});
    for (const auto& token : tokens) {
      waiting.erase(token);
      lanes->cancel(txn, token);
    }
  }

  void taskSucceeded(store::Txn& txn, std::string_view token, json::Value output) override { settle(txn, token, true, output, "", ""); }
  void taskFailed(store::Txn& txn, std::string_view token, std::string error, std::string cause) override {
    settle(txn, token, false, json::Object{}, error, cause);
  }
  void onEnd(EndHandler handler) override { on_end = std::move(handler); }

 private:
  void launch(store::Txn& txn, Task task, json::Object parameters) {
    runtime::TaskRequest request;
    request.token = fmt::format("{}#{}", task.execution, ++tokens_);
    request.execution_arn = task.execution;
    request.machine_arn = kMachineArn;
    request.state_name = task.step;
    request.resource = "arn:aws:states:::stillpoint:" + task.step;
    if (!task.instance.empty()) parameters["InstanceId"] = task.instance;
    request.parameters = std::move(parameters);
    if (!task.instance.empty()) steps[task.instance].push_back(task.step);
    waiting[request.token] = std::move(task);
    lanes->start(txn, request);
  }

  void settle(store::Txn& txn, std::string_view token, bool good, const json::Value& output, const std::string& error,
              const std::string& cause) {
    const auto found = waiting.find(token);
    if (found == waiting.end()) return;
    const auto task = found->second;
    waiting.erase(found);
    if (ended.contains(task.execution)) return;
    if (task.step == "validateInput") return validated(txn, task, good, output);
    if (task.step == "saveWorkflowState.sync") {
      const auto& result = output.get_object();
      if (json::boolOr(result, "Succeeded", false)) return end(txn, task.execution, {"SUCCEEDED", "", ""});
      return end(txn, task.execution, {"FAILED", json::textOr(result, "Error"), json::textOr(result, "Cause")});
    }
    if (task.step == "reserveMachine.sync" && good) plans_[task.execution + task.instance] = output.get_object();
    const auto next = after(task, good);
    (void)error;
    (void)cause;
    if (!next.empty() && next == waits_before) return held_.push_back({task.execution, task.instance, next});
    if (!next.empty()) return launch(txn, {task.execution, task.instance, next}, {});
    if (--open_[task.execution] == 0) launch(txn, {task.execution, "", "saveWorkflowState.sync"}, {});
  }

  void validated(store::Txn& txn, const Task& task, bool good, const json::Value& output) {
    if (!good) return launch(txn, {task.execution, "", "saveWorkflowState.sync"}, {});
    std::vector<std::string> targets;
    for (const auto& target : output.at("Targets").as_array()) targets.push_back(json::textOr(target.get_object(), "InstanceId"));
    open_[task.execution] = static_cast<int>(targets.size());
    for (const auto& target : targets) launch(txn, {task.execution, target, "reserveMachine.sync"}, {});
  }

  std::string after(const Task& task, bool good) {
    const auto& plan = plans_[task.execution + task.instance];
    const bool pre = json::boolOr(plan, "RunPreBackupScript", false);
    const bool power = json::boolOr(plan, "StartStopEC2Required", false);
    std::string post = json::boolOr(plan, "RunPostBackupScript", false) ? "postScript.sync" : "releaseMachine";
    std::string undo = power ? "start.sync" : post;
    const std::string touch = power ? "stop.sync" : "runBackupJob";
    if (task.step == "reserveMachine.sync" && !good && retries > 0) {
      --retries;
      return "reserveMachine.sync";
    }
    if (task.step == "reserveMachine.sync") return !good ? "releaseMachine" : pre ? "preScript.sync" : touch;
    if (task.step == "preScript.sync") return good ? touch : post;
    if (task.step == "stop.sync") return good ? "runBackupJob" : undo;
    if (task.step == "runBackupJob") return good ? "awaitBackupJobCompletion.sync" : undo;
    if (task.step == "awaitBackupJobCompletion.sync") return undo;
    if (task.step == "start.sync") return good ? post : "releaseMachine";
    if (task.step == "postScript.sync") return "releaseMachine";
    return "";
  }

  void end(store::Txn& txn, const std::string& execution, End how) {
    ended[execution] = how;
    store::ExecutionRow row;
    row.arn = execution;
    row.machine_arn = kMachineArn;
    row.status = how.status;
    row.started = txn.now();
    if (on_end) on_end(txn, row);
  }

  std::map<std::string, json::Object> plans_;
  std::map<std::string, int> open_;
  std::vector<Task> held_;
  int tokens_ = 0;
};

/// Store, core and workflow over the model fleet; time moves only when told.
class LanesTest : public testing::Test {
 protected:
  LanesTest() : directory_(std::filesystem::temp_directory_path() / fmt::format("sp-lanes-{}-{}", getpid(), counter_++)) {
    std::filesystem::create_directories(directory_);
    store_ = std::move(*store::openSqlite(directory_ / "store.db"));
    boot();
  }
  ~LanesTest() override {
    core_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  LanesTest(const LanesTest&) = delete;
  LanesTest& operator=(const LanesTest&) = delete;

  /// The server anew on the same store: all that was only in memory is gone.
  void boot() {
    lanes_.reset();
    finaliser_.reset();
    ledger_.reset();
    core_ = std::make_unique<runtime::Core>(*store_, clock_, random_);
    locks_ = std::make_unique<runtime::MachineLock>();
    const Ports ports{scripts_(), fleet_, fleet_, targets_, fleet_};
    ledger_ = std::make_unique<Ledger>(*core_, *locks_, ports);
    finaliser_ = std::make_unique<Finaliser>(*core_, ports, list_max_);
    lanes_ = std::make_unique<Lanes>(*core_, *locks_, ports, *ledger_, *finaliser_, kMachineArn);
    lanes_->attach(driver_);
    lanes_->onSkipped([this](store::Txn&, const Lane& lane, const Lanes::Skip& skip) { skips_.emplace_back(lane.instance, skip); });
    places_ = std::make_unique<backup::Places>(*core_);
    places_->setMost(most_places_);
    places_->onGranted("run", [this](store::Txn& txn, const std::string& holder) {
      const auto lane = std::string(executionOf(holder));
      lanes_->placed(txn, lane.substr(0, lane.rfind('#')), lane.substr(lane.rfind('#') + 1));
    });
    fleet_.places = places_.get();
    run([this](store::Txn& txn) { places_->recover(txn); });
    driver_.lanes = lanes_.get();
  }
  void run(const std::function<void(store::Txn&)>& action) {
    core_->post([&](store::Txn& txn) {
      action(txn);
      return true;
    });
    core_->runPending();
  }
  void advance(Duration by) {
    clock_.advance(by);
    core_->runPending();
  }
  void begin(const std::string& input, const std::string& execution = kExecution) {
    run([&](store::Txn& txn) { driver_.begin(txn, execution, *json::parse(input)); });
  }

  /// A machine's agent has not heard of the server for too long and begins to run what it was promised; false if it has nothing to wake.
  bool guardBegins(const std::string& instance) {
    auto& machine = fleet_.machines[instance];
    for (auto& [id, promise] : fleet_.promises) {
      const auto order = promise.first;
      const auto freeze = json::textOr(*order.freeze, "id");
      if (order.instance != instance || !machine.frozen.contains(freeze)) continue;
      const auto command = fmt::format("{}-{}", id, ++promise.second);
      machine.closed.insert(freeze);
      machine.woken.insert(freeze);
      fleet_.commands.push_back({command, order, false});
      run([&](store::Txn& txn) { lanes_->guardBegan(txn, order.by, instance, freeze, command); });
      return true;
    }
    return false;
  }
  void endCommand(std::size_t index, const std::string& status, std::string details = "", bool ran = true, bool may_have_run = false,
                  bool never_ran = false) {
    const auto command = fleet_.commands.at(index);
    fleet_.commands.erase(fleet_.commands.begin() + static_cast<std::ptrdiff_t>(index));
    auto& machine = fleet_.machines[command.order.instance];
    const bool guarded = machine.guards && !command.order.promise.empty() && ran;
    if (command.order.freeze && ran) {
      const auto id = json::textOr(*command.order.freeze, "id");
      if (json::textOr(*command.order.freeze, "phase") == "freeze") {
        if (!machine.closed.contains(id)) machine.frozen.insert(id);
      } else {
        machine.closed.insert(id);
        if (status == "Success") machine.frozen.erase(id);
      }
    }
    machine.journal.push_back(command.order.comment.substr(0, 22) + " " + status);
    run([&](store::Txn& txn) {
      lanes_->commandEnded(
          txn, {command.id, command.order.instance, status, details.empty() ? status : details, "", may_have_run, never_ran, guarded});
    });
  }
  // By value: the name may be that of the change itself.
  void settlePower(std::string instance, const std::string& error = "") {
    fleet_.power.erase(instance);
    auto& state = fleet_.machines[instance].state;
    const bool up = state == quiesce::Machine::pending;
    if (state != quiesce::Machine::gone) state = up == error.empty() ? quiesce::Machine::running : quiesce::Machine::stopped;
    run([&](store::Txn& txn) { lanes_->powerSettled(txn, instance, error); });
  }
  void endJob(std::string job, const std::string& state) {
    auto& view = fleet_.jobs[job];
    view.state = state;
    if (state == "COMPLETED" || state == "PARTIAL") view.recovery_point = "arn:point:" + job;
    run([&](store::Txn& txn) { lanes_->jobEnded(txn, view); });
  }
  void cutJob(const std::string& job) {
    run([&](store::Txn& txn) { lanes_->jobCut(txn, fleet_.jobs[job]); });
  }
  std::vector<quiesce::Debt> owedTo(const std::string& instance) {
    std::vector<quiesce::Debt> debts;
    run([&](store::Txn& txn) { debts = owed(txn, instance); });
    return debts;
  }
  std::string holder(const std::string& instance) {
    std::string name;
    run([&](store::Txn& txn) { name = locks_->holder(txn, instance).value_or(""); });
    return name;
  }
  json::Array entries(const std::string& execution = kExecution) {
    return json::parse(fleet_.rows.at(execution).at("Workflow_Overall_Status"))->as_array();
  }

  /// Makes what scripts are sent by, once the core is there.
  std::function<Scripts&()> scripts_ = [this]() -> Scripts& { return fleet_; };
  std::size_t list_max_ = kRowListMax;
  ManualClock clock_{fromMicros(1'700'000'000'000'000)};
  SeededRandom random_{7};
  ModelFleet fleet_;
  ModelTargets targets_{fleet_};
  Driver driver_;
  std::filesystem::path directory_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<runtime::Core> core_;
  std::unique_ptr<runtime::MachineLock> locks_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Finaliser> finaliser_;
  std::unique_ptr<Lanes> lanes_;
  std::size_t most_places_ = 1000;
  std::unique_ptr<backup::Places> places_;
  std::vector<std::pair<std::string, Lanes::Skip>> skips_;

 private:
  static inline int counter_ = 0;
};

inline std::string inputFor(int path, const std::string& targets = R"("TargetEC2Instances": ["i-a"])") {
  const bool stop = path <= 4;
  const bool pre = path == 1 || path == 2 || path == 5 || path == 6;
  const bool post = path % 2 == 1;
  std::string scripts;
  if (pre) scripts += R"("PreBackupScriptDetails": {"SourceS3Path": "s3://b/pre", "CommandToRun": "pre"})";
  if (post)
    scripts += std::string(pre ? "," : "") + R"("PostBackupScriptDetails": {"SourceS3Path": "s3://b/post", "CommandToRun": "post"})";
  return fmt::format(R"({{{}, "StartStopEC2Required": {}, "RemoteRunCommandDetails": {{{}}},
    "BackupDetails": {{"BackupVaultName": "vault", "IamRoleArn": "arn:aws:iam::000000000000:role/b"}}}})",
                     targets, stop, scripts);
}

}  // namespace sp::services::stillpoint
