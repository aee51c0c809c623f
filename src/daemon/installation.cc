#include "daemon/installation.h"

#include <future>
#include <optional>

#include "base/version.h"
#include "daemon/api_front.h"
#include "daemon/s3_front.h"
#include "daemon/secrets_key.h"
#include "daemon/stream_front.h"
#include "fleet/command_http.h"
#include "fleet/fleet.h"
#include "fleet/vault_http.h"
#include "runtime/core.h"
#include "runtime/execution_runtime.h"
#include "runtime/longest_run.h"
#include "runtime/retention.h"
#include "services/backup/backup.h"
#include "services/backup/places.h"
#include "services/backup/plans/plans.h"
#include "services/context.h"
#include "services/delivery/deliveries.h"
#include "services/dynamodb/dynamodb.h"
#include "services/dynamodb/items.h"
#include "services/ec2/ec2.h"
#include "services/ec2/instances.h"
#include "services/events/events.h"
#include "services/iam/iam.h"
#include "services/news/news.h"
#include "services/s3/s3.h"
#include "services/scheduler/scheduler.h"
#include "services/ssm/commands.h"
#include "services/ssm/files.h"
#include "services/ssm/nodes/nodes.h"
#include "services/ssm/ssm.h"
#include "services/states/states.h"
#include "services/stillpoint/adapters.h"
#include "services/stillpoint/input.h"
#include "services/stillpoint/status/status_keeper.h"
#include "services/stillpoint/stillpoint.h"
#include "services/sts/sts.h"
#include "store/output_store.h"
#include "store/sqlite/sqlite_store.h"
#include "tasks/nested_executions.h"
#include "tasks/task_registry.h"
#include "tasks/web_calls.h"

namespace sp::daemon {
namespace {

// AWS's: no execution is open for longer.
constexpr Duration kLongestRun = std::chrono::hours(24 * 365);

/// What must be there before anything else can be: opened first, closed last.
struct Foundation {
  Realm realm;
  SystemClock clock;
  std::optional<SecretBox> secrets;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<store::BlobStore> blobs;
  std::unique_ptr<store::OutputStore> outputs;
  std::unique_ptr<runtime::Core> core;
  runtime::AgentReports reports;
  runtime::MachineLock locks;
  std::unique_ptr<fleet::Fleet> fleet;
};

class Wired final : public Installation {
 public:
  Wired(std::unique_ptr<Foundation> foundation, const Config& config, const RootKey& key, Random& random)
      : base_(std::move(foundation)),
        random_(random),
        context_{*base_->core, base_->realm, base_->clock, random, *base_->blobs, base_->fleet->agents(), base_->reports, base_->locks},
        instances_(context_, base_->fleet->identities()),
        nodes_(context_, instances_, base_->fleet->authority()),
        s3_(context_),
        s3_gate_(s3_, base_->clock),
        commands_(context_, instances_, s3_.objects()),
        outputs_(*base_->outputs),
        command_files_(context_, instances_, commands_, s3_.objects(), outputs_),
        command_http_(command_files_, outputs_),
        feeds_(commands_, outputs_),
        keeper_(fleet::makeVaultKeeper(config.data_dir + "/vaults")),
        backup_(context_, instances_, *keeper_),
        status_(context_, instances_, outputs_, backup_.places(),
                {std::string(kVersion), config.data_dir, config.executions_kept_days, config.history_events, config.commands_kept_days}),
        vault_http_(config.data_dir + "/vaults", backup_.access()),
        executions_(*base_->core),
        longest_run_(*base_->core, executions_, kLongestRun),
        quotas_(config.quotas),
        retention_(*base_->core, std::chrono::hours(24 * config.executions_kept_days)),
        activities_(context_),
        stillpoint_(context_, commands_, s3_.objects(), instances_, backup_, nodes_),
        deliveries_(context_),
        events_(context_, deliveries_),
        streams_(*base_->core, feeds_, events_),
        news_(context_, events_, executions_, instances_, commands_, backup_, stillpoint_.ledger(), stillpoint_.lanes()),
        scheduler_(context_, deliveries_, events_),
        web_(net::WebClient::make(config.events_ca_file)),
        web_calls_(*web_),
        tasks_(context_, stillpoint_.lanes(), commands_, instances_, backup_.jobs(), activities_, s3_, events_, *web_,
               config.lambda_endpoint),
        front_(tables(), keyRing(key), base_->realm, *base_->core, base_->clock, random) {
    instances_.setStopLimit(std::chrono::seconds(config.stop_timeout_seconds));
    const std::chrono::seconds lease(config.freeze_lease_seconds);
    stillpoint_.ledger().leases().setLength(lease);
    backup_.jobs().setLease(lease);
    backup_.places().setMost(static_cast<std::size_t>(config.backups_at_once));
    commands_.setHistory(std::chrono::hours(24 * config.commands_kept_days));
    commands_.setMostOpen(config.most_open_invocations);
    executions_.setTasks(tasks_);
    engine::Limits limits;
    limits.history_events = config.history_events;
    executions_.setLimits(limits);
    retention_.onGone(runtime::ExecutionRuntime::gone);
    retention_.onGone(tasks::NestedExecutions::gone);
    tasks_.attach(executions_);
    stillpoint_.attach(executions_);
    tasks_.serve(tables());
    news_.attach();
    events_.attach(executions_);
    deliveries_.serve(tables());
    scheduler_.attach(tasks_);
    events_.hooks().attach(web_calls_);
    backup_.plans().attach(planRuns(), executions_);
    front_.serveS3(s3_gate_);
    base_->fleet->setRegistry(nodes_);
    front_.serveStreams(streams_);
    commands_.onForgotten(
        [this](store::Txn& txn, const std::string& command) { txn.afterCommit([this, command] { outputs_.removeSoon(command); }); });
    base_->fleet->route("/vault/", vault_http_);
    base_->fleet->route("/commands/", command_http_);
  }

