// The own provider's scripts: real commands under the lanes and the ledger.
#include <gtest/gtest.h>

#include "agentwire/messages.h"
#include "services/backup/tests/backup_fixture.h"
#include "services/stillpoint/lanes_fixture.h"

namespace sp::services::stillpoint {
namespace {

const std::string kMachine = backup::kMachine;

/// Has every object of every bucket.
class AnyObjects final : public s3::Objects {
 public:
  void putBytes(std::string, std::string, std::string, std::string, s3::Stored) override {}
  Result<std::unique_ptr<s3::Incoming>> begin() override { return fail("test", "unused"); }
  void store(std::string, std::string, std::string, std::unique_ptr<s3::Incoming>, s3::Stored) override {}
  void ensureBucket(store::Txn&, std::string_view) override {}
  bool bucketExists(store::Txn&, std::string_view) override { return true; }
  Result<s3::ObjectInfo> get(store::Txn&, std::string_view, std::string_view key) override {
    s3::ObjectInfo info;
    info.key = key;
    return info;
  }
  Result<std::shared_ptr<s3::ObjectReader>> open(store::Txn&, std::string_view, std::string_view) override {
    return fail("test", "unused");
  }
  Result<std::vector<s3::ObjectInfo>> list(store::Txn&, std::string_view, std::string_view, std::string_view, std::size_t) override {
    return std::vector<s3::ObjectInfo>();
  }
  bool erase(store::Txn&, std::string_view, std::string_view) override { return false; }
};

class OwnScriptsTest : public LanesTest {
 protected:
  OwnScriptsTest() {
    fleet_.machines[kMachine] = {};
    scripts_ = [this]() -> Scripts& { return own(); };
    boot();
    run([](store::Txn& txn) {
      Instance instance;
      instance.id = kMachine;
      instance.image_id = "ami-bare";
      instance.state = InstanceState::running;
      txn.records().put("instance", kMachine, json::toText(instance.encode()));
    });
  }

  Scripts& own() {
    reports_ = std::make_unique<runtime::AgentReports>();
    context_.reset(new Context{*core_, realm_, clock_, random_, blobs_, agents_, *reports_, *locks_});
    instances_ = std::make_unique<ec2::Instances>(*context_, identities_);
    backup_ = std::make_unique<backup::Backup>(*context_, *instances_, keeper_);
    commands_ = std::make_unique<ssm::Commands>(*context_, *instances_, objects_);
    commands_->setMostOpen(1);
    commands_->onCreated([this](store::Txn& txn, const ssm::Command& made) {
      if (!json::boolOr(made.freeze, "guard", false)) return;
      lanes_->guardBegan(txn, made.by, made.instance_ids.front(), json::textOr(made.freeze, "id"), made.id);
    });
    commands_->onInvocationEnded([this](store::Txn& txn, const ssm::Invocation& each) { lanes_->commandEnded(txn, endOf(each)); });
    provider_ = std::make_unique<Provider>(
        ProviderParts{realm_, random_, agents_, *commands_, objects_, *instances_, backup_->jobs(), backup_->places()});
    return provider_->ports().scripts;
  }
  /// Somebody's command that is open until it is answered.
  json::Object sendAnother() {
    run([this](store::Txn& txn) {
      json::Object input{{"DocumentName", "AWS-RunShellScript"}, {"InstanceIds", json::Array{kMachine}}};
      input["Parameters"] = json::Object{{"commands", json::Array{"sleep 600"}}};
      const auto sent = commands_->send(txn, {std::move(input), "somebody", "", std::nullopt, {}});
      EXPECT_TRUE(sent && !sent->hasEnded());
    });
    return agents_.last("command.run");
  }
  void answer(const json::Object& request, std::string_view status) {
    json::Object result{{"type", "command.result"}, {"id", json::textOr(request, "id")}, {"status", status}, {"fate", "known"}};
    run([&](store::Txn& txn) { reports_->tell(txn, kMachine, "command.result", result); });
  }
  /// Of the newest script that went to the machine.
  std::string phase() {
    const auto request = agents_.last("command.run");
    const auto* freeze = json::find(request, "freeze");
    return freeze == nullptr ? "" : json::textOr(freeze->get_object(), "phase");
  }
  static std::string input(int path) { return inputFor(path, fmt::format(R"("TargetEC2Instances": ["{}"])", kMachine)); }
  std::string failureMessage() { return json::textOr(entries().at(0).as_object(), "FailureMessage"); }

