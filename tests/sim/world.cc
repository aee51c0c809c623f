#include "world.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/assert.h"
#include "engine/history.h"
#include "engine/state.h"

namespace sp::sim {
namespace {

constexpr Instant kStart{Duration(1'700'000'000'000'000)};
// More turns than any world needs: whoever needs more goes round in circles.
constexpr int kMaxTurns = 100'000;
// How far apart things may be that reach the server at once.
constexpr Duration kTogether = std::chrono::seconds(3);
constexpr std::string_view kTimerKind = "execution";

std::string_view nameOf(Fault::Kind kind) {
  switch (kind) {
    case Fault::Kind::none: return "is durable";
    case Fault::Kind::lost: return "is lost";
    case Fault::Kind::torn: return "breaks off";
    case Fault::Kind::unsure: return "is durable, but said not to be";
    case Fault::Kind::crash_before: return "is lost in a crash";
    case Fault::Kind::crash_after: return "is durable, then a crash";
    case Fault::Kind::crash_acted: return "is durable and acted upon, then a crash";
  }
  return "";
}

/// Documents that events of this history hold.
engine::HeldDocument heldIn(const std::vector<std::string>& history) {
  return [&history](std::int64_t event) -> std::optional<std::string> {
    if (event < 1 || event > static_cast<std::int64_t>(history.size())) return std::nullopt;
    return engine::documentOf(json::parse(history[static_cast<std::size_t>(event - 1)])->get_object());
  };
}

std::string resultOf(const store::ExecutionRow& row, const std::vector<std::string>& history) {
  const auto description = *json::parse(row.description);
  const auto& members = description.get_object();
  if (row.status != "SUCCEEDED") return row.status + ' ' + json::textOr(members, "error");
  const auto* output = json::find(members, "output");
  if (output == nullptr || !output->is_object()) return row.status + ' ' + json::textOr(members, "output");
  return row.status + ' ' + heldIn(history)(json::intOr(output->get_object(), "event", 0)).value_or("");
}

// An event without its time, and with its task's token replaced by the event's own number: a heartbeat that comes twice
// makes the tokens after it others.
std::string withoutChance(const std::string& text, std::size_t number) {
  static constexpr std::string_view kToken = R"(\"token\":\")";
  auto plain = text.substr(text.find(',') + 1);
  if (const auto at = plain.find(kToken); at != std::string::npos) {
    const auto from = at + kToken.size();
    plain.replace(from, plain.find('\\', from) - from, std::to_string(number));
  }
  return plain;
}

/// How many records or timers of this kind belong to the execution, by their key "ARN#…".
template <class Map>
std::size_t countOf(const Map& map, std::string_view kind, const std::string& arn, const auto& counts) {
  std::size_t count = 0;
  const auto prefix = arn + '#';
  for (auto at = map.lower_bound({std::string(kind), prefix}); at != map.end() && at->first.first == kind; ++at) {
    if (!at->first.second.starts_with(prefix)) break;
    if (counts(at->second)) ++count;
  }
  return count;
}
std::size_t timersOf(const Data& data, const std::string& arn) {
  return countOf(data.timers, kTimerKind, arn, [](const auto&) { return true; });
}
// Callbacks' messages may still be on their way out when their tasks are answered.
std::size_t integrationsOf(const Data& data, const std::string& arn) {
  return countOf(data.records, "open", arn, [](const Data::Record& one) { return one.body.empty(); });
}

}  // namespace

World::World(std::uint64_t seed, Setup setup, Policy& policy) : setup_(std::move(setup)), policy_(policy), random_(seed), clock_(kStart) {
  report_.trace = seed;
  // The activity was made before the story begins.
  data_.records[{"activity", "work"}].body = json::toText(services::states::Activity{"work", kActivity, kStart, {}}.encode());
}

World::~World() = default;

template <class... Parts>
void World::tell(const Parts&... parts) {
  if (!setup_.tell_story) return;
  auto line = fmt::format("{:12.6f}", static_cast<double>((clock_.now() - kStart).count()) / 1e6);
  ((line += fmt::format(" {}", parts)), ...);
  report_.story.push_back(std::move(line));
}

void World::broken(std::string what) {
  tell("BROKEN", what);
  report_.broken.push_back(std::move(what));
}

Report World::run() {
  boot();
  for (const auto& execution : setup_.executions) begin(execution);
  for (const auto& intent : setup_.intents) {
    if (intent.kind == Intent::Kind::stop) in(intent.after, [this, arn = intent.execution] { stop(arn); });
    else redrives_[intent.execution].push_back(intent.after);
  }
  settle();
  for (int worker = 0; worker < setup_.workers; ++worker) in(std::chrono::seconds(1), [this, worker] { poll(worker); });
  for (int turns = 0; report_.broken.empty() && !over(); ++turns) {
    if (turns == kMaxTurns) broken("it goes round in circles");
    else if (clock_.now() - kStart > setup_.bound) broken("it takes too long to come to an end");
    else turn();
  }
  report_.lasted = clock_.now() - kStart;
  // What comes after the end changes nothing any more.
  while (report_.broken.empty() && !agenda_.empty()) turn();
  finish();
  return std::move(report_);
}

bool World::over() const {
  return data_.executions.size() == setup_.executions.size() && std::ranges::all_of(data_.executions, [this](const auto& one) {
           const auto left = redrives_.find(one.first);
           return one.second.status == "SUCCEEDED" || (one.second.status != "RUNNING" && (left == redrives_.end() || left->second.empty()));
         });
}

void World::boot() {
  engine::Limits limits;
  limits.step_events = setup_.step_events;
  server_ = std::make_unique<Server>(
      data_, clock_, random_, *this, limits,
      [this] {
        answers_lost_ = false;
        return policy_.fault(report_.commits);
      },
      [this](Fault::Kind kind, std::uint64_t writes) { told(kind, writes); });
}

void World::told(Fault::Kind kind, std::uint64_t writes) {
  tell("commit", report_.commits, nameOf(kind));
  answers_lost_ = policy_.losesAnswers(report_.commits);
  report_.writes.push_back(writes);
  ++report_.commits;
  if (kind == Fault::Kind::unsure) restart_ = true;
  if (kind == Fault::Kind::lost || kind == Fault::Kind::torn || kind == Fault::Kind::unsure) ++report_.faults;
  if (kind != Fault::Kind::none || answers_lost_) report_.undisturbed = false;
}

// All that was in memory is gone, and nobody gets an answer.
void World::die() {
  const auto waiting = std::exchange(under_way_, {});
  server_.reset();
  clock_.advance(policy_.down());
  boot();
  for (const auto& [id, then] : waiting) then(nullptr);
}

void World::settle() {
  for (int deaths = 0; deaths < 1000; ++deaths) {
    try {
      server_->core().runPending();
      if (!std::exchange(restart_, false)) return check();
    } catch (const Died&) { ++report_.crashes; }
    die();
  }
  broken("it died a thousand times in a row");
}

std::optional<Instant> World::nextTimer() {
  try {
    auto next = server_->core().nextTimer();
    if (const auto poll = server_->core().waiters().earliest()) next = next ? std::min(*next, *poll) : *poll;
    return next;
  } catch (const Died&) {
    ++report_.crashes;
    die();
    return clock_.now();
  }
}

void World::in(Duration after, std::function<void()> action) { agenda_.emplace(clock_.now() + after, std::move(action)); }

bool World::turn() {
  auto next = nextTimer();
  if (!agenda_.empty() && (!next || agenda_.begin()->first < *next)) next = agenda_.begin()->first;
  if (!next) {
    broken("nothing will ever happen any more");
    return false;
  }
  if (*next > clock_.now()) clock_.advance(*next - clock_.now());
  const int together = policy_.together();
  for (int i = 0; i < together && !agenda_.empty(); ++i) {
    auto first = agenda_.begin();
    if (first->first > clock_.now()) {
      if (i == 0 || first->first - clock_.now() > kTogether) break;
      report_.undisturbed = false;
      clock_.advance(first->first - clock_.now());
    }
    const auto action = std::move(first->second);
    agenda_.erase(first);
    action();
  }
  settle();
  return true;
}

World::Then World::underWay(Then then) {
  const auto id = ++asked_;
  under_way_.emplace(id, std::move(then));
  return [this, id](const aws::Outcome* outcome) {
    const auto found = under_way_.extract(id);
    if (found.empty()) return;
    if (outcome == nullptr || answers_lost_) report_.undisturbed = false;
    found.mapped()(answers_lost_ ? nullptr : outcome);
  };
}

void World::ask(Server::Operation operation, json::Object input, Then then) {
  server_->call(operation, std::move(input), underWay(std::move(then)));
}

// Whoever starts an execution asks again until he is told that it is there.
void World::begin(const Execution& execution) {
  server_->start(execution, underWay([this, execution](const aws::Outcome* outcome) {
                   if (outcome == nullptr) in(policy_.again(), [this, execution] { begin(execution); });
                 }));
}

void World::stop(const std::string& arn) {
  tell("stop", arn);
  ++report_.stops;
  ask(Server::Operation::stop, {{"executionArn", arn}, {"error", "Sim.Stopped"}, {"cause", "by hand"}},
      [this, arn](const aws::Outcome* outcome) {
        if (outcome == nullptr) in(policy_.again(), [this, arn] { stop(arn); });
        else if (!*outcome && outcome->error().code != "ExecutionDoesNotExist") broken("it cannot be stopped: " + outcome->error().message);
      });
}

void World::redrive(const std::string& arn, const std::string& token) {
  tell("redrive", arn);
  ask(Server::Operation::redrive, {{"executionArn", arn}, {"clientToken", token}}, [this, arn, token](const aws::Outcome* outcome) {
    if (outcome == nullptr) return in(policy_.again(), [this, arn, token] { redrive(arn, token); });
    if (!*outcome) return broken("it cannot be redriven: " + outcome->error().message);
    ++report_.redrives;
    redrives_[arn].erase(redrives_[arn].begin());
    redriving_.erase(arn);
    // Should it have ended again by now, that is looked at as an end.
    seen_[arn].status = "RUNNING";
  });
}

void World::poll(int worker) {
  if (over()) return;
  ++polls_;
  ask(Server::Operation::get_activity_task, {{"activityArn", kActivity}, {"workerName", fmt::format("worker-{}", worker)}},
      [this, worker](const aws::Outcome* outcome) {
        --polls_;
        in(policy_.again(), [this, worker] { poll(worker); });
        if (outcome == nullptr) return;
        if (!*outcome) return broken("no task may be asked for: " + outcome->error().message);
        const auto callback = json::textOr(**outcome, "taskToken");
        if (callback.empty()) return;
        report_.handed_out.insert(report_.commits - 1);
        const auto token = engine::readTaskToken(callback).value_or("");
        if (!tasks_.contains(token)) return broken("nobody knows the token handed out: " + token);
        if (!held_.insert(token).second) return broken("a task is handed out twice: " + token);
        hold(token, callback);
      });
}

const Plan& World::begun(const Asked& asked) {
  tasks_[asked.token] = asked;
  const auto key = asked.key();
  const auto [plan, fresh] = plans_.try_emplace(policy_.nameOf(asked));
  auto& tried = report_.tried[key];
  if (fresh) {
    plan->second = policy_.plan(asked);
    tried.plans.push_back(plan->second);
  }
  return plan->second;
}

void World::cancelled(const std::string& token) {
  const auto found = tasks_.find(token);
  if (found == tasks_.end()) broken("a task is given up that was never begun: " + token);
  else report_.tried[found->second.key()].cancelled = true;
}

// Whoever does it knows its token: told again, it is the same task.
void World::deliver(const std::string& token, const std::string& callback) {
  if (held_.insert(token).second) hold(token, callback);
  if (!callback.empty()) sent(token);
}

void World::sent(const std::string& token) {
  server_->sent(token, underWay([this, token](const aws::Outcome* outcome) {
                  if (outcome == nullptr) in(policy_.again(), [this, token] { sent(token); });
                }));
}

void World::hold(const std::string& token, const std::string& callback) {
  const auto& task = tasks_.at(token);
  const auto& plan = plans_.at(policy_.nameOf(task));
  tell("task", token, task.key());
  for (int i = 1; i <= plan.beats && !callback.empty(); ++i) in(plan.between * i, [this, token, callback] { beat(token, callback); });
  if (plan.end == Plan::End::silent) return;
  for (int i = 0; i < plan.answers; ++i) in(plan.after, [this, token, callback] { answer(token, callback); });
}

void World::beat(const std::string& token, const std::string& callback) {
  ++report_.beats;
  ask(Server::Operation::send_task_heartbeat, {{"taskToken", callback}}, [this, token, callback](const aws::Outcome* outcome) {
    if (outcome == nullptr) return in(policy_.again(), [this, token, callback] { beat(token, callback); });
    if (!*outcome && outcome->error().code != "TaskTimedOut") broken(fmt::format("a heartbeat of {}: {}", token, outcome->error().message));
  });
}

void World::answer(const std::string& token, const std::string& callback) {
  const auto& task = tasks_.at(token);
  const auto& plan = plans_.at(policy_.nameOf(task));
  const Then then = [this, token, callback](const aws::Outcome* outcome) {
    if (outcome == nullptr) return in(policy_.again(), [this, token, callback] { answer(token, callback); });
    if (!*outcome && outcome->error().code != "TaskTimedOut")
      return broken(fmt::format("the answer of {}: {}", token, outcome->error().message));
    const bool taken = *outcome && (!callback.empty() || (*outcome)->contains("taken"));
    if (!taken) ++report_.late_answers;
    else if (!taken_.insert(token).second) broken("a task's answer was taken twice: " + token);
    else ++taken_of_[tasks_.at(token).execution];
  };
  tell("answer", token, plan.end == Plan::End::succeeds ? "good" : plan.error);
  if (callback.empty()) return server_->answer(token, plan, underWay(then));
  if (plan.end == Plan::End::succeeds)
    ask(Server::Operation::send_task_success, {{"taskToken", callback}, {"output", json::toText(plan.output)}}, then);
  else ask(Server::Operation::send_task_failure, {{"taskToken", callback}, {"error", plan.error}, {"cause", plan.cause}}, then);
}

void World::ended(store::Txn& txn, const store::ExecutionRow& row) {
  const auto before = txn.records().get("ended", row.arn);
  txn.records().put("ended", row.arn, std::to_string(before ? std::stoi(*before) + 1 : 1));
}

// What must hold after every commit.
void World::check() {
  if (!setup_.look) return;
  for (const auto& [arn, row] : data_.executions) {
    auto& seen = seen_[arn];
    if (row.status == seen.status && row.state == seen.state && data_.history[arn].size() == seen.history.size()) continue;
    checkExecution(row, seen);
  }
  const auto queue = data_.records.lower_bound({"activity_task", ""});
  if (report_.undisturbed && polls_ > 0 && queue != data_.records.end() && queue->first.first == "activity_task")
    broken("a task waits beside a free worker: " + queue->first.second);
}

void World::checkExecution(const store::ExecutionRow& row, Seen& seen) {
  const auto& history = data_.history[row.arn];
  for (auto i = seen.history.size(); i < history.size(); ++i) {
    tell(row.arn, history[i]);
    if (auto wrong = seen.history.take(history[i]); !wrong.empty()) broken(row.arn + ": " + wrong);
  }
  if (seen.history.status() != row.status)
    broken(fmt::format("{} is {}, but its history says {}", row.arn, row.status, seen.history.status()));
  if (seen.history.redrives() > redrives_asked_[row.arn]) broken(row.arn + " was redriven, but nobody asked for it");
  if ((row.status == "RUNNING") == row.state.empty()) broken(row.arn + ": state and status disagree");
  if ((row.status == "RUNNING") == row.stopped.has_value()) broken(row.arn + ": status and stop date disagree");
  if (row.status == "RUNNING") checkRunning(row);
  else checkEnded(row, seen);
  const bool ends = row.status != "RUNNING" && row.status != seen.status;
  if (ends && row.status != "SUCCEEDED" && !redrives_[row.arn].empty() && redriving_.insert(row.arn).second) {
    const auto token = fmt::format("token-{}", ++redrives_asked_[row.arn]);
    in(redrives_[row.arn].front(), [this, arn = row.arn, token] { redrive(arn, token); });
  }
  seen.status = row.status;
  seen.state = row.state;
}

// The state can be read again, and timers and tasks are exactly those it waits for.
void World::checkRunning(const store::ExecutionRow& row) {
  const auto state = engine::decode(row.state, heldIn(data_.history[row.arn]));
  if (!state || engine::encode(*state) != row.state) return broken(row.arn + ": its state does not survive decoding");
  std::set<std::int64_t> timers;
  std::map<std::int64_t, std::int64_t> children;
  std::size_t open = 0;
  for (const auto& [id, frame] : state->frames) {
    // A borne iteration stands still.
    if (frame.parent != 0 && !frame.borne) ++children[frame.parent];
    timers.insert({frame.timeout_timer, frame.heartbeat_timer});
    if (frame.phase == engine::Phase::wait || frame.phase == engine::Phase::retry) timers.insert(frame.waiting);
    if (frame.phase != engine::Phase::task) continue;
    const auto token = engine::globalName(row.arn, frame.waiting);
    const auto task = tasks_.find(token);
    if (task == tasks_.end()) return broken(row.arn + " waits for a task that was never begun: " + token);
    if (task->second.kind != Asked::Kind::activity) {
      // Once its message has left, a callback's task is the business of whoever holds its token.
      if (task->second.kind == Asked::Kind::callback) continue;
      ++open;
      if (!data_.records.contains({"open", token})) broken(row.arn + " waits for a task that nobody does: " + token);
      continue;
    }
    // All activities have a timeout, which counts once a worker has taken the task.
    const bool queued = std::ranges::any_of(
        data_.records, [&](const auto& one) { return one.first.first == "activity_task" && one.second.indexed.at("token") == token; });
    if (queued == (frame.timeout_timer != 0))
      broken(fmt::format("{}: the task {} is {}", row.arn, token, queued ? "taken, yet offered" : "not offered"));
  }
  for (const auto& [id, count] : children) {
    const auto& parent = state->frames.at(id);
    if (count != parent.running || count > parent.concurrency)
      broken(fmt::format("{}: {} branches run, {} are counted, {} may", row.arn, count, parent.running, parent.concurrency));
  }
  timers.insert({state->deadline_timer, state->resume_timer});
  timers.erase(0);
  for (const auto timer : timers)
    if (!data_.timers.contains({std::string(kTimerKind), engine::globalName(row.arn, timer)}))
      broken(fmt::format("{} waits for a timer that is not set: {}", row.arn, timer));
  if (timersOf(data_, row.arn) != timers.size()) broken(row.arn + ": a timer is set that nobody waits for");
  if (integrationsOf(data_, row.arn) != open) broken(row.arn + ": a task is open that nobody waits for");
}

void World::checkEnded(const store::ExecutionRow& row, const Seen& seen) {
  const auto ends = data_.records.find({"ended", row.arn});
  if (ends == data_.records.end() || ends->second.body != std::to_string(seen.history.redrives() + 1))
    broken(row.arn + ": its end was not told once");
  if (timersOf(data_, row.arn) != 0) broken(row.arn + " has ended, but a timer is left");
  if (integrationsOf(data_, row.arn) != 0) broken(row.arn + " has ended, but a task is left");
  for (const auto& [name, record] : data_.records)
    if (name.first == "activity_task" && record.indexed.at("token").starts_with(row.arn + '#'))
      broken(row.arn + " has ended, but a task is offered");
}

void World::finish() {
  for (const auto& [name, record] : data_.records)
    if (name.first == "open") broken("a message of a callback never left: " + name.second);
  for (const auto& [arn, row] : data_.executions) {
    if (row.status == "RUNNING") continue;
    report_.results[arn] = resultOf(row, data_.history[arn]);
    auto& history = report_.history[arn];
    report_.events_stored[arn] = data_.history[arn];
    for (const auto& text : data_.history[arn]) {
      ++report_.events;
      for (const char c : text) report_.trace = (report_.trace ^ static_cast<unsigned char>(c)) * 1'099'511'628'211ULL;
      history.push_back(withoutChance(text, history.size() + 1));
    }
    if (setup_.look && seen_[arn].history.answers() < taken_of_[arn]) broken(arn + ": more answers were taken than its history has");
  }
  for (const auto number :
       {report_.commits, report_.crashes, report_.faults, static_cast<std::uint64_t>(clock_.now().time_since_epoch().count())})
    report_.trace = (report_.trace ^ number) * 1'099'511'628'211ULL;
}

}  // namespace sp::sim