  // Whatever works by itself ends before what it tells is taken apart, also where a start failed late. The keeper's threads end last, when
  // nothing gives them more; what they tell the backup service then is dropped, and done anew at the next start.
  ~Wired() override {
    Wired::stop();
    keeper_.reset();
  }
  Wired(const Wired&) = delete;
  Wired& operator=(const Wired&) = delete;

  net::Handler& apiHandler() override { return front_; }
  void serving(std::string address) override { address_ = std::move(address); }
  net::Endpoint agentsEndpoint() const override { return base_->fleet->endpoint(); }

  void onFull(std::function<bool()> make_room) override { base_->core->onFull(std::move(make_room)); }

  Result<void> start() override {
    std::promise<void> done;
    Result<void> recovered;
    base_->core->post(
        [this, &recovered](store::Txn& txn) {
          recovered = recover(txn);
          return recovered.has_value();
        },
        [&done, &recovered](const Error* error) {
          if (error != nullptr) recovered = std::unexpected(*error);
          done.set_value();
        });
    base_->core->start();
    done.get_future().wait();
    SP_CHECK_OK(withContext(std::move(recovered), "take up what was under way"));
    s3_.sweep();
    return base_->fleet->start();
  }

  void endWaiting() override { base_->core->endWaiting(); }

  void whenAnswering(std::function<void()> told) override {
    base_->core->post([](store::Txn&) { return false; }, [told = std::move(told)](const Error*) { told(); });
  }

  void stop() override {
    base_->fleet->stop();
    tasks_.stop();
    web_->stop();
    base_->core->stop();
  }

 private:
  /// How backup plans run PrePostBackup: by the same operation as everybody.
  services::backup::PlanRuns planRuns() {
    const auto machine = base_->realm.arn("states", fmt::format("stateMachine:{}", services::stillpoint::kPrePostBackup));
    aws::OperationHandler start;
    for (const auto& operation : services::makeStates(context_, executions_, tasks_, activities_, quotas_).operations)
      if (operation.name == "StartExecution") start = operation.handler;
    return {
        [](const json::Object& input) {
          const auto parsed = services::stillpoint::parseInput(json::Value(input));
          return parsed ? std::string() : parsed.error().message;
        },
        [this, machine, start](store::Txn& txn, const std::string& name, const json::Object& input) -> std::expected<void, aws::ApiError> {
          const auto& realm = context_.realm;
          const aws::Principal principal{"", realm.arn("iam", "root"), realm.account, realm.account};
          const json::Object request{{"stateMachineArn", machine}, {"name", name}, {"input", json::toText(input)}};
          const auto started = start({request, &txn, principal, realm, name, name, txn.now()});
          if (started || started.error().code == "ExecutionAlreadyExists") return {};
          return std::unexpected(started.error());
        },
        [this](const std::string& name) {
          return context_.realm.arn("states", fmt::format("execution:{}:{}", services::stillpoint::kPrePostBackup, name));
        },
        [this](store::Txn& txn, json::Object detail) { events_.report(txn, "Scheduled Runs Missed", std::move(detail), 0); }};
  }

  std::vector<aws::ServiceTable> tables() {
    std::vector<aws::ServiceTable> tables;
    tables.push_back(services::sts::makeSts());
    tables.push_back(services::iam::makeIam(context_));
    tables.push_back(services::makeDynamoDb(context_, [this] { return address_; }));
    tables.push_back(services::ssm::makeSsm(context_, commands_, instances_, nodes_, *base_->secrets));
    tables.push_back(services::ec2::makeEc2(context_, instances_));
    tables.push_back(backup_.makeBackup());
    tables.push_back(services::makeStates(context_, executions_, tasks_, activities_, quotas_));
    tables.push_back(stillpoint_.makeStillpoint(commands_, outputs_, status_, deliveries_));
    tables.push_back(events_.makeEvents());
    tables.push_back(scheduler_.makeScheduler());
    return tables;
  }

