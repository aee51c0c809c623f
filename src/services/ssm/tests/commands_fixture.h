// For tests: Run Command over a real store, with agents that answer as the test wants.
#pragma once
#include "services/ssm/commands.h"

#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "store/sqlite/sqlite_store.h"

namespace sp::services::ssm {

class FakeAgents final : public runtime::AgentPort {
 public:
  void request(store::Txn&, std::string_view agent, const json::Object& message) override { sent.emplace_back(agent, message); }
  void withdraw(store::Txn&, std::string_view, std::string_view id) override { withdrawn.emplace_back(id); }
  bool connected(std::string_view agent) const override { return !away.contains(agent); }
  bool mayHaveLeft(store::Txn&, std::string_view agent, std::string_view) const override { return !away.contains(agent); }

  /// Requests of that type, in order.
  std::vector<json::Object> of(std::string_view type) const {
    std::vector<json::Object> found;
    for (const auto& [agent, message] : sent)
      if (json::textOr(message, "type") == type) found.push_back(message);
    return found;
  }

  std::vector<std::pair<std::string, json::Object>> sent;
  std::vector<std::string> withdrawn;
  std::set<std::string, std::less<>> away;
};

class FakeIdentities final : public runtime::AgentIdentities {
 public:
  Result<runtime::AgentIdentity> issue(std::string_view) override { return runtime::AgentIdentity{"127.0.0.1:1", "ca", "cert", "key"}; }
};

/// Buckets in memory, as far as Run Command looks at them.
class FakeObjects final : public s3::Objects {
 public:
  void putBytes(std::string, std::string, std::string, std::string, s3::Stored) override {}
  Result<std::unique_ptr<s3::Incoming>> begin() override { return fail("test", "unused"); }
  void store(std::string, std::string, std::string, std::unique_ptr<s3::Incoming>, s3::Stored) override {}
  void ensureBucket(store::Txn&, std::string_view) override {}
  bool bucketExists(store::Txn&, std::string_view bucket) override { return bucket == "scripts"; }
  Result<s3::ObjectInfo> get(store::Txn&, std::string_view, std::string_view key) override {
    if (!keys.contains(key)) return fail("s3.NoSuchKey", "no such key");
    s3::ObjectInfo info;
    info.key = key;
    return info;
  }
  Result<std::shared_ptr<s3::ObjectReader>> open(store::Txn&, std::string_view, std::string_view) override {
    return fail("test", "unused");
  }
  Result<std::vector<s3::ObjectInfo>> list(store::Txn&, std::string_view, std::string_view prefix, std::string_view, std::size_t) override {
    std::vector<s3::ObjectInfo> found;
    for (const auto& key : keys)
      if (key.starts_with(prefix)) found.emplace_back().key = key;
    return found;
  }
  bool erase(store::Txn&, std::string_view, std::string_view) override { return false; }

  std::set<std::string, std::less<>> keys;
};

class CommandsTest : public testing::Test {
 protected:
  CommandsTest() : directory_(std::filesystem::temp_directory_path() / ("sp-commands-" + SystemRandom().hex(12))) {
    std::filesystem::create_directories(directory_);
    store_ = *store::openSqlite((directory_ / "store.db").string());
    blobs_ = *store::BlobStore::open((directory_ / "blobs").string(), random_);
    core_ = std::make_unique<runtime::Core>(*store_, clock_, random_);
    context_ = std::make_unique<Context>(Context{*core_, realm_, clock_, random_, *blobs_, agents_, reports_, locks_});
    instances_ = std::make_unique<ec2::Instances>(*context_, identities_);
    commands_ = std::make_unique<Commands>(*context_, *instances_, objects_);
    commands_->onInvocationEnded([this](store::Txn&, const Invocation& each) { ended_.push_back(each.instance_id + ":" + each.details); });
    commands_->onCommandEnded([this](store::Txn&, const Command& each) { commands_ended_.push_back(each.status + "/" + each.details); });
  }
  ~CommandsTest() override {
    core_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  template <class F>
  auto in(F job) {
    std::optional<decltype(job(std::declval<store::Txn&>()))> result;
    core_->post([&](store::Txn& txn) {
      result = job(txn);
      return true;
    });
    core_->runPending();
    return std::move(*result);
  }

  std::vector<std::string> launch(std::int64_t count, std::map<std::string, std::string> tags = {}) {
    ec2::LaunchSpec spec;
    spec.image_id = "ami-bare";
    spec.count = count;
    spec.tags = std::move(tags);
    std::vector<std::string> ids;
    for (const auto& each : in([&](store::Txn& txn) { return *instances_->launch(txn, spec); })) ids.push_back(each.id);
    for (const auto& [agent, message] : std::exchange(agents_.sent, {}))
      report("power.result", "host",
             {{"id", json::textOr(message, "id")},
              {"instance", json::textOr(message, "instance")},
              {"state", "running"},
              {"bootGeneration", 1}});
    return ids;
  }
  void report(std::string_view type, std::string_view agent, json::Object message) {
    message["type"] = type;
    in([&](store::Txn& txn) { return reports_.tell(txn, std::string(agent), type, message); });
  }
  std::expected<Command, aws::ApiError> send(json::Object more, std::string dedup = "", std::optional<json::Object> freeze = std::nullopt) {
    json::Object input{{"DocumentName", "AWS-RunShellScript"}, {"Parameters", json::Object{{"commands", json::Array{"true"}}}}};
    for (const auto& [key, value] : more) input[key] = value;
    return in([&](store::Txn& txn) { return commands_->send(txn, {input, "test", dedup, freeze, {}}); });
  }
  /// The agent's answer to the command's request on that machine.
  void answer(const Command& command, const std::string& instance, std::string_view status, std::int64_t exit_code = 0,
              json::Object more = {}) {
    more["id"] = "cmd/" + command.id + "/" + instance;
    more["status"] = status;
    more["fate"] = "known";
    more["steps"] = json::Array{json::Object{{"name", "aws:runShellScript"},
                                             {"plugin", "aws:runShellScript"},
                                             {"status", status},
                                             {"exitCode", exit_code},
                                             {"stdout", "out"},
                                             {"stderr", ""},
                                             {"stdoutBytes", 3},
                                             {"stderrBytes", 0},
                                             {"sinceStartMs", 0},
                                             {"durationMs", 91}}};
    report("command.result", instance, more);
  }
  Invocation invocation(const Command& command, const std::string& instance) {
    return *in([&](store::Txn& txn) { return commands_->invocation(txn, command.id, instance); });
  }
  Command now(const Command& command) {
    return *in([&](store::Txn& txn) { return commands_->find(txn, command.id); });
  }
  static json::Array array(const std::vector<std::string>& texts) {
    json::Array list;
    for (const auto& each : texts) list.emplace_back(each);
    return list;
  }
  static json::Array tagTarget(std::string_view value) { return {json::Object{{"Key", "tag:role"}, {"Values", json::Array{value}}}}; }

  SeededRandom random_{3};
  ManualClock clock_{fromMicros(1'800'000'000'000'000)};
  Realm realm_;
  std::filesystem::path directory_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<store::BlobStore> blobs_;
  std::unique_ptr<runtime::Core> core_;
  FakeAgents agents_;
  FakeIdentities identities_;
  FakeObjects objects_;
  runtime::AgentReports reports_;
  runtime::MachineLock locks_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<ec2::Instances> instances_;
  std::unique_ptr<Commands> commands_;
  std::vector<std::string> ended_;
  std::vector<std::string> commands_ended_;
};

}  // namespace sp::services::ssm
