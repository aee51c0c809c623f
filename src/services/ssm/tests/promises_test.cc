// What a machine was promised to run by itself, and what comes of it.
#include "agentwire/messages.h"
#include "services/ssm/files.h"
#include "services/ssm/tests/commands_fixture.h"

namespace sp::services::ssm {
namespace {

class PromisesTest : public CommandsTest {
 protected:
  PromisesTest() {
    objects_.keys = {"post.sh", "pre.sh"};
    machine_ = launch(1)[0];
    commands_->onCreated([this](store::Txn&, const Command& command) { created_.push_back(command.id); });
  }

  json::Object script(const std::string& key, const std::string& instance) const {
    return {{"InstanceIds", json::Array{instance}},
            {"DocumentName", "AWS-RunRemoteScript"},
            {"Comment", "Stillpoint post-script"},
            {"Parameters", json::Object{{"sourceType", json::Array{"S3"}},
                                        {"sourceInfo", json::Array{json::toText(json::Object{{"path", "s3://scripts/" + key}})}},
                                        {"commandLine", json::Array{key}}}}};
  }
  std::expected<std::string, aws::ApiError> tryPromise(const std::string& key, const std::string& instance) {
    SendSpec spec;
    spec.input = script(key, instance);
    spec.by = "run:one";
    spec.freeze = json::Object{{"id", "frz-1"}, {"phase", "thaw"}};
    spec.environment = {{"BACKUP_STATUS", "unknown"}};
    return in([&](store::Txn& txn) { return commands_->promise(txn, spec); });
  }
  std::string promise() { return tryPromise("post.sh", machine_).value_or(""); }
  /// What that machine's agent says without having been asked.
  void say(std::string_view type, const std::string& command, const std::string& agent, json::Object more = {}) {
    more["type"] = type;
    more["id"] = "cmd/" + command + "/" + agent;
    in([&](store::Txn& txn) { return reports_.tell(txn, agent, "unasked", more); });
  }
  void end(const std::string& command, std::string_view status) {
    const json::Array steps{json::Object{{"name", "runShellScript"}, {"status", status}, {"exitCode", status == "Success" ? 0 : 4}}};
    say("command.result", command, machine_, {{"status", status}, {"message", "the lease of 300 s ended"}, {"steps", steps}});
  }
  std::optional<Command> known(const std::string& command) {
    return in([&](store::Txn& txn) { return commands_->find(txn, command); });
  }
  Invocation made(const std::string& command) {
    return *in([&](store::Txn& txn) { return commands_->invocation(txn, command, machine_); });
  }