  static aws::KeyRing keyRing(const RootKey& key) {
    aws::KeyRing ring;
    ring.add(key.access_key_id, key.secret_access_key);
    return ring;
  }

  /// First job after every start.
  Result<void> recover(store::Txn& txn) {
    dynamodb::ensureTable(txn, random_, services::stillpoint::kJobLogTable, "SM_Execution_ID");
    nodes_.recover(txn);
    for (auto& command : outputs_.commands())
      if (!commands_.find(txn, command)) outputs_.removeSoon(std::move(command));
    backup_.recover(txn);
    tasks_.recover(txn);
    events_.recover(txn);
    scheduler_.recover(txn);
    retention_.begin(txn);
    longest_run_.begin(txn);
    services::stillpoint::StatusKeeper::begin(txn);
    return services::registerBuiltin(txn, context_, executions_, tasks_, activities_, services::stillpoint::kPrePostBackup,
                                     std::string(services::stillpoint::prePostBackupDefinition()));
  }

  std::unique_ptr<Foundation> base_;
  Random& random_;
  std::string address_;
  services::Context context_;
  services::ec2::Instances instances_;
  services::ssm::Nodes nodes_;
  services::s3::S3 s3_;
  S3Gate s3_gate_;
  services::ssm::Commands commands_;
  store::OutputStore& outputs_;
  services::ssm::BucketFiles command_files_;
  fleet::CommandHttp command_http_;
  services::ssm::OutputFeeds feeds_;
  std::unique_ptr<runtime::VaultKeeper> keeper_;
  services::backup::Backup backup_;
  services::stillpoint::StatusKeeper status_;
  fleet::VaultHttp vault_http_;
  runtime::ExecutionRuntime executions_;
  runtime::LongestRun longest_run_;
  services::states::Quotas quotas_;
  runtime::Retention retention_;
  services::states::Activities activities_;
  services::stillpoint::Stillpoint stillpoint_;
  services::delivery::Deliveries deliveries_;
  services::events::Events events_;
  StreamFront streams_;
  services::news::News news_;
  services::scheduler::Scheduler scheduler_;
  std::unique_ptr<net::WebClient> web_;
  tasks::WebCalls web_calls_;
  tasks::TaskRegistry tasks_;
  ApiFront front_;
};

store::OutputStore::Limits outputLimits(const Config& config) {
  store::OutputStore::Limits limits;
  limits.free_floor = static_cast<std::uint64_t>(config.output_free_bytes);
  limits.quota = static_cast<std::uint64_t>(config.output_quota_bytes);
  return limits;
}

Result<std::unique_ptr<fleet::Fleet>> openFleet(const Config& config, const net::Endpoint& at, Foundation& base, Random& random) {
  fleet::FleetOptions options;
  options.data_dir = config.data_dir;
  options.listen = at;
  options.agent_failpoints = config.failpoints;
  // Restores and scripts keep the room that they have beside the default.
  options.http_connections += 5 * static_cast<std::size_t>(std::max<std::int64_t>(0, config.backups_at_once - Config().backups_at_once));
  options.certificate_life = std::chrono::seconds(config.certificate_seconds);
  auto fleet = fleet::Fleet::open(options, *base.core, base.reports, base.clock, random);
  if (fleet || fleet.error().code != "net.bind") return fleet;
  SP_TRY(const auto asked, net::Endpoint::parse(config.agent_listen));
  if (asked.port != 0) return fleet;
  // Somebody else has the port of the last time by now: agents are told the new one.
  options.listen = asked;
  return fleet::Fleet::open(options, *base.core, base.reports, base.clock, random);
}

}  // namespace

Result<std::unique_ptr<Installation>> Installation::open(const Config& config, const net::Endpoint& agents_at, const RootKey& key,
                                                         Random& random) {
  auto base = std::make_unique<Foundation>();
  base->realm = config.realm;
  SP_TRY(auto secrets, openSecrets(config.data_dir, random));
  base->secrets.emplace(std::move(secrets));
  SP_TRY(base->store, store::openSqlite(config.data_dir + "/store.db", store::WalRoom::ahead));
  SP_TRY(base->blobs, store::BlobStore::open(config.data_dir + "/blobs", random));
  SP_TRY(base->outputs, store::OutputStore::open(config.data_dir + "/outputs", outputLimits(config)));
  base->core = std::make_unique<runtime::Core>(*base->store, base->clock, random);
  SP_TRY(base->fleet, openFleet(config, agents_at, *base, random));
  return std::make_unique<Wired>(std::move(base), config, key, random);
}

}  // namespace sp::daemon