  static constexpr const char* kLimit = "more than 1 invocations would be open: wait for some to end, or raise most_open_invocations";
  Realm realm_;
  backup::NoBlobs blobs_;
  backup::Agents agents_;
  backup::Identities identities_;
  backup::Keeper keeper_;
  AnyObjects objects_;
  std::unique_ptr<runtime::AgentReports> reports_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<ec2::Instances> instances_;
  std::unique_ptr<backup::Backup> backup_;
  std::unique_ptr<ssm::Commands> commands_;
  std::unique_ptr<Provider> provider_;
};

TEST_F(OwnScriptsTest, AThawThatIsOneCommandTooManyIsPaidLater) {
  begin(input(5));
  EXPECT_EQ(phase(), "freeze");
  answer(agents_.last("command.run"), "Success");
  const auto other = sendAnother();
  endJob(fleet_.jobs.begin()->first, "COMPLETED");
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.PostScriptFailed");
  EXPECT_NE(failureMessage().find(kLimit), std::string::npos) << failureMessage();
  ASSERT_EQ(owedTo(kMachine).size(), 1U);
  EXPECT_EQ(owedTo(kMachine)[0].command, "");
  boot();
  advance(std::chrono::minutes(6));
  ASSERT_EQ(owedTo(kMachine).size(), 1U) << "still one too many";
  EXPECT_NE(owedTo(kMachine)[0].last_error.find(kLimit), std::string::npos);
  answer(other, "Success");
  advance(std::chrono::minutes(6));
  EXPECT_EQ(phase(), "thaw");
  answer(agents_.last("command.run"), "Success");
  EXPECT_TRUE(owedTo(kMachine).empty());
  EXPECT_EQ(holder(kMachine), "");
}

TEST_F(OwnScriptsTest, APreScriptThatIsOneCommandTooManyFailsItsLane) {
  const auto other = sendAnother();
  begin(input(1));
  EXPECT_EQ(driver_.ended[kExecution].error, "Stillpoint.PreScriptFailed");
  EXPECT_NE(failureMessage().find(kLimit), std::string::npos) << failureMessage();
  EXPECT_EQ(agents_.count("command.run"), 1U);
  EXPECT_TRUE(owedTo(kMachine).empty());
  EXPECT_EQ(holder(kMachine), "");
  answer(other, "Success");
}

TEST_F(OwnScriptsTest, AThawThatItsMachineRanIsACommandOfItsRun) {
  begin(input(5));
  const auto pre = agents_.last("command.run");
  const auto promise = json::textOr(pre.at("thaw").as_object(), "commandId");
  EXPECT_EQ(pre.at("freeze").at("lease").at("leaseMs"), 300'000);
  json::Object done{{"type", "command.result"}, {"id", json::textOr(pre, "id")}, {"status", "Success"}, {"guarded", true}};
  run([&](store::Txn& txn) { reports_->tell(txn, kMachine, "command.result", done); });
  const auto job = fleet_.jobs.begin()->first;
  const auto freeze = json::textOr(pre.at("freeze").as_object(), "id");
  EXPECT_EQ(fleet_.job_freeze[job], freeze);
  // The server was away meanwhile.
  boot();
  const auto command = agentwire::guardCommandId(promise, 1);
  json::Object thawed{{"type", "command.result"},
                      {"id", fmt::format("cmd/{}/{}", command, kMachine)},
                      {"status", "Success"},
                      {"message", "the lease of 300 s ended"}};
  run([&](store::Txn& txn) { reports_->tell(txn, kMachine, "unasked", thawed); });
  EXPECT_TRUE(fleet_.job_woken.contains(job));
  EXPECT_TRUE(owedTo(kMachine).empty());
  run([&](store::Txn& txn) {
    EXPECT_EQ(commands_->invocation(txn, command, kMachine)->status, "Success");
    EXPECT_FALSE(commands_->promisedSteps(txn, promise, kMachine));
  });
  endJob(job, "FAILED");
  EXPECT_EQ(json::textOr(entries().at(0).as_object(), "PostCommandId"), command);
  EXPECT_EQ(json::textOr(entries().at(0).as_object(), "PostBackupScriptStatus"), "Success");
}

TEST_F(OwnScriptsTest, LeasesAreToldToWhoeverKeepsThem) {
  const auto ports = provider_->ports();
  run([&](store::Txn& txn) {
    ports.targets.renewFreeze(txn, kMachine, "frz-1", std::chrono::seconds(3));
    ports.power.renewStart(txn, kMachine, std::chrono::seconds(3));
    ports.power.renewStart(txn, kMachine, std::nullopt);
  });
  ASSERT_EQ(agents_.told.size(), 3U);
  EXPECT_EQ(agents_.told[0], std::pair(kMachine, json::Object{{"type", "lease"}, {"freeze", "frz-1"}, {"leaseMs", 3000}}));
  EXPECT_EQ(agents_.told[1], std::pair(std::string("host"), json::Object{{"type", "lease"}, {"start", kMachine}, {"leaseMs", 3000}}));
  EXPECT_EQ(agents_.told[2], std::pair(std::string("host"), json::Object{{"type", "lease"}, {"start", kMachine}, {"leaseMs", -1}}));
}

TEST_F(OwnScriptsTest, APreScriptThatIsGivenUpBeforeItLeftHoldsNoMachine) {
  commands_->setMostOpen(2);
  begin(input(5));
  run([this](store::Txn& txn) { driver_.timeOut(txn, kMachine); });
  EXPECT_EQ(agents_.withdrawn.size(), 1U) << "it never left the server";
  EXPECT_EQ(phase(), "thaw");
  answer(agents_.last("command.run"), "Success");
  EXPECT_EQ(json::textOr(entries().at(0).as_object(), "PreBackupScriptStatus"), "Cancelled");
  EXPECT_TRUE(owedTo(kMachine).empty());
  EXPECT_EQ(holder(kMachine), "");
}

}  // namespace
}  // namespace sp::services::stillpoint
