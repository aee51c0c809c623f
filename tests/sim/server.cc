#include "server.h"

#include <utility>

#include "base/assert.h"
#include "runtime/definitions.h"

namespace sp::sim {
namespace {

/// Where integrations and callbacks remember what has no answer.
constexpr std::string_view kOpen = "open";

class NoBlobs final : public store::BlobStore {
 public:
  Result<std::unique_ptr<Writer>> create() override { SP_ASSERT(false); }
  Result<std::unique_ptr<Reader>> openBlob(std::string_view) override { SP_ASSERT(false); }
  void remove(std::string_view) override { SP_ASSERT(false); }
  void sweep(const std::function<bool(std::string_view)>&) override { SP_ASSERT(false); }
};

class NoAgents final : public runtime::AgentPort {
 public:
  void request(store::Txn&, std::string_view, const json::Object&) override { SP_ASSERT(false); }
  void withdraw(store::Txn&, std::string_view, std::string_view) override { SP_ASSERT(false); }
  bool connected(std::string_view) const override { return false; }
};

std::int64_t redrivesOf(store::Txn& txn, const std::string& arn) {
  const auto row = txn.executions().get(arn);
  if (!row || row->description.find("redriveCount") == std::string::npos) return 0;
  return json::intOr(json::parse(row->description)->get_object(), "redriveCount", 0);
}

void settle(runtime::ExecutionRuntime& runtime, store::Txn& txn, const std::string& token, const Plan& plan) {
  if (plan.end == Plan::End::succeeds) runtime.taskSucceeded(txn, token, plan.output);
  else runtime.taskFailed(txn, token, plan.error, plan.cause);
}

}  // namespace

std::string Asked::key() const { return execution + ' ' + json::toText(parameters) + ' ' + std::to_string(attempt); }

/// The tasks' side, as tasks/ does it: what has no answer is a record, what leaves does so after the commit.
class Server::Tasks final : public runtime::TaskPort {
 public:
  Tasks(Outside& outside, runtime::ExecutionRuntime& runtime, services::states::Activities& activities)
      : outside_(outside), runtime_(runtime), activities_(activities) {}
  bool knows(std::string_view resource) const override {
    return resource == kNow || resource == kLater || resource == kCallback || resource == kActivity;
  }
  bool activityExists(store::Txn& txn, std::string_view arn) const override { return activities_.find(txn, arn).has_value(); }

  void start(store::Txn& txn, const runtime::TaskRequest& request) override {
    Asked asked{Asked::Kind::later, request.token,   request.execution_arn,
                request.parameters, request.attempt, redrivesOf(txn, request.execution_arn),
                txn.now()};
    std::string callback;
    if (request.resource == kNow) asked.kind = Asked::Kind::now;
    if (request.resource == kActivity) asked.kind = Asked::Kind::activity;
    if (request.resource == kCallback) {
      asked.kind = Asked::Kind::callback;
      callback = json::textOr(asked.parameters.get_object(), "token");
      asked.parameters.get_object().erase("token");
    }
    const auto& plan = outside_.begun(asked);
    if (txn.records().get("seen", request.token)) outside_.broken("a token is used twice: " + request.token);
    txn.records().put("seen", request.token, "");
    switch (asked.kind) {
      case Asked::Kind::activity: return activities_.schedule(txn, request.resource, request.token, json::toText(asked.parameters));
      case Asked::Kind::now:
        if (plan.end != Plan::End::silent) return settle(runtime_, txn, request.token, plan);
        break;
      case Asked::Kind::callback:
      case Asked::Kind::later: txn.afterCommit([this, token = request.token, callback] { outside_.deliver(token, callback); }); break;
    }
    txn.records().put(kOpen, request.token, callback);
  }
  void cancel(store::Txn& txn, std::string_view token) override {
    txn.records().erase(kOpen, token);
    activities_.withdraw(txn, token);
    outside_.cancelled(std::string(token));
  }

 private:
  Outside& outside_;
  runtime::ExecutionRuntime& runtime_;
  services::states::Activities& activities_;
};

struct Server::Parts {
  Parts(Data& data, const Clock& clock, Random& random, Outside& outside, SimStore::Decide decide, SimStore::Told told)
      : store(data, std::move(decide), std::move(told)),
        core(store, clock, random),
        context{core, realm, clock, random, blobs, agents, reports, locks},
        runtime(core),
        activities(context),
        tasks(outside, runtime, activities),
        service{context, runtime, tasks, activities, {}} {}

