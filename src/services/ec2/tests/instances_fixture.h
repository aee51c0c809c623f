// For tests only: machines over a real store, with a host agent that answers as the test wants.
#pragma once
#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "services/ec2/ec2.h"
#include "services/ec2/instances.h"
#include "store/sqlite/sqlite_store.h"

namespace sp::services::ec2 {

class FakeHost final : public runtime::AgentPort {
 public:
  void request(store::Txn&, std::string_view, const json::Object& message) override { sent.push_back(message); }
  void withdraw(store::Txn&, std::string_view, std::string_view) override {}
  bool connected(std::string_view) const override { return true; }
  std::vector<json::Object> sent;
};

class FakeIdentities final : public runtime::AgentIdentities {
 public:
  Result<runtime::AgentIdentity> issue(std::string_view agent) override {
    return runtime::AgentIdentity{"127.0.0.1:1", "ca", "cert of " + std::string(agent), "key"};
  }
};

class InstancesTest : public testing::Test {
 protected:
  InstancesTest() : directory_(std::filesystem::temp_directory_path() / ("sp-instances-" + SystemRandom().hex(12))) {
    std::filesystem::create_directories(directory_);
    store_ = *store::openSqlite((directory_ / "store.db").string());
    blobs_ = *store::BlobStore::open((directory_ / "blobs").string(), random_);
    core_ = std::make_unique<runtime::Core>(*store_, clock_, random_);
    context_ = std::make_unique<Context>(Context{*core_, realm_, clock_, random_, *blobs_, host_, reports_, locks_});
    instances_ = std::make_unique<Instances>(*context_, identities_);
    instances_->onSettled([this](store::Txn&, const Instance& instance, const std::string& error) {
      settled_.push_back(std::string(name(instance.state)) + (error.empty() ? "" : ": " + error));
    });
  }
  ~InstancesTest() override {
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
  std::string launch() {
    LaunchSpec spec;
    spec.image_id = "ami-bare";
    return in([&](store::Txn& txn) { return *instances_->launch(txn, spec); })[0].id;
  }
  std::string running() {
    const auto id = launch();
    settle("running");
    return id;
  }
  /// The answer to the last request.
  void settle(std::string_view state, std::string_view error = "") { settle(host_.sent.back(), state, error); }
  void settle(const json::Object& request, std::string_view state, std::string_view error = "") {
    json::Object message{{"type", "power.result"},
                         {"id", json::textOr(request, "id")},
                         {"instance", json::textOr(request, "instance")},
                         {"state", state},
                         {"bootGeneration", ++generation_}};
    if (!error.empty()) message["error"] = error;
    in([&](store::Txn& txn) { return reports_.tell(txn, "host", "power.result", message); });
  }
  void changed(const std::string& id, std::string_view state) {
    in([&](store::Txn& txn) {
      return reports_.tell(txn, "host", "power.changed", {{"instance", id}, {"state", state}, {"bootGeneration", ++generation_}});
    });
  }
  Instance get(const std::string& id) {
    return *in([&](store::Txn& txn) { return instances_->find(txn, id); });
  }
  /// An operation as the wire calls it: its answer, or the refusal.
  aws::Outcome call(std::string_view operation, std::string_view input) {
    const auto table = makeEc2(*context_, *instances_);
    const auto found = std::ranges::find(table.operations, operation, &aws::Operation::name);
    const auto parsed = json::parse(input);
    return in([&](store::Txn& txn) { return found->handler({parsed->get_object(), &txn, principal_, realm_, "r", "", clock_.now()}); });
  }
  /// The same as text: the answer as JSON, or "Code: message".
  std::string told(std::string_view operation, std::string_view input) {
    const auto outcome = call(operation, input);
    return outcome ? json::toText(*outcome) : outcome.error().code + ": " + outcome.error().message;
  }
  std::string state(const std::string& id) { return std::string(name(get(id).state)); }
  std::string last() { return json::textOr(host_.sent.back(), "type"); }
  /// "" if it went well, else the code.
  std::string code(const Instances::Outcome& outcome) { return outcome ? "" : outcome.error().code; }
  auto start(const std::string& id, std::string_view by = "api") {
    return in([&](store::Txn& txn) { return instances_->start(txn, id, by); });
  }
  auto stop(const std::string& id, bool force = false, std::string_view by = "api") {
    return in([&](store::Txn& txn) { return instances_->stop(txn, id, force, by); });
  }
  auto terminate(const std::string& id) {
    return in([&](store::Txn& txn) { return instances_->terminate(txn, id, false, "api"); });
  }

  SeededRandom random_{5};
  ManualClock clock_{fromMicros(1'800'000'000'000'000)};
  Realm realm_;
  aws::Principal principal_{"AKIA", "arn:aws:iam::000000000000:root", "000000000000", "000000000000"};
  std::filesystem::path directory_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<store::BlobStore> blobs_;
  std::unique_ptr<runtime::Core> core_;
  FakeHost host_;
  FakeIdentities identities_;
  runtime::AgentReports reports_;
  runtime::MachineLock locks_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<Instances> instances_;
  std::vector<std::string> settled_;
  std::int64_t generation_ = 0;
};

}  // namespace sp::services::ec2
