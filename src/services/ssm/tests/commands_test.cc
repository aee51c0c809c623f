// Commands from send to end.
#include "services/ssm/operations.h"
#include "services/ssm/parameters/parameter_store.h"
#include "services/ssm/tests/commands_fixture.h"

namespace sp::services::ssm {
namespace {

TEST_F(CommandsTest, RunsAndEnds) {
  const auto id = launch(1)[0];
  const auto command = *send({{"InstanceIds", json::Array{id}}, {"TimeoutSeconds", 600}});
  EXPECT_EQ((command.expires - command.requested), std::chrono::seconds(600 + 3600));
  const auto runs = agents_.of("command.run");
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(json::intOr(runs[0], "startWithinMs", 0), 600'000);
  EXPECT_EQ(invocation(command, id).status, "Pending");
  report("accepted", id, {{"id", "cmd/" + command.id + "/" + id}});
  EXPECT_EQ(invocation(command, id).status, "InProgress");
  EXPECT_EQ(now(command).status, "InProgress");
  answer(command, id, "Success");
  const auto over = invocation(command, id);
  EXPECT_EQ(over.details, "Success");
  EXPECT_EQ(over.steps[0].output, "out");
  EXPECT_EQ((*over.steps[0].ended - *over.steps[0].started), std::chrono::milliseconds(91));
  EXPECT_EQ(ended_, (std::vector{id + ":Success"}));
  EXPECT_EQ(commands_ended_, (std::vector<std::string>{"Success/Success"}));
  answer(command, id, "Failed", 1);
  EXPECT_EQ(invocation(command, id).details, "Success");
  EXPECT_EQ(ended_.size(), 1U);
}

TEST_F(CommandsTest, AnotherMachineCannotAnswer) {
  const auto ids = launch(2);
  const auto command = *send({{"InstanceIds", json::Array{ids[0]}}});
  report("command.result", ids[1], {{"id", "cmd/" + command.id + "/" + ids[0]}, {"status", "Success"}});
  EXPECT_EQ(invocation(command, ids[0]).status, "Pending");
}

TEST_F(CommandsTest, RateControlStartsWithOneAndStopsAtTheFirstError) {
  const auto ids = launch(4, {{"role", "db"}});
  const auto command = *send({{"Targets", tagTarget("db")}, {"MaxConcurrency", "3"}});
  EXPECT_EQ(agents_.of("command.run").size(), 1U);
  EXPECT_EQ(in([&](store::Txn& txn) { return commands_->invocations(txn, command.id).size(); }), 4U);
  const auto order = in([&](store::Txn& txn) { return commands_->invocations(txn, command.id); });
  answer(command, order[0].instance_id, "Success");
  EXPECT_EQ(agents_.of("command.run").size(), 3U);
  answer(command, order[1].instance_id, "Failed", 3);
  EXPECT_EQ(agents_.of("command.run").size(), 3U);
  EXPECT_EQ(invocation(command, order[3].instance_id).details, "Terminated");
  EXPECT_EQ(invocation(command, order[3].instance_id).status, "Cancelled");
  EXPECT_FALSE(now(command).hasEnded());
  answer(command, order[2].instance_id, "Success");
  EXPECT_EQ(commands_ended_, (std::vector<std::string>{"Failed/Failed"}));
}

TEST_F(CommandsTest, NoMachineWithThatTagIsSuccessAtOnce) {
  launch(1, {{"role", "web"}});
  const auto command = *send({{"Targets", tagTarget("db")}});
  EXPECT_EQ(now(command).status, "Success");
  EXPECT_EQ(now(command).details, "NoInstancesInTag");
  EXPECT_EQ(now(command).target_count, 0);
}

TEST_F(CommandsTest, IdsThatAreNoMachinesFailTheCall) {
  const auto id = launch(1)[0];
  const auto refused = send({{"InstanceIds", json::Array{id, "i-00000000000000000"}}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "InvalidInstanceId");
  EXPECT_EQ(refused.error().message, "Instances [[i-00000000000000000]] not in a valid state for account 000000000000");
  EXPECT_TRUE(agents_.sent.empty());
}

TEST_F(CommandsTest, TheSameCallTwiceIsOneCommand) {
  const auto id = launch(1)[0];
  const auto first = *send({{"InstanceIds", json::Array{id}}}, "key");
  const auto second = *send({{"InstanceIds", json::Array{id}}}, "key");
  EXPECT_EQ(first.id, second.id);
  EXPECT_NE(first.id, send({{"InstanceIds", json::Array{id}}}, "other")->id);
  EXPECT_EQ(agents_.of("command.run").size(), 2U);
}

TEST_F(CommandsTest, WithoutAnAnswerDeliveryTimesOutAtTheEnd) {
  const auto id = launch(1)[0];
  agents_.away.insert(id);
  const auto command = *send({{"InstanceIds", json::Array{id}}, {"TimeoutSeconds", 30}});
  EXPECT_EQ(commands_->shownStatus(invocation(command, id)), "Delayed");
  clock_.advance(std::chrono::seconds(3629));
  core_->runPending();
  EXPECT_FALSE(now(command).hasEnded());
  clock_.advance(std::chrono::seconds(2));
  core_->runPending();
  EXPECT_EQ(invocation(command, id).details, "DeliveryTimedOut");
  EXPECT_EQ(invocation(command, id).status, "TimedOut");
  EXPECT_FALSE(invocation(command, id).may_have_run);
  EXPECT_EQ(commands_ended_, (std::vector<std::string>{"TimedOut/DeliveryTimedOut"}));
  EXPECT_EQ(agents_.withdrawn.size(), 1U);
}

TEST_F(CommandsTest, WhatWasSentAndNeverAnsweredMayHaveRun) {
  const auto id = launch(1)[0];
  const auto command = *send({{"InstanceIds", json::Array{id}}, {"TimeoutSeconds", 30}});
  report("accepted", id, {{"id", "cmd/" + command.id + "/" + id}});
  agents_.away.insert(id);
  clock_.advance(std::chrono::seconds(3631));
  core_->runPending();
  EXPECT_EQ(invocation(command, id).details, "DeliveryTimedOut");
  EXPECT_TRUE(invocation(command, id).may_have_run);
}

TEST_F(CommandsTest, AScriptThatRanTooLongIsAnError) {
  const auto id = launch(1)[0];
  const auto command = *send({{"InstanceIds", json::Array{id}}});
  answer(command, id, "TimedOut", 137);
  EXPECT_EQ(invocation(command, id).details, "ExecutionTimedOut");
  EXPECT_EQ(commands_ended_, (std::vector<std::string>{"TimedOut/ExecutionTimedOut"}));
}

TEST_F(CommandsTest, AnUnknownFateIsFailedAndSaysSo) {
  const auto id = launch(1)[0];
  const auto command = *send({{"InstanceIds", json::Array{id}}});
  answer(command, id, "Failed", -1, {{"message", "its fate is unknown"}});
  EXPECT_EQ(invocation(command, id).details, "Failed");
  EXPECT_NE(invocation(command, id).steps[0].error.find("its fate is unknown"), std::string::npos);
}

TEST_F(CommandsTest, ItIsKnownWhatMayHaveRunAndWhatSurelyHasNot) {
  const auto id = launch(1)[0];
  const auto told = [&](std::string_view type, const char* fate, bool accepted) {
    const auto command = *send({{"InstanceIds", json::Array{id}}});
    json::Object message{{"id", "cmd/" + command.id + "/" + id}, {"message", "so"}};
    if (accepted) report("accepted", id, message);
    if (fate != nullptr) message["fate"] = fate;
    report(type, id, message);
    const auto over = invocation(command, id);
    EXPECT_EQ(over.details, "Failed") << type;
    return std::pair(over.may_have_run, over.never_ran);
  };
  EXPECT_EQ(told("command.result", "known", true), std::pair(false, false));
  EXPECT_EQ(told("command.result", "unknown", true), std::pair(true, false));
  EXPECT_EQ(told("absent", nullptr, true), std::pair(true, false));
  EXPECT_EQ(told("refused", nullptr, false), std::pair(false, true)) << "its disk is full";
  EXPECT_EQ(told("refused", nullptr, true), std::pair(true, false)) << "it had taken it";
  EXPECT_EQ(told("refused", "unknown", false), std::pair(true, false)) << "enrolled anew";
}

TEST_F(CommandsTest, CancelEndsWhatHasNotStartedAndAsksForTheRest) {
  const auto ids = launch(2, {{"role", "db"}});
  const auto command = *send({{"Targets", tagTarget("db")}, {"MaxConcurrency", "1"}});
  const auto order = in([&](store::Txn& txn) { return commands_->invocations(txn, command.id); });
  const auto& running = order[0].instance_id;
  report("accepted", running, {{"id", "cmd/" + command.id + "/" + running}});
  EXPECT_TRUE(in([&](store::Txn& txn) { return commands_->cancel(txn, command.id, {}).has_value(); }));
  EXPECT_EQ(invocation(command, order[1].instance_id).status, "Cancelled");
  EXPECT_EQ(invocation(command, running).status, "Cancelling");
  ASSERT_EQ(agents_.of("cancel").size(), 1U);
  EXPECT_EQ(json::textOr(agents_.of("cancel")[0], "target"), "cmd/" + command.id + "/" + running);
  answer(command, running, "Cancelled", 137);
  EXPECT_EQ(commands_ended_, (std::vector<std::string>{"Cancelled/Cancelled"}));
  const auto unknown = in([&](store::Txn& txn) { return commands_->cancel(txn, "nope", {}); });
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, "InvalidCommandId");
}

TEST_F(CommandsTest, WhatAnAgentThatIsAwayMayHaveIsCancelledByIt) {
  const auto id = launch(1)[0];
  const auto sent = *send({{"InstanceIds", json::Array{id}}});
  const auto cancel = [&](const Command& command) {
    EXPECT_TRUE(in([&](store::Txn& txn) { return commands_->cancel(txn, command.id, {}).has_value(); }));
    return invocation(command, id).status;
  };
  EXPECT_EQ(cancel(sent), "Cancelling");
  EXPECT_EQ(agents_.of("cancel").size(), 1U);
  EXPECT_TRUE(agents_.withdrawn.empty());
  agents_.away.insert(id);
  EXPECT_EQ(cancel(*send({{"InstanceIds", json::Array{id}}})), "Cancelled");
  EXPECT_EQ(agents_.of("cancel").size(), 1U);
  EXPECT_EQ(agents_.withdrawn.size(), 1U);
}

TEST_F(CommandsTest, WhatAnAgentHadAcceptedAndForgotIsNotRunAgain) {
  const auto id = launch(1)[0];
  const auto command = *send({{"InstanceIds", json::Array{id}}});
  const auto request = "cmd/" + command.id + "/" + id;
  // It may have got lost on its way.
  report("absent", id, {{"id", request}});
  EXPECT_FALSE(invocation(command, id).hasEnded());
  EXPECT_TRUE(agents_.withdrawn.empty());
  report("accepted", id, {{"id", request}});
  report("absent", id, {{"id", request}});
  EXPECT_EQ(invocation(command, id).details, "Failed");
  EXPECT_NE(invocation(command, id).steps[0].error.find("its fate is unknown"), std::string::npos);
  EXPECT_EQ(agents_.withdrawn, (std::vector<std::string>{request}));
}

TEST_F(CommandsTest, AScriptWhoseMachineIsTakenAwayHasFailed) {
  const auto id = launch(1)[0];
  const auto command = *send({{"InstanceIds", json::Array{id}}});
  report("accepted", id, {{"id", "cmd/" + command.id + "/" + id}});
  in([&](store::Txn& txn) { return instances_->terminate(txn, id, false, "api").has_value(); });
  report("power.result", "host",
         {{"id", json::textOr(agents_.of("power.destroy").at(0), "id")}, {"instance", id}, {"state", "terminated"}, {"bootGeneration", 1}});
  EXPECT_EQ(invocation(command, id).details, "Failed");
  EXPECT_EQ(invocation(command, id).steps[0].exit_code, -1);
  EXPECT_EQ(invocation(command, id).steps[0].error, id + " was removed after this had been sent to it: its fate is unknown");
}

TEST_F(CommandsTest, AMachineThatIsTerminatedIsUndeliverable) {
  const auto id = launch(1)[0];
  agents_.away.insert(id);
  const auto command = *send({{"InstanceIds", json::Array{id}}});
  in([&](store::Txn& txn) { return instances_->terminate(txn, id, false, "api").has_value(); });
  const auto destroy = agents_.of("power.destroy");
  ASSERT_EQ(destroy.size(), 1U);
  report("power.result", "host",
         {{"id", json::textOr(destroy[0], "id")}, {"instance", id}, {"state", "terminated"}, {"bootGeneration", 1}});
  EXPECT_EQ(invocation(command, id).details, "Undeliverable");
  EXPECT_EQ(invocation(command, id).status, "Failed");
  EXPECT_EQ(invocation(command, id).steps[0].exit_code, -1);
}

TEST_F(CommandsTest, ScriptsComeAsFilesOrAsAWholePrefix) {
  const auto id = launch(1)[0];
  objects_.keys = {"one/pre.sh", "many/a.sh", "many/sub/b c.sh", "many/sub/"};
  const auto remote = [&](std::string_view path) {
    return json::Object{{"InstanceIds", json::Array{id}},
                        {"DocumentName", "AWS-RunRemoteScript"},
                        {"Parameters", json::Object{{"sourceType", json::Array{"S3"}},
                                                    {"sourceInfo", json::Array{json::toText(json::Object{{"path", path}})}},
                                                    {"commandLine", json::Array{"pre.sh"}}}}};
  };
  const auto download = [&](const json::Object& run) { return run.at("steps").get_array()[0].get_object(); };
  ASSERT_TRUE(send(remote("s3://scripts/one/pre.sh")));
  ASSERT_TRUE(send(remote("s3://scripts/many")));
  ASSERT_TRUE(send(remote("s3://scripts/none")));
  const auto runs = agents_.of("command.run");
  const auto one = download(runs[0]).at("files").get_array();
  ASSERT_EQ(one.size(), 1U);
  EXPECT_EQ(json::textOr(one[0].get_object(), "path"), "pre.sh");
  EXPECT_TRUE(json::textOr(one[0].get_object(), "source").ends_with("/source/one/pre.sh"));
  const auto many = download(runs[1]).at("files").get_array();
  ASSERT_EQ(many.size(), 2U);
  EXPECT_EQ(json::textOr(many[1].get_object(), "path"), "sub/b c.sh");
  EXPECT_TRUE(json::textOr(many[1].get_object(), "source").ends_with("/source/many/sub/b%20c.sh"));
  EXPECT_TRUE(download(runs[2]).at("files").get_array().empty());
  EXPECT_NE(json::textOr(download(runs[2]), "error").find("s3://scripts/none"), std::string::npos);
  // The step for another platform is not sent.
  EXPECT_EQ(runs[0].at("steps").get_array().size(), 2U);
}

TEST_F(CommandsTest, AFreezeGoesToTheAgentAndIsShown) {
  const auto id = launch(1)[0];
  const auto command = *send({{"InstanceIds", json::Array{id}}}, "", json::Object{{"id", "f-1"}, {"phase", "thaw"}, {"attempt", 2}});
  EXPECT_EQ(json::textOr(agents_.of("command.run")[0].at("freeze").get_object(), "phase"), "thaw");
  EXPECT_EQ(invocation(command, id).comment, "freeze f-1 thaw attempt 2");
}

TEST_F(CommandsTest, AMissingOutputBucketIsRefused) {
  const auto id = launch(1)[0];
  const auto refused = send({{"InstanceIds", json::Array{id}}, {"OutputS3BucketName", "nowhere"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "InvalidOutputFolder");
  EXPECT_TRUE(send({{"InstanceIds", json::Array{id}}, {"OutputS3BucketName", "scripts"}}));
}

TEST_F(CommandsTest, HistoryIsForgottenAfterThirtyDays) {
  const auto id = launch(1)[0];
  const auto command = *send({{"InstanceIds", json::Array{id}}});
  answer(command, id, "Success");
  clock_.advance(std::chrono::days(29));
  core_->runPending();
  EXPECT_TRUE(in([&](store::Txn& txn) { return commands_->find(txn, command.id).has_value(); }));
  clock_.advance(std::chrono::days(2));
  core_->runPending();
  EXPECT_FALSE(in([&](store::Txn& txn) { return commands_->find(txn, command.id).has_value(); }));
  EXPECT_TRUE(in([&](store::Txn& txn) { return commands_->invocations(txn, command.id).empty(); }));
}

TEST_F(CommandsTest, HistoryIsKeptAsLongAsItIsTold) {
  commands_->setHistory(std::chrono::hours(24 * 3));
  const auto id = launch(1)[0];
  const auto command = *send({{"InstanceIds", json::Array{id}}});
  answer(command, id, "Success");
  clock_.advance(std::chrono::days(4));
  core_->runPending();
  EXPECT_FALSE(in([&](store::Txn& txn) { return commands_->find(txn, command.id).has_value(); }));
  EXPECT_FALSE(in([&](store::Txn& txn) { return txn.records().get("command_plan", command.id).has_value(); }));
}

TEST_F(CommandsTest, ADocumentThatIsChangedLaterChangesNoCommand) {
  const auto ids = launch(2, {{"role", "db"}});
  const auto text = [](std::string_view script) {
    return fmt::format(
        R"({{"schemaVersion":"2.2","mainSteps":[{{"action":"aws:runShellScript","name":"say","inputs":{{"runCommand":["{}"]}}}}]}})",
        script);
  };
  const auto write = [&](std::string_view script) {
    in([&](store::Txn& txn) {
      DocumentRecord document;
      document.name = "Say";
      DocumentVersion version;
      version.document = "Say";
      version.content = text(script);
      save(txn, document);
      save(txn, version);
      return true;
    });
  };
  write("one");
  const auto command =
      *send({{"DocumentName", "Say"}, {"Parameters", json::Object{}}, {"Targets", tagTarget("db")}, {"MaxConcurrency", "1"}});
  write("two");
  in([](store::Txn& txn) {
    eraseDocument(txn, "Say");
    return true;
  });
  const auto first = json::textOr(agents_.of("command.run")[0], "instance");
  answer(command, first, "Success", 0, {});
  const auto runs = agents_.of("command.run");
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(json::textOr(runs[1].at("steps").get_array()[0].get_object(), "script"), "one");
}

TEST_F(CommandsTest, WhatAnAgentMayNotDoIsAccessDeniedAndNoError) {
  const auto id = launch(1)[0];
  const auto command = *send({{"InstanceIds", json::Array{id}}});
  report("command.result", id,
         {{"id", "cmd/" + command.id + "/" + id},
          {"status", "Failed"},
          {"details", "AccessDenied"},
          {"message", "no"},
          {"steps", json::Array{}}});
  EXPECT_EQ(invocation(command, id).details, "AccessDenied");
  EXPECT_EQ(invocation(command, id).status, "Failed");
  EXPECT_EQ(commands_ended_, (std::vector<std::string>{"Failed/Failed"}));
}

TEST_F(CommandsTest, MoreInvocationsThanMayBeOpenAreSentToNobody) {
  commands_->setMostOpen(2);
  const auto ids = launch(3, {{"role", "db"}});
  const auto one = *send({{"InstanceIds", json::Array{ids[0]}}});
  const auto many = *send({{"Targets", tagTarget("db")}});
  EXPECT_EQ(now(many).details, "LimitExceeded");
  EXPECT_EQ(now(many).status, "Cancelled");
  EXPECT_EQ(invocation(many, ids[1]).details, "LimitExceeded");
  EXPECT_EQ(agents_.of("command.run").size(), 1U);
  answer(one, ids[0], "Success");
  EXPECT_FALSE(now(*send({{"InstanceIds", json::Array{ids[0], ids[1]}}})).hasEnded());
}

TEST_F(CommandsTest, PartsOfAStepAreItsSum) {
  const auto id = launch(1)[0];
  const auto command = *send(
      {{"DocumentName", "AWS-RunDocument"},
       {"InstanceIds", json::Array{id}},
       {"Parameters", json::Object{{"sourceType", json::Array{"S3"}}, {"sourceInfo", json::Array{R"({"path":"s3://scripts/doc"})"}}}}});
  const auto part = [](std::string_view name, std::string_view status, std::int64_t code, std::string_view out) {
    return json::Object{{"name", name},      {"plugin", "aws:runShellScript"},
                        {"status", status},  {"exitCode", code},
                        {"stdout", out},     {"stderr", "e"},
                        {"sinceStartMs", 0}, {"durationMs", 5}};
  };
  report("command.result", id,
         {{"id", "cmd/" + command.id + "/" + id},
          {"status", "Failed"},
          {"steps", json::Array{part("downloadContent", "Success", 0, "got"), part("runDocument/a", "Success", 0, "1"),
                                part("runDocument/b", "TimedOut", 137, "2"), part("runDocument/c", "Failed", 3, "3"),
                                part("other/x", "Failed", 9, "no")}}});
  const auto over = invocation(command, id);
  ASSERT_EQ(over.steps.size(), 2U);
  EXPECT_EQ(over.steps[1].name, "runDocument");
  EXPECT_EQ(over.steps[1].status, "Failed");
  EXPECT_EQ(over.steps[1].exit_code, 137);
  EXPECT_EQ(over.steps[1].output, "123");
  EXPECT_EQ(over.steps[1].error, "eee");
}

TEST_F(CommandsTest, TenThousandParametersAreTheMost) {
  in([](store::Txn& txn) {
    for (int i = 0; i < 10'000; ++i) {
      StoredParameter parameter;
      parameter.name = fmt::format("p{}", i);
      save(txn, parameter);
    }
    return true;
  });
  const SecretBox secrets(std::string(SecretBox::kKeyBytes, 'k'));
  const auto put = putParameter(*context_, secrets);
  const auto outcome = in([&](store::Txn& txn) {
    const json::Object input{{"Name", "one-more"}, {"Type", "String"}, {"Value", "v"}};
    const aws::Principal nobody;
    aws::Call call{
        .input = input, .txn = &txn, .principal = nobody, .realm = realm_, .request_id = "r", .invocation_id = "", .now = txn.now()};
    return put.handler(call);
  });
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, "ParameterLimitExceeded");
}

TEST_F(CommandsTest, ThoseThatStayOpenKeepNoOthersFromBeingForgotten) {
  commands_->setHistory(std::chrono::hours(24));
  const auto id = launch(1)[0];
  std::vector<std::string> open;
  for (int i = 0; i < 110; ++i) open.push_back(send({{"InstanceIds", json::Array{id}}, {"TimeoutSeconds", 2'592'000}})->id);
  const auto over = *send({{"InstanceIds", json::Array{id}}});
  answer(over, id, "Success");
  for (int i = 0; i < 3; ++i) {
    clock_.advance(i == 0 ? Duration(std::chrono::hours(50)) : Duration(std::chrono::seconds(2)));
    core_->runPending();
  }
  EXPECT_FALSE(in([&](store::Txn& txn) { return commands_->find(txn, over.id); }));
  for (const auto& each : open) EXPECT_TRUE(in([&](store::Txn& txn) { return commands_->find(txn, each); }));
}

}  // namespace
}  // namespace sp::services::ssm