  SimStore store;
  NoBlobs blobs;
  NoAgents agents;
  runtime::AgentReports reports;
  runtime::MachineLock locks;
  Realm realm;
  runtime::Core core;
  services::Context context;
  runtime::ExecutionRuntime runtime;
  services::states::Activities activities;
  Tasks tasks;
  services::states::Service service;
};

/// A request under way, which may wait for an activity's task.
struct Server::Exchange {
  Operation operation = Operation::stop;
  json::Object input;
  Reply reply;
  aws::Outcome outcome = json::Object{};
  std::optional<Instant> until = {};
  runtime::Waiters::Id waiting = 0;
};

Server::Server(Data& data, const Clock& clock, Random& random, Outside& outside, const engine::Limits& limits, SimStore::Decide decide,
               SimStore::Told told)
    : parts_(std::make_unique<Parts>(data, clock, random, outside, std::move(decide), std::move(told))) {
  parts_->runtime.setTasks(parts_->tasks);
  parts_->runtime.setLimits(limits);
  parts_->runtime.onEnd([&outside](store::Txn& txn, const store::ExecutionRow& row) { outside.ended(txn, row); });
  parts_->core.post([&outside](store::Txn& txn) {
    for (const auto& record : txn.records().scan(kOpen, "", "", 10'000))
      txn.afterCommit([&outside, record] { outside.deliver(record.key, record.body); });
    return true;
  });
}

Server::~Server() = default;

runtime::Core& Server::core() { return parts_->core; }

void Server::call(Operation operation, json::Object input, Reply reply) {
  attempt(std::make_shared<Exchange>(Exchange{operation, std::move(input), std::move(reply)}));
}

// As daemon/api_front does it.
void Server::attempt(const std::shared_ptr<Exchange>& exchange) {
  parts_->core.post([this, exchange](store::Txn& txn) { return work(exchange, txn); },
                    [this, exchange](const Error* error) {
                      if (error == nullptr && exchange->waiting != 0) return;
                      if (error != nullptr && exchange->waiting != 0 && !parts_->core.waiters().remove(exchange->waiting)) return;
                      exchange->reply(error == nullptr ? &exchange->outcome : nullptr);
                    });
}

bool Server::work(const std::shared_ptr<Exchange>& exchange, store::Txn& txn) {
  using namespace services::states;
  static const aws::Principal principal{"", "arn:aws:iam::000000000000:root", "000000000000", "000000000000"};
  const auto handler = [&] {
    switch (exchange->operation) {
      case Operation::get_activity_task: return getActivityTask;
      case Operation::send_task_success: return sendTaskSuccess;
      case Operation::send_task_failure: return sendTaskFailure;
      case Operation::send_task_heartbeat: return sendTaskHeartbeat;
      case Operation::stop: return stopExecution;
      case Operation::redrive: break;
    }
    return redriveExecution;
  }();
  auto& waiters = parts_->core.waiters();
  exchange->waiting = 0;
  if (!exchange->until) exchange->until = txn.now() + std::chrono::seconds(60);
  aws::LongPoll poll;
  const bool may_wait = exchange->operation == Operation::get_activity_task && txn.now() < *exchange->until;
  exchange->outcome =
      handler(parts_->service, {exchange->input, &txn, principal, parts_->realm, "request", "", txn.now(), may_wait ? &poll : nullptr});
  if (!exchange->outcome || poll.topic.empty()) return exchange->outcome.has_value();
  exchange->waiting = waiters.add(std::move(poll.topic), *exchange->until, [this, exchange] { attempt(exchange); });
  return true;
}

void Server::start(const Execution& execution, Reply reply) {
  parts_->core.post(
      [this, execution](store::Txn& txn) {
        runtime::StartSpec spec;
        spec.arn = execution.arn;
        spec.name = "e";
        spec.machine_arn = "arn:aws:states:us-east-1:000000000000:stateMachine:" + execution.machine;
        spec.machine_name = execution.machine;
        spec.input = execution.input;
        spec.definition = runtime::definitions::add(txn, execution.definition);
        parts_->runtime.start(txn, spec);
        return true;
      },
      [reply = std::move(reply)](const Error* error) {
        const aws::Outcome fine = json::Object{};
        reply(error == nullptr ? &fine : nullptr);
      });
}

void Server::answer(const std::string& token, const Plan& plan, Reply reply) {
  const auto outcome = std::make_shared<aws::Outcome>(json::Object{});
  parts_->core.post(
      [this, token, plan, outcome](store::Txn& txn) {
        *outcome = json::Object{};
        if (!txn.records().erase(kOpen, token)) return true;
        **outcome = json::Object{{"taken", true}};
        settle(parts_->runtime, txn, token, plan);
        return true;
      },
      [outcome, reply = std::move(reply)](const Error* error) { reply(error == nullptr ? outcome.get() : nullptr); });
}

void Server::sent(const std::string& token, Reply reply) {
  parts_->core.post(
      [this, token](store::Txn& txn) {
        if (txn.records().erase(kOpen, token)) parts_->runtime.taskSubmitted(txn, token, json::Object{{"sent", true}});
        return true;
      },
      [reply = std::move(reply)](const Error* error) {
        const aws::Outcome fine = json::Object{};
        reply(error == nullptr ? &fine : nullptr);
      });
}

}  // namespace sp::sim
