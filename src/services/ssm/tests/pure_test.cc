// What Run Command computes without a store: rate control, verdicts, outputs, documents, URLs.
#include <gtest/gtest.h>

#include "services/ssm/documents/builtin.h"
#include "services/ssm/documents/library.h"
#include "services/ssm/outputs.h"
#include "services/ssm/rate_control.h"
#include "services/ssm/send_input.h"

namespace sp::services::ssm {
namespace {

TEST(RateControl, LimitsAreNumbersOrPercentages) {
  EXPECT_EQ(concurrencyLimit("50", 3), 50);
  EXPECT_EQ(concurrencyLimit("10%", 55), 5);
  EXPECT_EQ(concurrencyLimit("10%", 3), 1);
  EXPECT_EQ(concurrencyLimit("100%", 7), 7);
  for (const auto* bad : {"0", "0%", "101%", "05", "-1", "", "x", "12345678", "%", "1 "}) EXPECT_FALSE(concurrencyLimit(bad, 10)) << bad;
  EXPECT_EQ(errorLimit("0", 10), 0);
  EXPECT_EQ(errorLimit("10%", 50), 5);
  EXPECT_EQ(errorLimit("0%", 50), 0);
  EXPECT_FALSE(errorLimit("00", 10));
}

TEST(RateControl, TheWindowDoublesWithEveryRound) {
  std::vector<std::int64_t> rounds;
  std::int64_t window = 1;
  for (std::int64_t waiting = 100; waiting > 0;) {
    const auto started = mayStart(window, 10, 0, waiting);
    rounds.push_back(started);
    waiting -= started;
    window += started;
  }
  EXPECT_EQ((std::vector<std::int64_t>(rounds.begin(), rounds.begin() + 6)), (std::vector<std::int64_t>{1, 2, 4, 8, 10, 10}));
  EXPECT_EQ(mayStart(8, 10, 9, 5), 0);
  EXPECT_EQ(mayStart(8, 10, 6, 5), 2);
}

TEST(Verdict, FollowsTheTable) {
  const auto of = [](Tally tally, std::int64_t most = 0) {
    const auto verdict = commandVerdict(tally, most);
    return verdict.status + "/" + verdict.details;
  };
  EXPECT_EQ(of({}), "Success/NoInstancesInTag");
  EXPECT_EQ(of({{"Success", 3}}), "Success/Success");
  EXPECT_EQ(of({{"Success", 3}, {"Failed", 1}}), "Failed/Failed");
  EXPECT_EQ(of({{"Success", 3}, {"Failed", 1}}, 1), "Failed/Incomplete");
  EXPECT_EQ(of({{"Success", 3}, {"Failed", 2}}, 1), "Failed/Failed");
  EXPECT_EQ(of({{"ExecutionTimedOut", 1}}), "TimedOut/ExecutionTimedOut");
  EXPECT_EQ(of({{"ExecutionTimedOut", 1}, {"Failed", 1}}), "Failed/Failed");
  EXPECT_EQ(of({{"DeliveryTimedOut", 2}}), "TimedOut/DeliveryTimedOut");
  EXPECT_EQ(of({{"DeliveryTimedOut", 1}, {"Success", 1}}), "Failed/Incomplete");
  EXPECT_EQ(of({{"Undeliverable", 2}}), "Failed/Failed");
  EXPECT_EQ(of({{"Undeliverable", 2}, {"Success", 1}}), "Success/Success");
  EXPECT_EQ(of({{"Failed", 1}, {"Terminated", 4}}), "Failed/Failed");
  EXPECT_EQ(of({{"Cancelled", 1}, {"Success", 4}}), "Cancelled/Cancelled");
  EXPECT_EQ(of({{"LimitExceeded", 3}}), "Cancelled/LimitExceeded");
  EXPECT_EQ(of({{"InvalidPlatform", 3}}), "Failed/Failed");
  EXPECT_EQ(of({{"AccessDenied", 1}, {"Success", 2}}), "Success/Success");
  EXPECT_EQ(of({{"AccessDenied", 1}, {"DeliveryTimedOut", 2}}), "Failed/Incomplete");
}

TEST(Verdict, OnlyFailedAndExecutionTimedOutAreErrors) {
  EXPECT_EQ(errors({{"Failed", 2}, {"ExecutionTimedOut", 3}, {"DeliveryTimedOut", 7}, {"Undeliverable", 9}, {"Cancelled", 1}}), 5);
  EXPECT_EQ(statusOf("ExecutionTimedOut"), "TimedOut");
  EXPECT_EQ(statusOf("DeliveryTimedOut"), "TimedOut");
  EXPECT_EQ(statusOf("Undeliverable"), "Failed");
  EXPECT_EQ(statusOf("Terminated"), "Cancelled");
  EXPECT_EQ(statusOf("Success"), "Success");
}

TEST(Outputs, StreamsAreCutWithAMarkWithinTheLimit) {
  EXPECT_EQ(truncatedStream("short", 5, kStdoutMax), "short");
  EXPECT_EQ(truncatedStream(std::string(24'000, 'a'), 24'000, kStdoutMax), std::string(24'000, 'a'));
  const auto cut = truncatedStream(std::string(30'000, 'a'), 30'000, kStdoutMax);
  EXPECT_EQ(cut.size(), 24'000U);
  EXPECT_TRUE(cut.ends_with("a--output truncated--"));
  EXPECT_EQ(truncatedStream(std::string(9'000, 'b'), 9'000, kStderrMax).size(), 8'000U);
}

TEST(Outputs, NoCharacterIsCutInTwo) {
  std::string text;
  while (text.size() < 30'000) text += "ü";
  const auto cut = truncatedStream("x" + text, 30'001, kStdoutMax);
  EXPECT_LE(cut.size(), 24'000U);
  EXPECT_TRUE(cut.ends_with("ü--output truncated--"));
}

StepRecord step(std::size_t out, std::size_t error) {
  StepRecord record;
  record.output = std::string(out, 'o');
  record.error = std::string(error, 'e');
  record.output_bytes = static_cast<std::int64_t>(out);
  record.error_bytes = static_cast<std::int64_t>(error);
  record.exit_code = 1;
  return record;
}

TEST(Outputs, APluginsOutputHoldsBothStreamsInItsLimit) {
  EXPECT_EQ(pluginOutput(step(3, 0)), "ooo");
  EXPECT_EQ(pluginOutput(step(3, 2)), "ooo\n----------ERROR-------\nee");
  EXPECT_EQ(pluginOutput(step(5000, 0)).size(), kPluginOutputMax);
  EXPECT_TRUE(pluginOutput(step(5000, 0)).ends_with("\n---Output truncated---"));
  // The short stream stays whole.
  const auto long_error = pluginOutput(step(10, 5000));
  EXPECT_EQ(long_error.size(), kPluginOutputMax);
  EXPECT_TRUE(long_error.starts_with(std::string(10, 'o') + "\n----------ERROR-------\n"));
  EXPECT_TRUE(long_error.ends_with("\n---Error truncated----"));
  const auto long_output = pluginOutput(step(5000, 10));
  EXPECT_EQ(long_output.size(), kPluginOutputMax);
  EXPECT_TRUE(long_output.ends_with("\n----------ERROR-------\n" + std::string(10, 'e')));
  // Both are cut evenly.
  const auto both = pluginOutput(step(5000, 5000));
  EXPECT_EQ(both.size(), kPluginOutputMax);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(both, 'o')), static_cast<double>(std::ranges::count(both, 'e')), 8);
  auto stopped = step(3, 3);
  stopped.exit_code = 168;
  EXPECT_EQ(pluginOutput(stopped), "ooo");
}

TEST(Outputs, KeysAreAsOnAws) {
  StepRecord named;
  named.name = "runShellScript";
  named.plugin = "aws:runShellScript";
  EXPECT_EQ(outputKey("logs", "c-1", "i-1", named, "stdout"), "logs/c-1/i-1/awsrunShellScript/runShellScript/stdout");
  EXPECT_EQ(pluginKeyPrefix("logs/", "c-1", "i-1", named), "logs/c-1/i-1/awsrunShellScript");
  named.name = "aws:runShellScript";
  EXPECT_EQ(outputKey("", "c-1", "i-1", named, "stderr"), "c-1/i-1/awsrunShellScript/0.awsrunShellScript/stderr");
}

/// AWS's document with these parameters.
std::expected<document::Plan, std::string> planOf(std::string_view name, const json::Object& parameters) {
  const auto content = document::parseContent(*builtinDocument(name));
  if (!content) return std::unexpected(content.error().text());
  const auto values = document::readValues(*content, name, parameters);
  if (!values) return std::unexpected(documentError(values.error()).code + ": " + values.error().message);
  auto plan = document::makePlan(*content, *values, {});
  if (!plan) return std::unexpected(documentError(plan.error()).code + ": " + plan.error().message);
  return std::move(*plan);
}

TEST(Documents, AllOfAwsAreRight) {
  for (const auto& name : builtinDocuments()) {
    const auto content = document::parseContent(*builtinDocument(name));
    EXPECT_TRUE(content) << name << ": " << content.error().text();
  }
}

TEST(Documents, ShellScriptJoinsItsCommands) {
  const auto plan =
      planOf("AWS-RunShellScript",
             {{"commands", json::Array{"a", "b"}}, {"workingDirectory", json::Array{"/tmp"}}, {"executionTimeout", json::Array{"60"}}});
  ASSERT_TRUE(plan) << plan.error();
  ASSERT_EQ(plan->steps.size(), 1U);
  EXPECT_EQ(plan->steps[0].name, "aws:runShellScript");
  EXPECT_EQ(plan->steps[0].script, "a\nb");
  EXPECT_EQ(plan->steps[0].working_directory, "/tmp");
  EXPECT_EQ(plan->seconds(), 60);
  EXPECT_EQ(documentName("arn:aws:ssm:us-east-1:000000000000:document/AWS-RunShellScript"), "AWS-RunShellScript");
}

TEST(Documents, RemoteScriptDownloadsThenRuns) {
  const auto plan = planOf("AWS-RunRemoteScript", {{"sourceType", json::Array{"S3"}},
                                                   {"sourceInfo", json::Array{R"({"path":"https://bkt.s3.amazonaws.com/pre/a+b.sh"})"}},
                                                   {"commandLine", json::Array{"a b.sh --x"}}});
  ASSERT_TRUE(plan) << plan.error();
  ASSERT_EQ(plan->steps.size(), 3U);
  EXPECT_EQ(plan->steps[0].source->bucket, "bkt");
  EXPECT_EQ(plan->steps[0].source->key, "pre/a b.sh");
  EXPECT_FALSE(plan->steps[1].skipped.empty());
  EXPECT_NE(plan->steps[2].script.find("\n a b.sh --x \n"), std::string::npos);
  EXPECT_EQ(plan->seconds(), 3600);
}

TEST(Documents, WrongParametersAreNamed) {
  const auto why = [](std::string_view document, const json::Object& parameters) {
    const auto plan = planOf(document, parameters);
    return plan ? std::string("none") : plan.error();
  };
  const json::Array one{"a"};
  EXPECT_TRUE(why("AWS-RunShellScript", {}).starts_with("InvalidParameters: "));
  EXPECT_NE(why("AWS-RunShellScript", {}).find("\"commands\""), std::string::npos);
  EXPECT_NE(why("AWS-RunShellScript", {{"commands", one}, {"x", one}}).find("\"x\" is not defined"), std::string::npos);
  EXPECT_NE(why("AWS-RunShellScript", {{"commands", "a"}}).find("list of strings"), std::string::npos);
  for (const auto* seconds : {"172801", "0", "-5", "1h", "99999999"})
    EXPECT_NE(why("AWS-RunShellScript", {{"commands", one}, {"executionTimeout", json::Array{seconds}}}).find(seconds), std::string::npos);
  for (const auto* seconds : {"1", "99999", "172799", "172800"})
    EXPECT_EQ(why("AWS-RunShellScript", {{"commands", one}, {"executionTimeout", json::Array{seconds}}}), "none") << seconds;
  const auto remote = [&](std::string_view type, std::string_view seconds) {
    return why("AWS-RunRemoteScript", {{"sourceType", json::Array{type}},
                                       {"sourceInfo", json::Array{R"({"path":"s3://b/k"})"}},
                                       {"commandLine", one},
                                       {"executionTimeout", json::Array{seconds}}});
  };
  EXPECT_NE(remote("FTP", "60").find("FTP"), std::string::npos);
  EXPECT_NE(remote("GitHub", "60").find("not served here"), std::string::npos);
  EXPECT_NE(remote("S3", "28801").find("28801"), std::string::npos);
  EXPECT_EQ(remote("S3", "28800"), "none");
}

TEST(SendInput, SaysWhatIsWrong) {
  const auto code = [](json::Object more, bool with_target = true) {
    json::Object input{{"DocumentName", "AWS-RunShellScript"}, {"Parameters", json::Object{{"commands", json::Array{"true"}}}}};
    if (with_target) input["InstanceIds"] = json::Array{"i-1"};
    for (const auto& [key, value] : more) input[key] = value;
    const auto read = readSendInput(input);
    return read ? std::string("fine") : read.error().code;
  };
  EXPECT_EQ(code({}), "fine");
  EXPECT_EQ(code({}, false), "ValidationException");
  EXPECT_EQ(code({{"Targets", json::Array{json::Object{{"Key", "tag:a"}, {"Values", json::Array{"b"}}}}}}), "ValidationException");
  EXPECT_EQ(code({{"Targets", json::Array{json::Object{{"Key", "colour"}, {"Values", json::Array{"b"}}}}}}, false), "ValidationException");
  EXPECT_EQ(code({{"Targets", json::Array{json::Object{{"Key", "instanceids"}, {"Values", json::Array{"b"}}}}}}, false), "fine");
  EXPECT_EQ(code({{"Targets", json::Array{json::Object{{"Key", "resource-groups:Name"}, {"Values", json::Array{"b"}}}}}}, false),
            "ValidationException");
  EXPECT_EQ(code({{"CloudWatchOutputConfig", json::Object{{"CloudWatchOutputEnabled", true}}}}), "ValidationException");
  EXPECT_EQ(code({{"CloudWatchOutputConfig", json::Object{{"CloudWatchOutputEnabled", false}}}}), "fine");
  EXPECT_EQ(code({{"AlarmConfiguration", json::Object{{"Alarms", json::Array{}}}}}), "ValidationException");
  EXPECT_EQ(code({{"DocumentHash", "x"}, {"DocumentHashType", "Sha1"}}), "ValidationException");
  EXPECT_EQ(code({{"InstanceIds", json::Array{"i-1", "i-1"}}}), "DuplicateInstanceId");
  EXPECT_EQ(code({{"TimeoutSeconds", 29}}), "ValidationException");
  EXPECT_EQ(code({{"TimeoutSeconds", 2'592'001}}), "ValidationException");
  EXPECT_EQ(code({{"TimeoutSeconds", "60"}}), "SerializationException");
  EXPECT_EQ(code({{"MaxConcurrency", "0"}}), "ValidationException");
  EXPECT_EQ(code({{"MaxErrors", "1.5"}}), "ValidationException");
  EXPECT_EQ(code({{"ServiceRoleArn", "arn:aws:iam::000000000000:user/x"}}), "InvalidRole");
  EXPECT_EQ(code({{"NotificationConfig", json::Object{{"NotificationArn", "arn:aws:sns:us-east-1:000000000000:t"}}}}),
            "InvalidNotificationConfig");
  EXPECT_EQ(code({{"Parameters", json::Object{{"commands", json::Array{std::string(70'000, 'x')}}}}}), "MaxDocumentSizeExceeded");
}

}  // namespace
}  // namespace sp::services::ssm