  std::string machine_;
  std::vector<std::string> created_;
};

TEST_F(PromisesTest, APromiseGoesWithItsFreezeAndIsNoCommand) {
  const auto id = promise();
  ASSERT_TRUE(id.ends_with("0000")) << id;
  EXPECT_FALSE(known(id));
  SendSpec spec;
  spec.input = script("pre.sh", machine_);
  spec.freeze = json::Object{{"id", "frz-1"}, {"phase", "freeze"}, {"attempt", 1}, {"lease", json::Object{{"leaseMs", 300'000}}}};
  spec.promise = id;
  ASSERT_TRUE(in([&](store::Txn& txn) { return commands_->send(txn, spec); }));
  const auto run = agents_.of("command.run").back();
  EXPECT_EQ(run.at("freeze").at("lease").at("leaseMs"), 300'000);
  const auto thaw = run.at("thaw").get_object();
  EXPECT_EQ(json::textOr(thaw, "commandId"), id);
  EXPECT_EQ(json::textOr(thaw, "instance"), machine_);
  EXPECT_EQ(thaw.at("steps").at(0).at("files").at(0).at("source").as_string(), "/commands/" + id + "/source/post.sh");
  EXPECT_EQ(thaw.at("environment").at("BACKUP_STATUS"), "unknown");
  EXPECT_EQ(json::textOr(thaw.at("environment").get_object(), "AWS_SSM_REGION_NAME"), realm_.region);
  for (const auto* absent : {"type", "id", "freeze", "startWithinMs"}) EXPECT_FALSE(thaw.contains(absent)) << absent;
  EXPECT_EQ(created_.size(), 1U);
}

TEST_F(PromisesTest, WhatCouldNotRunIsNotPromised) {
  EXPECT_EQ(tryPromise("post.sh", "i-00000000000000000").error().code, "InvalidInstanceId");
  const auto missing = tryPromise("none.sh", machine_);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("s3://scripts/none.sh"), std::string::npos);
}

TEST_F(PromisesTest, OneThatCountsItsTimeWrongIsNotOlderThanItsPromise) {
  const auto given = promise();
  const auto promised = clock_.now();
  clock_.advance(std::chrono::minutes(5));
  const auto id = agentwire::guardCommandId(given, 1);
  say("command.result", id, machine_, {{"status", "Success"}, {"steps", json::Array()}, {"agoMs", 34'560'000'000}});
  EXPECT_EQ(known(id)->requested, promised);
}

TEST_F(PromisesTest, OnlySoManyAreOpenAtOnceAndNoneIsLost) {
  const auto given = promise();
  for (int n = 1; n <= 40; ++n) say("unasked", agentwire::guardCommandId(given, n), machine_);
  EXPECT_EQ(created_.size(), 16U);
  for (int n = 1; n <= 40; ++n) end(agentwire::guardCommandId(given, n), n == 40 ? "Success" : "Failed");
  EXPECT_EQ(created_.size(), 40U);
  EXPECT_EQ(made(agentwire::guardCommandId(given, 40)).status, "Success");
}

TEST_F(PromisesTest, WhatIsToldLateHasTheTimesOfWhenItWas) {
  const auto id = agentwire::guardCommandId(promise(), 1);
  clock_.advance(std::chrono::hours(2));
  const json::Array steps{
      json::Object{{"name", "runShellScript"}, {"status", "Success"}, {"exitCode", 0}, {"sinceStartMs", 100}, {"durationMs", 900}}};
  say("command.result", id, machine_, {{"status", "Success"}, {"steps", steps}, {"agoMs", 3'600'000}});
  const auto one = made(id);
  const auto now = clock_.now();
  EXPECT_EQ(one.ended, now - std::chrono::hours(1));
  EXPECT_EQ(one.requested, now - std::chrono::hours(1) - std::chrono::seconds(1));
  EXPECT_EQ(known(id)->requested, one.requested);
  const auto step = std::ranges::find(one.steps, "runShellScript", &StepRecord::name);
  ASSERT_NE(step, one.steps.end());
  EXPECT_EQ(step->ended, now - std::chrono::hours(1));
  EXPECT_EQ(step->started, now - std::chrono::hours(1) - std::chrono::milliseconds(900));
}

TEST_F(PromisesTest, TheMachinesWordMakesTheCommand) {
  const auto id = agentwire::guardCommandId(promise(), 2);
  say("accepted", id, machine_);
  ASSERT_TRUE(known(id));
  EXPECT_EQ(created_, (std::vector{id}));
  auto one = made(id);
  EXPECT_EQ(one.status, "InProgress");
  EXPECT_TRUE(one.accepted && one.dispatched);
  EXPECT_EQ(json::textOr(one.freeze, "id") + json::textOr(one.freeze, "phase"), "frz-1thaw");
  EXPECT_EQ(json::intOr(one.freeze, "attempt", 0), 2);
  EXPECT_TRUE(json::boolOr(one.freeze, "guard", false));
  EXPECT_EQ(one.comment, "Stillpoint post-script (freeze frz-1 thaw attempt 2, by the machine's own guard)");
  EXPECT_EQ(known(id)->requested, clock_.now());
  EXPECT_EQ(known(id)->by, "run:one");
  // Nothing is sent for it, and it has all the time it needs.
  EXPECT_TRUE(agents_.of("command.run").empty());
  clock_.advance(std::chrono::hours(24 * 7));
  core_->runPending();
  EXPECT_FALSE(made(id).hasEnded());
  end(id, "Success");
  one = made(id);
  EXPECT_EQ(one.status, "Success");
  EXPECT_EQ(one.message, "the lease of 300 s ended");
  EXPECT_EQ(known(id)->status, "Success");
  EXPECT_EQ(ended_, (std::vector{machine_ + ":Success"}));
  EXPECT_EQ(commands_ended_, (std::vector<std::string>{"Success/Success"}));
  // Told again it changes nothing.
  end(id, "Failed");
  say("accepted", id, machine_);
  EXPECT_EQ(made(id).status, "Success");
  EXPECT_EQ(ended_.size(), 1U);
  EXPECT_EQ(created_.size(), 1U);
}

TEST_F(PromisesTest, EachAttemptIsACommand) {
  const auto given = promise();
  const auto first = agentwire::guardCommandId(given, 1);
  const auto second = agentwire::guardCommandId(given, 2);
  // A result may be its first word, an open request in its hello as well.
  end(first, "Failed");
  say("unasked", second, machine_);
  EXPECT_EQ(made(first).details, "Failed");
  EXPECT_EQ(made(second).status, "InProgress");
  EXPECT_EQ(known(first)->status, "Failed");
  in([&](store::Txn& txn) {
    std::string position;
    EXPECT_EQ(commands_->newestOn(txn, machine_, position, 10).size(), 2U);
    return true;
  });
}

TEST_F(PromisesTest, OnlyWhatWasPromisedAndOnlyToItsMachine) {
  const auto given = promise();
  const auto other = launch(1)[0];
  say("accepted", agentwire::guardCommandId(given, 1), other);
  say("accepted", given, machine_);
  say("accepted", "11111111-1111-1111-1111-111111110001", machine_);
  say("refused", agentwire::guardCommandId(given, 1), machine_);
  EXPECT_TRUE(created_.empty());
  in([&](store::Txn& txn) {
    commands_->forgetPromise(txn, given);
    commands_->forgetPromise(txn, given);
    return true;
  });
  say("command.result", agentwire::guardCommandId(given, 1), machine_);
  EXPECT_TRUE(created_.empty());
  EXPECT_FALSE(known(agentwire::guardCommandId(given, 1)));
}

TEST_F(PromisesTest, WhatWasSentIsNotEndedByAnAnswerNobodyWaitsFor) {
  const auto command = *send({{"InstanceIds", json::Array{machine_}}});
  say("command.result", command.id, machine_, {{"status", "Success"}});
  EXPECT_FALSE(invocation(command, machine_).hasEnded());
}

TEST_F(PromisesTest, WhatHasComeOfAPromiseOutlivesIt) {
  const auto given = promise();
  const auto id = agentwire::guardCommandId(given, 1);
  say("accepted", id, machine_);
  in([&](store::Txn& txn) {
    commands_->forgetPromise(txn, given);
    return true;
  });
  end(id, "Success");
  EXPECT_EQ(made(id).status, "Success");
}

TEST_F(PromisesTest, AGuardThatForgotWhatItRanHasAnUnknownFate) {
  const auto id = agentwire::guardCommandId(promise(), 1);
  say("accepted", id, machine_);
  const auto hello = [&](json::Array open) { report("hello", machine_, {{"open", std::move(open)}}); };
  hello({});
  EXPECT_FALSE(made(id).hasEnded()) << "its hello may have left before";
  clock_.advance(std::chrono::minutes(2));
  hello({"cmd/" + id + "/" + machine_});
  EXPECT_FALSE(made(id).hasEnded());
  hello({});
  EXPECT_EQ(made(id).status, "Failed");
  EXPECT_TRUE(made(id).may_have_run);
}

TEST_F(PromisesTest, AGuardedFreezeSaysSo) {
  const auto command =
      *send({{"InstanceIds", json::Array{machine_}}}, "", json::Object{{"id", "frz-1"}, {"phase", "freeze"}, {"attempt", 1}});
  answer(command, machine_, "Success", 0, {{"guarded", true}});
  EXPECT_TRUE(invocation(command, machine_).guarded);
  const auto plain = *send({{"InstanceIds", json::Array{machine_}}});
  answer(plain, machine_, "Success");
  EXPECT_FALSE(invocation(plain, machine_).guarded);
}

// Each call waits for the core, which has a thread of its own here.
TEST_F(PromisesTest, FilesAreForItsMachineAndAnOutputIsAWord) {
  const auto given = promise();
  const auto outputs = *store::OutputStore::open((directory_ / "outputs").string(), {});
  BucketFiles files(*context_, *instances_, *commands_, objects_, *outputs);
  core_->start();
  // There is such an object; that it cannot be read is this test's bucket.
  EXPECT_EQ(files.source(given, machine_, "post.sh").error().code, "files.missing");
  EXPECT_EQ(files.source(given, machine_, "pre.sh").error().code, "files.forbidden");
  EXPECT_EQ(files.source(given, "i-00000000000000000", "post.sh").error().code, "files.forbidden");
  const auto id = agentwire::guardCommandId(given, 1);
  EXPECT_EQ(files.output(id, "i-00000000000000000", "runShellScript", "stdout").error().code, "files.forbidden");
  EXPECT_TRUE(files.output(id, machine_, "runShellScript", "stdout"));
  core_->stop();
  EXPECT_EQ(created_, (std::vector{id}));
}

}  // namespace
}  // namespace sp::services::ssm
