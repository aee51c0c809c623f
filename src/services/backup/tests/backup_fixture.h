// The backup service without sockets, agents or restic, for tests: a server that can be booted again, and stand-ins for what is below.
#pragma once
#include "services/backup/backup.h"

#include <unistd.h>

#include <filesystem>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "services/backup/recovery_points.h"
#include "services/backup/restores.h"
#include "services/backup/vaults.h"
#include "services/ec2/instances.h"
#include "services/ssm/agent_info.h"
#include "store/sqlite/sqlite_store.h"

namespace sp::services::backup {

inline constexpr const char* kMachine = "i-0123456789abcdef0";

class Agents final : public runtime::AgentPort {
 public:
  void request(store::Txn&, std::string_view agent, const json::Object& message) override { sent.emplace_back(agent, message); }
  void withdraw(store::Txn&, std::string_view, std::string_view id) override { withdrawn.emplace_back(id); }
  void tell(store::Txn&, std::string_view agent, const json::Object& message) override {
    if (up) told.emplace_back(agent, message);
  }
  bool connected(std::string_view) const override { return up; }
  /// The newest request of that type.
  json::Object last(std::string_view type) const {
    for (auto entry = sent.rbegin(); entry != sent.rend(); ++entry)
      if (json::textOr(entry->second, "type") == type) return entry->second;
    return {};
  }
  std::size_t count(std::string_view type) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(sent, [&](const auto& entry) { return json::textOr(entry.second, "type") == type; }));
  }
  std::vector<std::pair<std::string, json::Object>> sent;
  /// Without an answer to wait for; only by those that are connected.
  std::vector<std::pair<std::string, json::Object>> told;
  std::vector<std::string> withdrawn;
  bool up = true;
};

class Identities final : public runtime::AgentIdentities {
 public:
  Result<runtime::AgentIdentity> issue(std::string_view) override { return runtime::AgentIdentity{"127.0.0.1:1", "ca", "cert", "key"}; }
};

/// Holds back its answers until told.
class Keeper final : public runtime::VaultKeeper {
 public:
  void create(const runtime::VaultRepository& repository, Done done) override {
    created.push_back(repository);
    waiting.push_back(std::move(done));
  }
  void forget(const runtime::VaultRepository&, const std::vector<std::string>& snapshot_ids, Done done) override {
    forgotten.insert(forgotten.end(), snapshot_ids.begin(), snapshot_ids.end());
    waiting.push_back(std::move(done));
  }
  void look(const runtime::VaultRepository&, std::set<std::string> known, Found done) override {
    ++looks;
    std::vector<runtime::VaultSnapshot> out;
    for (const auto& snapshot : present)
      if (!known.contains(snapshot.id)) out.push_back(snapshot);
    done(std::move(out));
  }
  Result<std::set<std::string>> snapshots(const std::string&) const override {
    if (!unlisted.empty()) return fail("vault.list", unlisted);
    std::set<std::string> out;
    for (const auto& snapshot : present) out.insert(fmt::format("{}/{}", kMachine, snapshot.id));
    return out;
  }
  void removeVault(const std::string& vault, std::set<std::string> known, Done done) override {
    removed.push_back(vault);
    removed_known = std::move(known);
    waiting.push_back(std::move(done));
  }
  std::string pathOf(std::string_view vault, std::string_view name) const override {
    return fmt::format("/data/vaults/{}/{}", vault, name);
  }
  void answer(Result<void> result = {}) {
    auto all = std::move(waiting);
    waiting.clear();
    for (auto& done : all) done(result);
  }
  std::vector<runtime::VaultRepository> created;
  std::vector<std::string> forgotten;
  std::vector<std::string> removed;
  /// What lies in every repository.
  std::vector<runtime::VaultSnapshot> present;
  /// Why its folders cannot be listed.
  std::string unlisted;
  std::set<std::string> removed_known;
  int looks = 0;
  std::vector<Done> waiting;
};

class NoBlobs final : public store::BlobStore {
 public:
  Result<std::unique_ptr<Writer>> create() override { return fail("none", "none"); }
  Result<std::unique_ptr<Reader>> openBlob(std::string_view) override { return fail("none", "none"); }
  void remove(std::string_view) override {}
  void sweep(const std::function<bool(std::string_view id)>&) override {}
};

