// One simulated installation: a store, a clock, the process that drives executions and may die at any commit, and the
// world outside that starts and stops executions and does their tasks. Time stands still until nothing is left to do at it.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "history_check.h"
#include "server.h"

namespace sp::sim {

/// What decides all that may happen in a world. As it stands: nothing ever goes wrong.
class Policy {
 public:
  virtual ~Policy() = default;
  /// What becomes of a task; asked once for each that has another name.
  virtual Plan plan(const Asked& asked) = 0;
  /// What the plan of a task goes by.
  virtual std::string nameOf(const Asked& asked) const { return asked.key() + '+' + std::to_string(asked.redrives); }
  /// What becomes of the commit with this number, from 0.
  virtual Fault fault(std::uint64_t commit) { return static_cast<void>(commit), Fault{}; }
  /// Whether the answers to what this commit did get lost on their way.
  virtual bool losesAnswers(std::uint64_t commit) { return static_cast<void>(commit), false; }
  /// After how long whoever got no answer asks again, and a free worker asks for its next task.
  virtual Duration again() { return Duration(0); }
  /// How long it takes until a dead process is back.
  virtual Duration down() { return Duration(0); }
  /// How many things that happen outside reach the server at once.
  virtual int together() { return 1; }
};

/// What people do to an execution.
struct Intent {
  enum class Kind { stop, redrive };
  Kind kind = Kind::stop;
  std::string execution;
  /// Since the start; of a redrive since it ended.
  Duration after{0};
};

/// What became of the tries with one key (Asked::key).
struct Tried {
  std::vector<Plan> plans;
  /// Some of them were given up: in a world where things go wrong it may have been for want of time.
  bool cancelled = false;
};

struct Report {
  /// "SUCCEEDED output", "FAILED error", "ABORTED error", "TIMED_OUT error", per execution.
  std::map<std::string, std::string> results;
  /// Their events without times and tokens.
  std::map<std::string, std::vector<std::string>> history;
  /// Their events as they are stored.
  std::map<std::string, std::vector<std::string>> events_stored;
  std::uint64_t commits = 0;
  /// How much each commit wrote.
  std::vector<std::uint64_t> writes;
  /// Commits that handed out a task of an activity.
  std::set<std::uint64_t> handed_out;
  std::uint64_t crashes = 0;
  std::uint64_t faults = 0;
  std::uint64_t events = 0;
  std::uint64_t beats = 0;
  std::uint64_t late_answers = 0;
  std::uint64_t stops = 0;
  std::uint64_t redrives = 0;
  std::map<std::string, Tried> tried;
  /// Nothing went wrong, no answer got lost, nothing came late.
  bool undisturbed = true;
  /// Simulated time that went by.
  Duration lasted{0};
  /// Of everything that happened: two runs of one seed must agree.
  std::uint64_t trace = 0;
  /// What happened, one line a thing; only if asked for.
  std::vector<std::string> story;
  /// What must never be: empty if all is well.
  std::vector<std::string> broken;
};

class World final : public Outside {
 public:
  struct Setup {
    std::vector<Execution> executions;
    std::vector<Intent> intents = {};
    int workers = 1;
    /// Events a step may make before it lets others go on.
    std::int64_t step_events = 5000;
    /// How much time all of it may take.
    Duration bound = std::chrono::hours(24 * 30);
    bool tell_story = false;
    /// Look at everything after every commit.
    bool look = true;
  };
  World(std::uint64_t seed, Setup setup, Policy& policy);
  ~World() override;
  Report run();

  const Plan& begun(const Asked& asked) override;
  void deliver(const std::string& token, const std::string& callback) override;
  void cancelled(const std::string& token) override;
  void ended(store::Txn& txn, const store::ExecutionRow& row) override;
  void broken(std::string what) override;

 private:
  /// An execution as it was last looked at.
  struct Seen {
    std::string status;
    std::string state;
    HistoryCheck history;
  };
  using Then = std::function<void(const aws::Outcome*)>;
  void boot();
  void die();
  void told(Fault::Kind kind, std::uint64_t writes);
  void settle();
  std::optional<Instant> nextTimer();
  bool turn();
  void in(Duration after, std::function<void()> action);
  bool over() const;
  Then underWay(Then then);
  void ask(Server::Operation operation, json::Object input, Then then);

  void begin(const Execution& execution);
  void stop(const std::string& arn);
  void redrive(const std::string& arn, const std::string& token);
  void poll(int worker);
  void sent(const std::string& token);
  void hold(const std::string& token, const std::string& callback);
  void beat(const std::string& token, const std::string& callback);
  void answer(const std::string& token, const std::string& callback);

  void check();
  void checkExecution(const store::ExecutionRow& row, Seen& seen);
  void checkRunning(const store::ExecutionRow& row);
  void checkEnded(const store::ExecutionRow& row, const Seen& seen);
  void finish();
  template <class... Parts>
  void tell(const Parts&... parts);

  Setup setup_;
  Policy& policy_;
  SeededRandom random_;
  ManualClock clock_;
  Data data_;
  std::unique_ptr<Server> server_;
  /// Things to come, by their time, then in the order in which they were thought of.
  std::multimap<Instant, std::function<void()>> agenda_;
  /// What was asked and has no answer yet.
  std::map<std::uint64_t, Then> under_way_;
  std::uint64_t asked_ = 0;
  /// A commit that it is told has just been done; its answers get lost.
  bool answers_lost_ = false;
  /// The store lied: the process is started anew.
  bool restart_ = false;
  int polls_ = 0;
  /// Redrives to come, those under way included, and how many were asked for at all.
  std::map<std::string, std::vector<Duration>> redrives_;
  std::map<std::string, std::uint64_t> redrives_asked_;
  std::set<std::string> redriving_;
  std::map<std::string, Asked> tasks_;
  std::map<std::string, Plan> plans_;
  std::set<std::string> held_;
  std::set<std::string> taken_;
  std::map<std::string, std::uint64_t> taken_of_;
  std::map<std::string, Seen> seen_;
  Report report_;
};

}  // namespace sp::sim
