#include "world.h"

#include <fmt/format.h>

#include "engine/history.h"
#include "engine/state.h"
#include "runtime/definitions.h"

namespace sp::sim {
namespace {

constexpr Instant kStart{Duration(1'700'000'000'000'000)};
// More rounds than any machine of machines.h needs: whoever needs more hangs.
constexpr int kMaxRounds = 5'000;
constexpr int kExecutions = 3;

class World;

/// The tasks' side: remembers in the store what is open, as tasks/ does, and answers at once or when the world says so.
class Tasks final : public runtime::TaskPort {
 public:
  explicit Tasks(World& world) : world_(world) {}
  bool knows(std::string_view) const override { return true; }
  void start(store::Txn& txn, const runtime::TaskRequest& request) override;
  void cancel(store::Txn& txn, std::string_view token) override { txn.records().erase("open", token); }

 private:
  World& world_;
};

class World {
 public:
  explicit World(std::uint64_t seed) : seed_(seed), chance_(seed), random_(seed), clock_(kStart), weather_(Weather::of(chance_)) { boot(); }

  Report run() {
    begin();
    int round = 0;
    for (; round < kMaxRounds && !quiet(); ++round) {
      if (round == kMaxRounds / 2) weather_ = {};
      turn();
      check();
    }
    if (round == kMaxRounds) broken("it never came to an end");
    finish();
    return std::move(report_);
  }

  std::uint64_t seed() const { return seed_; }
  runtime::ExecutionRuntime& runtime() { return *runtime_; }
  void broken(std::string what) { report_.broken.push_back(std::move(what)); }

 private:
  void boot() {
    core_.reset();
    tasks_.reset();
    runtime_.reset();
    store_ = std::make_unique<SimStore>(data_);
    store_->fault = [this] { return fault(); };
    core_ = std::make_unique<runtime::Core>(*store_, clock_, random_);
    runtime_ = std::make_unique<runtime::ExecutionRuntime>(*core_);
    tasks_ = std::make_unique<Tasks>(*this);
    runtime_->setTasks(*tasks_);
    runtime_->onEnd([this](store::Txn& txn, const store::ExecutionRow& row) {
      if (txn.records().get("ended", row.arn)) broken(row.arn + " ended twice");
      txn.records().put("ended", row.arn, row.status);
    });
  }

  Fault fault() {
    if (chance_.percent(weather_.lost)) return Fault::lost;
    if (chance_.percent(weather_.crash_before)) return Fault::crash_before;
    if (chance_.percent(weather_.crash_after)) return Fault::crash_after;
    return Fault::none;
  }

  // Runs what is queued; a dead process comes back a little later.
  void settle() {
    for (int guard = 0; guard < 1000; ++guard) {
      core_->runPending();
      if (!store_->crashed) return;
      ++report_.crashes;
      clock_.advance(Duration(static_cast<std::int64_t>(chance_.below(200'000))));
      boot();
    }
    broken("it crashed a thousand times in a row");
  }

  void begin() {
    for (int i = 0; i < kExecutions; ++i) {
      const auto machine = makeMachine(chance_);
      const auto input = makeInput(chance_);
      const auto arn = fmt::format("arn:aws:states:us-east-1:000000000000:execution:m{}:e", i);
      report_.expected[arn] = oracle(seed_, machine, input);
      // Whoever starts an execution asks again until he is told that it is there.
      while (!data_.executions.contains(arn)) {
        core_->post([&](store::Txn& txn) {
          runtime::StartSpec spec;
          spec.arn = arn;
          spec.name = "e";
          spec.machine_arn = fmt::format("arn:aws:states:us-east-1:000000000000:stateMachine:m{}", i);
          spec.machine_name = fmt::format("m{}", i);
          spec.input = json::toText(input);
          spec.definition = runtime::definitions::add(txn, json::toText(machine));
          runtime_->start(txn, spec);
          return true;
        });
        settle();
      }
    }
  }

  bool quiet() const {
    return std::ranges::all_of(data_.executions, [](const auto& one) { return one.second.status != "RUNNING"; });
  }

  // Something happens: an answer, or the passing of time.
  void turn() {
    if (chance_.percent(weather_.stops)) return stopOne();
    std::vector<std::string> open;
    for (const auto& [name, body] : data_.records)
      if (name.first == "open" && body != "silent") open.push_back(name.second);
    if (!open.empty() && chance_.percent(70)) return answer(open[chance_.below(open.size())]);
    const auto next = core_->nextTimer();
    if (store_->crashed) return settle();
    if (next && *next > clock_.now() && open.empty()) clock_.advance(*next - clock_.now());
    else if (next && *next > clock_.now()) clock_.advance(std::min<Duration>(*next - clock_.now(), std::chrono::milliseconds(300)));
    settle();
  }

  void answer(const std::string& token) {
    const int times = chance_.percent(weather_.repeated_answers) ? 2 : 1;
    for (int i = 0; i < times; ++i) {
      core_->post([this, token](store::Txn& txn) {
        // A repeated answer still has its task: agents answer again after a lost connection.
        const auto body = data_.records.find({"open", token});
        if (body == data_.records.end()) return true;
        txn.records().erase("open", token);
        tell(txn, token, *json::parse(body->second));
        return true;
      });
    }
    settle();
  }

  void stopOne() {
    auto at = data_.executions.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(chance_.below(data_.executions.size())));
    const auto arn = at->first;
    core_->post([this, arn](store::Txn& txn) {
      runtime_->stop(txn, arn, "Sim.Stopped", "");
      return true;
    });
    settle();
    if (data_.executions.at(arn).status == "ABORTED") report_.expected[arn] = {"ABORTED Sim.Stopped"};
  }

  void tell(store::Txn& txn, const std::string& token, const json::Value& what) {
    const auto outcome = taskOutcome(seed_, what.at("parameters"), what.at("attempt").to_number<std::int64_t>());
    if (outcome.kind == TaskOutcome::Kind::succeeds) runtime_->taskSucceeded(txn, token, outcome.output);
    else runtime_->taskFailed(txn, token, outcome.error, "as it happens");
  }

  // What must hold after every commit.
  void check() {
    for (const auto& [arn, row] : data_.executions) {
      if ((row.status == "RUNNING") == row.state.empty()) broken(arn + ": state and status disagree");
      if (row.state.empty()) continue;
      const auto state = engine::decode(row.state, [&, &name = arn](std::int64_t event) { return heldIn(name, event); });
      if (!state || engine::encode(*state) != row.state) broken(arn + ": its state does not survive decoding");
    }
  }

  /// The document that an event holds.
  std::optional<std::string> heldIn(const std::string& arn, std::int64_t event) {
    const auto& history = data_.history[arn];
    if (event < 1 || event > static_cast<std::int64_t>(history.size())) return std::nullopt;
    return engine::documentOf(json::parse(history[static_cast<std::size_t>(event - 1)])->get_object());
  }

  /// A long one stands in the history only.
  std::string outputOf(const std::string& arn, const json::Object& description) {
    const auto* output = json::find(description, "output");
    const auto event = output != nullptr && output->is_object() ? json::intOr(output->get_object(), "event", 0) : 0;
    return event == 0 ? json::textOr(description, "output") : heldIn(arn, event).value_or("");
  }

  void finish() {
    std::uint64_t trace = seed_;
    for (const auto& [arn, row] : data_.executions) {
      const auto description = *json::parse(row.description);
      const auto& members = description.get_object();
      report_.results[arn] =
          row.status == "SUCCEEDED" ? "SUCCEEDED " + outputOf(arn, members) : row.status + " " + json::textOr(members, "error");
      if (!data_.records.contains({"ended", arn})) broken(arn + ": nobody was told of its end");
      std::int64_t id = 0;
      for (const auto& text : data_.history[arn]) {
        ++report_.events;
        for (const char c : text) trace = trace * 1'099'511'628'211ULL + static_cast<unsigned char>(c);
        const auto event = *json::parse(text);
        if (json::intOr(event.get_object(), "id", 0) != ++id) broken(arn + ": a gap in its history");
        if (json::intOr(event.get_object(), "previousEventId", -1) >= id) broken(arn + ": an event follows a later one");
      }
    }
    report_.trace = trace;
    for (const auto& [name, timer] : data_.timers) broken("a timer is left: " + name.second);
    for (const auto& [name, body] : data_.records)
      if (name.first == "open") broken("a task is left: " + name.second);
  }

  std::uint64_t seed_;
  Chance chance_;
  SeededRandom random_;
  ManualClock clock_;
  Weather weather_;
  Data data_;
  std::unique_ptr<SimStore> store_;
  std::unique_ptr<runtime::Core> core_;
  std::unique_ptr<runtime::ExecutionRuntime> runtime_;
  std::unique_ptr<Tasks> tasks_;
  Report report_;
};

void Tasks::start(store::Txn& txn, const runtime::TaskRequest& request) {
  if (txn.records().get("seen", request.token)) world_.broken("a token was used twice: " + request.token);
  txn.records().put("seen", request.token, "");
  const auto outcome = taskOutcome(world_.seed(), request.parameters, request.attempt);
  if (outcome.kind == TaskOutcome::Kind::silent) return txn.records().put("open", request.token, "silent");
  if (request.resource.ends_with(":later"))
    return txn.records().put("open", request.token,
                             json::toText(json::Object{{"parameters", request.parameters}, {"attempt", request.attempt}}));
  if (outcome.kind == TaskOutcome::Kind::succeeds) world_.runtime().taskSucceeded(txn, request.token, outcome.output);
  else world_.runtime().taskFailed(txn, request.token, outcome.error, "as it happens");
}

}  // namespace

// Each seed turns on a part of the faults, at its own rate.
Weather Weather::of(Chance& chance) {
  Weather made;
  for (auto* rate : {&made.lost, &made.crash_before, &made.crash_after, &made.repeated_answers})
    if (chance.percent(50)) *rate = chance.below(30);
  if (chance.percent(20)) made.stops = chance.below(5);
  return made;
}

Report simulate(std::uint64_t seed) { return World(seed).run(); }

}  // namespace sp::sim