/// One life of the server on a data directory.
struct Server {
  Server(const std::string& file, ManualClock& clock_given, SeededRandom& random_given, Keeper& keeper, Agents& agents_given)
      : store(*store::openSqlite(file)),
        clock(clock_given),
        random(random_given),
        core(*store, clock, random),
        context{core, realm, clock, random, blobs, agents_given, reports, locks},
        instances(context, identities),
        backup(context, instances, keeper) {
    ssm::keepAgentInfo(context, instances);
    run([&](store::Txn& txn) { backup.recover(txn); });
  }
  void run(const std::function<void(store::Txn&)>& work) {
    core.post([&](store::Txn& txn) {
      work(txn);
      return true;
    });
    core.runPending();
  }
  void report(const json::Object& message, const std::string& agent = "agent") {
    const auto type = json::textOr(message, "type");
    run([&](store::Txn& txn) { EXPECT_TRUE(reports.tell(txn, agent, type, message)); });
  }
  /// The machine's agent connects.
  void hello(const std::string& boot, std::int64_t init) {
    run([&](store::Txn& txn) {
      reports.tell(txn, kMachine, "hello", {{"type", "hello"}, {"agent", kMachine}, {"bootId", boot}, {"initStart", init}});
    });
  }
  void setMachine(InstanceState state, std::int64_t generation) {
    run([&](store::Txn& txn) {
      Instance instance;
      instance.id = kMachine;
      instance.image_id = "ami-bare";
      instance.state = state;
      instance.boot_generation = generation;
      txn.records().put("instance", kMachine, json::toText(instance.encode()));
    });
  }
  Job job(const std::string& id) {
    Job out;
    run([&](store::Txn& txn) { out = backup.jobs().find(txn, id).value(); });
    return out;
  }
  std::unique_ptr<store::Store> store;
  ManualClock& clock;
  SeededRandom& random;
  Realm realm;
  NoBlobs blobs;
  runtime::Core core;
  runtime::AgentReports reports;
  runtime::MachineLock locks;
  Context context;
  Identities identities;
  ec2::Instances instances;
  Backup backup;
};

class BackupTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/stillpoint-backup-XXXXXX";
    dir_ = ::mkdtemp(name);
    boot();
    server_->setMachine(InstanceState::running, 1);
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(dir_);
  }
  void boot() {
    server_.reset();
    // What the keeper would have told the old one: it ends with it.
    keeper_.waiting.clear();
    server_ = std::make_unique<Server>(dir_ + "/store.db", clock_, random_, keeper_, agents_);
  }
  StartSpec spec() const {
    StartSpec out;
    out.vault = "Default";
    out.resource_arn = server_->realm.arn("ec2", std::string("instance/") + kMachine);
    out.role_arn = "arn:aws:iam::000000000000:role/backup";
    return out;
  }
  std::expected<Job, aws::ApiError> tryStart(const StartSpec& asked) {
    std::expected<Job, aws::ApiError> out;
    server_->run([&](store::Txn& txn) { out = server_->backup.jobs().start(txn, asked); });
    return out;
  }
  std::string start(const StartSpec& asked) {
    const auto job = tryStart(asked);
    EXPECT_TRUE(job.has_value()) << job.error().message;
    return job ? job->id : "";
  }
  std::string start() { return start(spec()); }
  void madeRepository() {
    keeper_.answer();
    server_->core.runPending();
  }
  void snapshot(const std::string& id, const std::string& snapshot_id) {
    server_->run([&](store::Txn& txn) { server_->backup.jobs().snapshotStored(txn, id, snapshot_id); });
  }
  void result(const std::string& id, const std::string& state) {
    server_->report({{"type", "backup.result"},
                     {"id", "job/" + id},
                     {"state", state},
                     {"message", "said"},
                     {"bytesProcessed", 7},
                     {"filesProcessed", 2}});
  }

  /// A backup that succeeded: its recovery point's id.
  std::string taken(char name, const StartSpec& asked) {
    const auto id = start(asked);
    if (!keeper_.waiting.empty()) madeRepository();
    snapshot(id, std::string(64, name));
    result(id, "COMPLETED");
    return server_->job(id).recovery_point;
  }
  std::optional<RecoveryPoint> point(const std::string& id) {
    std::optional<RecoveryPoint> out;
    server_->run([&](store::Txn& txn) { out = server_->backup.recoveryPoints().find(txn, id); });
    return out;
  }
  void advance(Duration by) {
    clock_.advance(by);
    server_->core.runPending();
  }

  std::string dir_;
  ManualClock clock_{fromMicros(1'800'000'000'000'000)};
  SeededRandom random_{7};
  Keeper keeper_;
  Agents agents_;
  std::unique_ptr<Server> server_;
};

}  // namespace sp::services::backup
