// The operations over a real store and engine, without the wire.
#include "services/states/states.h"

#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fmt/format.h>

#include "runtime/definitions.h"
#include "services/states/operations.h"
#include "store/sqlite/sqlite_store.h"

namespace sp::services::states {
namespace {

using testing::HasSubstr;

/// Knows one resource, whose Parameters have no "Foo", and never answers.
class Silent final : public runtime::TaskPort {
 public:
  bool knows(std::string_view resource) const override { return resource == "arn:aws:states:::test:wait"; }
  std::vector<std::string> refusedParameters(std::string_view, const json::Object* parameters) const override {
    if (parameters == nullptr || json::find(*parameters, "Foo") == nullptr) return {};
    return {"The field \"Foo\" is not supported by Step Functions"};
  }
  void start(store::Txn&, const runtime::TaskRequest&) override {}
  void cancel(store::Txn&, std::string_view) override {}
};
class NoAgents final : public runtime::AgentPort {
 public:
  void request(store::Txn&, std::string_view, const json::Object&) override {}
  void withdraw(store::Txn&, std::string_view, std::string_view) override {}
  bool connected(std::string_view) const override { return false; }
};

class StatesTest : public testing::Test {
 protected:
  StatesTest() : directory_(std::filesystem::temp_directory_path() / ("sp-states-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(directory_);
    store_ = std::move(*store::openSqlite(directory_ / "store.db"));
    core_ = std::make_unique<runtime::Core>(*store_, clock_, random_);
    blobs_ = std::move(*store::BlobStore::open(directory_ / "blobs", random_));
    context_ = std::unique_ptr<Context>(new Context{*core_, realm_, clock_, random_, *blobs_, agents_, reports_, locks_});
    runtime_ = std::make_unique<runtime::ExecutionRuntime>(*core_);
    runtime_->setTasks(tasks_);
    activities_ = std::make_unique<Activities>(*context_);
    table_ = makeStates(*context_, *runtime_, tasks_, *activities_);
  }
  ~StatesTest() override {
    core_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  json::Object call(std::string_view operation, const json::Object& input, std::string_view invocation = "") {
    json::Object answer;
    const auto found = std::ranges::find(table_.operations, operation, &aws::Operation::name);
    EXPECT_NE(found, table_.operations.end()) << operation;
    core_->post([&](store::Txn& txn) {
      const aws::Call one{input, &txn, principal_, realm_, "request", invocation, txn.now()};
      auto out = found->handler(one);
      answer = out ? std::move(*out) : json::Object{{"code", out.error().code}, {"message", out.error().message}};
      return out.has_value();
    });
    core_->runPending();
    clock_.advance(std::chrono::seconds(1));
    return answer;
  }
  std::string refusal(std::string_view operation, const json::Object& input) {
    const auto answer = call(operation, input);
    return json::textOr(answer, "code") + ": " + json::textOr(answer, "message");
  }
  std::string create(const std::string& name, const std::string& definition = kWait) {
    return json::textOr(call("CreateStateMachine", {{"name", name}, {"definition", definition}, {"roleArn", kRole}}), "stateMachineArn");
  }

  static constexpr const char* kRole = "arn:aws:iam::000000000000:role/r";
  static constexpr const char* kWait = R"({"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":60,"End":true}}})";
  static constexpr const char* kPass = R"({"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}})";

  std::filesystem::path directory_;
  ManualClock clock_{fromMicros(1'700'000'000'000'000)};
  SeededRandom random_{3};
  Realm realm_;
  aws::Principal principal_;
  Silent tasks_;
  NoAgents agents_;
  runtime::AgentReports reports_;
  runtime::MachineLock locks_;
  std::unique_ptr<store::BlobStore> blobs_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<runtime::Core> core_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<runtime::ExecutionRuntime> runtime_;
  std::unique_ptr<Activities> activities_;
  aws::ServiceTable table_;
};

TEST_F(StatesTest, ADefinitionIsKeptWhileAMachineHasIt) {
  const auto texts = [&] {
    std::set<std::string> found;
    core_->post([&](store::Txn& txn) {
      runtime::definitions::collect(txn, "", 100);
      for (const auto& record : txn.records().scan("definition", "", "", 100)) found.insert(record.body);
      return true;
    });
    core_->runPending();
    return found;
  };
  const auto one = create("one");
  const auto other = create("other");
  create("one");
  call("UpdateStateMachine", {{"stateMachineArn", one}, {"definition", kPass}});
  call("TagResource", {{"resourceArn", one}, {"tags", json::Array{json::Object{{"key", "k"}, {"value", "v"}}}}});
  EXPECT_EQ(texts(), (std::set<std::string>{kPass, kWait}));
  call("DeleteStateMachine", {{"stateMachineArn", other}});
  EXPECT_EQ(texts(), std::set<std::string>{kPass});
  call("DeleteStateMachine", {{"stateMachineArn", one}});
  EXPECT_EQ(texts(), std::set<std::string>());
}

TEST_F(StatesTest, CreatingTwiceIsOneMachineUnlessItDiffers) {
  EXPECT_EQ(create("m"), "arn:aws:states:us-east-1:000000000000:stateMachine:m");
  const auto first = call("DescribeStateMachine", {{"stateMachineArn", create("m")}});
  EXPECT_EQ(json::textOr(first, "definition"), kWait);
  EXPECT_EQ(refusal("CreateStateMachine", {{"name", "m"}, {"definition", kPass}, {"roleArn", kRole}}),
            "StateMachineAlreadyExists: State Machine Already Exists: 'arn:aws:states:us-east-1:000000000000:stateMachine:m'");
  EXPECT_THAT(refusal("CreateStateMachine", {{"name", "x y"}, {"definition", kPass}, {"roleArn", kRole}}),
              HasSubstr("InvalidName: Invalid Name: 'x y'"));
  EXPECT_THAT(refusal("CreateStateMachine", {{"name", "x"}, {"definition", "{}"}, {"roleArn", kRole}}),
              HasSubstr("InvalidDefinition: Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: These fields are required: "
                        "[States, StartAt] at /'"));
  EXPECT_THAT(refusal("CreateStateMachine", {{"name", "x"}, {"definition", kPass}, {"roleArn", "nobody"}}), HasSubstr("InvalidArn"));
  EXPECT_THAT(refusal("CreateStateMachine", {{"name", "x"}, {"definition", kPass}}), HasSubstr("Value null at 'roleArn'"));
}

// Definitions that were accepted by an earlier version and are refused now: their machines start executions as before.
TEST_F(StatesTest, DefinitionsFromBeforeRunOn) {
  const std::string old = R"({"Comment":5,"Version":1,"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":5,"Next":"T"},
    "T":{"Type":"Task","Resource":"arn:aws:states:::test:wait","Parameters":{"Foo":1},"End":true}}})";
  EXPECT_EQ(refusal("CreateStateMachine", {{"name", "new"}, {"definition", old}, {"roleArn", kRole}}),
            "InvalidDefinition: Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: Expected value of type String at /Comment, "
            "SCHEMA_VALIDATION_FAILED: Expected value of type String at /Version, SCHEMA_VALIDATION_FAILED: Expected value of type Object "
            "at /States/A/Parameters, SCHEMA_VALIDATION_FAILED: The field \"Foo\" is not supported by Step Functions at "
            "/States/T/Parameters'");
  const auto machine = create("old");
  core_->post([&](store::Txn& txn) {
    const auto kept = txn.records().scan("definition", "", "", 2);
    EXPECT_EQ(kept.size(), 1U);
    txn.records().put("definition", kept.at(0).key, old);
    return true;
  });
  core_->runPending();
  const auto execution = json::textOr(call("StartExecution", {{"stateMachineArn", machine}}), "executionArn");
  core_->runPending();
  EXPECT_EQ(json::textOr(call("DescribeExecution", {{"executionArn", execution}}), "status"), "RUNNING");
  EXPECT_THAT(json::toText(call("GetExecutionHistory", {{"executionArn", execution}})), HasSubstr("\"TaskScheduled\""));
  // What does not touch the definition may be changed.
  EXPECT_NE(json::textOr(call("UpdateStateMachine", {{"stateMachineArn", machine}, {"roleArn", kRole}}), "revisionId"), "");
  // So may what says the definition again as it is, and to make the machine again is the same call.
  EXPECT_NE(json::textOr(call("UpdateStateMachine", {{"stateMachineArn", machine}, {"definition", old}}), "revisionId"), "");
  EXPECT_EQ(create("old", old), machine);
  EXPECT_EQ(create("old", old + " "), "");
}

TEST_F(StatesTest, ConfigurationsAreChecked) {
  const auto machine = create("m");
  const auto told = [&](const char* member, std::string_view value) {
    const auto given = *json::parse(value);
    auto created = refusal("CreateStateMachine", {{"name", "n"}, {"definition", kPass}, {"roleArn", kRole}, {member, given}});
    EXPECT_EQ(refusal("UpdateStateMachine", {{"stateMachineArn", machine}, {member, given}}), created) << value;
    return created;
  };
  const auto invalid = [](std::string_view value, std::string_view path, std::string_view rule) {
    return fmt::format("ValidationException: 1 validation error detected: Value {} at '{}' failed to satisfy constraint: Member must {}",
                       value, path, rule);
  };
  const auto typed = [](std::string_view path, std::string_view type) {
    return fmt::format("SerializationException: Member '{}' must be a {}", path, type);
  };
  constexpr const char* kLogging = "loggingConfiguration";
  const std::string one = "InvalidLoggingConfiguration: Invalid Logging Configuration: Must specify exactly one Log Destination.";
  const std::string group = R"({"cloudWatchLogsLogGroup":{"logGroupArn":"arn:aws:logs:us-east-1:000000000000:log-group:g:*"}})";
  EXPECT_EQ(told(kLogging, "5"), typed(kLogging, "structure"));
  EXPECT_EQ(told(kLogging, R"({"level":"FOO"})"),
            invalid("'FOO'", "loggingConfiguration.level", "satisfy enum value set: [ALL, ERROR, FATAL, OFF]"));
  EXPECT_EQ(told(kLogging, R"({"level":5})"), typed("loggingConfiguration.level", "string"));
  EXPECT_EQ(told(kLogging, R"({"includeExecutionData":"yes"})"), typed("loggingConfiguration.includeExecutionData", "boolean"));
  EXPECT_EQ(told(kLogging, R"({"destinations":{}})"), typed("loggingConfiguration.destinations", "list"));
  EXPECT_EQ(told(kLogging, R"({"destinations":[5]})"), typed("loggingConfiguration.destinations.1.member", "structure"));
  for (const auto* level : {"ALL", "ERROR", "FATAL"}) {
    EXPECT_EQ(told(kLogging, fmt::format(R"({{"level":"{}"}})", level)), one);
    EXPECT_EQ(told(kLogging, fmt::format(R"({{"level":"{}","destinations":[]}})", level)), one);
  }
  EXPECT_EQ(told(kLogging, fmt::format(R"({{"level":"ALL","destinations":[{0},{0}]}})", group)), one);
  EXPECT_THAT(told(kLogging, R"({"destinations":[{}]})"), HasSubstr("InvalidLoggingConfiguration: Invalid Logging Configuration: A Log"));
  EXPECT_EQ(
      told(kLogging, R"({"destinations":[{"cloudWatchLogsLogGroup":{"logGroupArn":"arn:aws:logs:r:a:log-group:g"}}]})"),
      "InvalidLoggingConfiguration: Invalid Logging Configuration: logGroupArn 'arn:aws:logs:r:a:log-group:g' must be the ARN of a log "
      "group and end with ':*'.");
  EXPECT_EQ(told("tracingConfiguration", "[]"), typed("tracingConfiguration", "structure"));
  EXPECT_EQ(told("tracingConfiguration", R"({"enabled":"true"})"), typed("tracingConfiguration.enabled", "boolean"));
  constexpr const char* kEncryption = "encryptionConfiguration";
  EXPECT_EQ(told(kEncryption, "true"), typed(kEncryption, "structure"));
  EXPECT_EQ(told(kEncryption, "{}"), invalid("null", "encryptionConfiguration.type", "not be null"));
  EXPECT_EQ(told(kEncryption, R"({"type":"MINE"})"),
            invalid("'MINE'", "encryptionConfiguration.type", "satisfy enum value set: [AWS_OWNED_KEY, CUSTOMER_MANAGED_KMS_KEY]"));
  EXPECT_EQ(told(kEncryption, R"({"type":"AWS_OWNED_KEY","kmsDataKeyReusePeriodSeconds":59})"),
            invalid("'59'", "encryptionConfiguration.kmsDataKeyReusePeriodSeconds", "have value greater than or equal to 60"));
  EXPECT_THAT(told(kEncryption, R"({"type":"CUSTOMER_MANAGED_KMS_KEY","kmsKeyId":"k"})"), HasSubstr("not available on this server"));
  EXPECT_EQ(refusal("DescribeStateMachine", {{"stateMachineArn", machine + "x"}}).substr(0, 24), "StateMachineDoesNotExist");

  const auto update = [&](const char* member, std::string_view value) {
    return json::textOr(call("UpdateStateMachine", {{"stateMachineArn", machine}, {member, *json::parse(value)}}), "revisionId");
  };
  EXPECT_NE(update(kEncryption, R"({"type":"AWS_OWNED_KEY"})"), "");
  EXPECT_NE(update(kLogging, fmt::format(R"({{"level":"ALL","destinations":[{}]}})", group)), "");
  EXPECT_NE(update("tracingConfiguration", R"({"enabled":true})"), "");
  const auto shown = call("DescribeStateMachine", {{"stateMachineArn", machine}});
  EXPECT_EQ(shown.at(kLogging), *json::parse(fmt::format(R"({{"level":"ALL","includeExecutionData":false,"destinations":[{}]}})", group)));
  EXPECT_EQ(shown.at("tracingConfiguration"), *json::parse(R"({"enabled":true})"));
}

// The same whatever they are given to.
TEST_F(StatesTest, TagsAreChecked) {
  const auto machine = create("m");
  const auto told = [&](const json::Array& tags) {
    auto refused = refusal("TagResource", {{"resourceArn", machine}, {"tags", tags}});
    EXPECT_EQ(refusal("CreateStateMachine", {{"name", "n"}, {"definition", kPass}, {"roleArn", kRole}, {"tags", tags}}), refused);
    EXPECT_EQ(refusal("CreateActivity", {{"name", "a"}, {"tags", tags}}), refused);
    return refused;
  };
  const auto tag = [](const auto& key, const auto& value) { return json::Object{{"key", key}, {"value", value}}; };
  const auto invalid = [](std::string_view value, std::string_view path, std::string_view rule) {
    return fmt::format("ValidationException: 1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: Member must {}",
                       value, path, rule);
  };
  EXPECT_EQ(told({tag("k", "1"), tag("l", "2"), tag("k", "3")}),
            invalid("k", "tags.3.member.key", "be unique: each key may be given once"));
  for (const auto* key : {"aws:x", "AWS:x", "aws:"})
    EXPECT_EQ(told({tag(key, "v")}), invalid(key, "tags.1.member.key", "not begin with 'aws:', which is reserved for system use"));
  EXPECT_EQ(told({tag("", "v")}), invalid("", "tags.1.member.key", "have length greater than or equal to 1"));
  EXPECT_EQ(told({json::Object{{"value", "v"}}}), invalid("", "tags.1.member.key", "have length greater than or equal to 1"));
  const std::string long_key(129, 'x');
  EXPECT_EQ(told({tag(long_key, "v")}), invalid(long_key, "tags.1.member.key", "have length less than or equal to 128"));
  EXPECT_THAT(told({tag("k", std::string(257, 'x'))}), HasSubstr("at 'tags.1.member.value' failed to satisfy constraint: Member must have "
                                                                 "length less than or equal to 256"));
  EXPECT_EQ(told({tag("a|b", "v")}), invalid("a|b", "tags.1.member.key", "have letters, digits, white space and _ . : / = + - @ only"));
  EXPECT_EQ(told({tag(5, "v")}), "SerializationException: Member 'tags.1.member.key' must be a string");
  EXPECT_EQ(told({tag("k", true)}), "SerializationException: Member 'tags.1.member.value' must be a string");
  EXPECT_EQ(told({5}), "SerializationException: Member 'tags.1.member' must be a structure");
  // Characters count, not bytes; the same key anew takes the new value.
  std::string umlauts;
  for (int i = 0; i < 128; ++i) umlauts += "ü";
  call("TagResource", {{"resourceArn", machine}, {"tags", json::Array{tag(umlauts, "1"), tag("k", "a: b/c=d+e-f@g_h.i")}}});
  call("TagResource", {{"resourceArn", machine}, {"tags", json::Array{tag("k", "2")}}});
  EXPECT_EQ(json::find(call("ListTagsForResource", {{"resourceArn", machine}}), "tags")->get_array().size(), 2U);
}

TEST_F(StatesTest, StartingTwiceIsOneExecutionWhileItRuns) {
  const auto machine = create("m");
  const auto started = call("StartExecution", {{"stateMachineArn", machine}, {"name", "e"}, {"input", "{\"a\":1}"}});
  EXPECT_EQ(call("StartExecution", {{"stateMachineArn", machine}, {"name", "e"}, {"input", "{\"a\":1}"}}), started);
  const auto again = "ExecutionAlreadyExists: Execution Already Exists: 'arn:aws:states:us-east-1:000000000000:execution:m:e'";
  EXPECT_EQ(refusal("StartExecution", {{"stateMachineArn", machine}, {"name", "e"}, {"input", "{}"}}), again);
  clock_.advance(std::chrono::minutes(2));
  core_->runPending();
  EXPECT_EQ(refusal("StartExecution", {{"stateMachineArn", machine}, {"name", "e"}, {"input", "{\"a\":1}"}}), again);
  const auto shown = call("DescribeExecution", {{"executionArn", *json::find(started, "executionArn")}});
  EXPECT_EQ(json::textOr(shown, "status"), "SUCCEEDED");
  EXPECT_EQ(json::textOr(shown, "output"), "{\"a\":1}");
}

TEST_F(StatesTest, ARetriedCallStartsOneExecution) {
  const auto machine = create("p", kPass);
  const auto first = call("StartExecution", {{"stateMachineArn", machine}}, "invocation-1");
  EXPECT_EQ(call("StartExecution", {{"stateMachineArn", machine}}, "invocation-1"), first);
  EXPECT_NE(call("StartExecution", {{"stateMachineArn", machine}}, "invocation-2"), first);
}

TEST_F(StatesTest, InputsAreChecked) {
  const auto machine = create("m");
  EXPECT_THAT(refusal("StartExecution", {{"stateMachineArn", machine}, {"input", "{"}}),
              HasSubstr("InvalidExecutionInput: Invalid State Machine Execution Input: '"));
  EXPECT_THAT(refusal("StartExecution", {{"stateMachineArn", machine}, {"input", "\"" + std::string(262'143, 'x') + "\""}}),
              HasSubstr("at most 262144"));
  EXPECT_EQ(refusal("StartExecution", {{"stateMachineArn", machine}, {"input", R"({"a":"\ud83d\ude00 \ud800"})"}}),
            "InvalidExecutionInput: Invalid State Machine Execution Input: 'invalid JSON at byte 19: \\ud800 is half of a surrogate pair "
            "without its other half, which no UTF-8 text can hold'");
  EXPECT_EQ(refusal("StartExecution", {{"stateMachineArn", machine}, {"input", std::string(600, '[') + std::string(600, ']')}}),
            "InvalidExecutionInput: Invalid State Machine Execution Input: 'invalid JSON at byte 512: nested too deep, at most 512 arrays "
            "and objects within each other are taken'");
  EXPECT_THAT(refusal("StartExecution", {{"stateMachineArn", machine + "x"}}),
              HasSubstr("StateMachineDoesNotExist: State Machine Does Not Exist: '"));
  EXPECT_EQ(refusal("StartExecution", {{"stateMachineArn", "m"}}), "InvalidArn: Invalid Arn: 'Invalid ARN prefix: m'");
  EXPECT_EQ(refusal("DescribeExecution", {{"executionArn", machine}}),
            "InvalidArn: Invalid Arn: 'Resource type not valid in this context: stateMachine'");
}

TEST_F(StatesTest, ExecutionsAndHistoryArePaged) {
  const auto machine = create("p", kPass);
  for (int i = 0; i < 5; ++i) call("StartExecution", {{"stateMachineArn", machine}, {"name", "e" + std::to_string(i)}});
  auto page = call("ListExecutions", {{"stateMachineArn", machine}, {"maxResults", 2}});
  EXPECT_EQ(json::textOr(json::find(page, "executions")->get_array()[0].get_object(), "name"), "e4");
  page = call("ListExecutions", {{"stateMachineArn", machine}, {"maxResults", 2}, {"nextToken", *json::find(page, "nextToken")}});
  EXPECT_EQ(json::textOr(json::find(page, "executions")->get_array()[0].get_object(), "name"), "e2");
  EXPECT_EQ(
      json::find(call("ListExecutions", {{"stateMachineArn", machine}, {"statusFilter", "FAILED"}}), "executions")->get_array().size(), 0U);
  EXPECT_THAT(refusal("ListExecutions", {{"stateMachineArn", machine}, {"nextToken", "eHg="}}),
              HasSubstr("InvalidToken: Invalid Token: 'Invalid token'"));
  EXPECT_THAT(refusal("ListExecutions", {{"stateMachineArn", machine}, {"maxResults", 1001}}),
              HasSubstr("ValidationException: 1 validation error detected: Value '1001'"));

  const std::string execution = "arn:aws:states:us-east-1:000000000000:execution:p:e1";
  std::string ids;
  json::Object input{{"executionArn", execution}, {"maxResults", 3}, {"reverseOrder", true}, {"includeExecutionData", false}};
  for (bool more = true; more;) {
    const auto events = call("GetExecutionHistory", input);
    for (const auto& event : json::find(events, "events")->get_array()) {
      ids += std::to_string(json::intOr(event.get_object(), "id", 0));
      EXPECT_THAT(json::toText(event), testing::Not(HasSubstr("input")));
    }
    const auto* token = json::find(events, "nextToken");
    more = token != nullptr;
    if (more) input["nextToken"] = *token;
  }
  EXPECT_EQ(ids, "4321");
}

// As a machine has them that has run for long: no call looks at all of them.
TEST_F(StatesTest, FiltersFindWhatIsFarBackPageByPage) {
  const auto machine = create("m");
  constexpr int kRows = 12'000;
  core_->post([&](store::Txn& txn) {
    for (int i = 0; i < kRows; ++i) {
      const bool redriven = i == 10 || i == 6'000;
      txn.executions().insert({"arn" + std::to_string(i),
                               machine,
                               "n",
                               i == 20   ? "RUNNING"
                               : i == 30 ? "ABORTED"
                                         : "FAILED",
                               fromMicros(i),
                               {},
                               redriven  ? R"({"redriveCount":1})"
                               : i == 40 ? R"({"input":"redriveCount"})"
                                         : "{}",
                               ""},
                              {});
    }
    return true;
  });
  core_->runPending();
  int pages = 0;
  const auto found = [&](json::Object filter, int size) {
    std::string arns;
    filter["stateMachineArn"] = machine;
    filter["maxResults"] = size;
    for (pages = 1;; ++pages) {
      const auto answer = call("ListExecutions", filter);
      const auto& shown = answer.at("executions").get_array();
      EXPECT_LE(shown.size(), static_cast<std::size_t>(size));
      for (const auto& one : shown) arns += json::textOr(one.get_object(), "executionArn") + " ";
      if (json::find(answer, "nextToken") == nullptr) return arns;
      filter["nextToken"] = answer.at("nextToken");
    }
  };
  EXPECT_EQ(found({{"statusFilter", "RUNNING"}}, 1), "arn20 ");
  EXPECT_EQ(pages, 1);
  EXPECT_EQ(found({{"statusFilter", "ABORTED"}}, 1), "arn30 ");
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(found({{"redriveFilter", "REDRIVEN"}}, 1), "arn6000 arn10 ");
  EXPECT_LE(pages, 4);
  EXPECT_EQ(found({{"redriveFilter", "REDRIVEN"}, {"statusFilter", "RUNNING"}}, 1000), "");
  EXPECT_EQ(pages, 1);
  EXPECT_EQ(found({{"statusFilter", "PENDING_REDRIVE"}}, 1000), "");
  EXPECT_EQ(pages, 1);
}

TEST_F(StatesTest, LongDocumentsAreShownWholeInEveryEvent) {
  const auto machine = create("p", kPass);
  const auto input = "\"" + std::string(3000, 'x') + "\"";
  const auto execution = *json::find(call("StartExecution", {{"stateMachineArn", machine}, {"input", input}}), "executionArn");
  int shown = 0;
  for (const auto& event : json::find(call("GetExecutionHistory", {{"executionArn", execution}}), "events")->get_array())
    for (const auto& member : event.get_object())
      for (const auto* key : {"input", "output"})
        if (member.value().is_object() && json::textOr(member.value().get_object(), key) == input) ++shown;
  EXPECT_EQ(shown, 4);
}

TEST_F(StatesTest, RunningExecutionsKeepTheirDefinition) {
  const auto machine = create("m");
  const auto execution = json::textOr(call("StartExecution", {{"stateMachineArn", machine}}), "executionArn");
  const auto updated = call("UpdateStateMachine", {{"stateMachineArn", machine}, {"definition", kPass}});
  EXPECT_NE(json::textOr(updated, "revisionId"), "");
  EXPECT_EQ(json::textOr(call("DescribeStateMachineForExecution", {{"executionArn", execution}}), "definition"), kWait);
  call("DeleteStateMachine", {{"stateMachineArn", machine}});
  EXPECT_THAT(refusal("DescribeStateMachine", {{"stateMachineArn", machine}}), HasSubstr("StateMachineDoesNotExist"));
  clock_.advance(std::chrono::minutes(2));
  core_->runPending();
  EXPECT_EQ(json::textOr(call("DescribeExecution", {{"executionArn", execution}}), "status"), "SUCCEEDED");
  EXPECT_THAT(refusal("UpdateStateMachine", {{"stateMachineArn", create("n")}}), HasSubstr("MissingRequiredParameter"));
}

TEST_F(StatesTest, BuiltInMachinesAreReadOnlyAndWithoutLimits) {
  std::string loop =
      R"({"StartAt":"A","States":{"A":{"Type":"Map","ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true}}})";
  core_->post([&](store::Txn& txn) {
    EXPECT_TRUE(registerBuiltin(txn, *context_, *runtime_, tasks_, *activities_, "Built", loop));
    EXPECT_TRUE(registerBuiltin(txn, *context_, *runtime_, tasks_, *activities_, "Built", loop));
    EXPECT_THAT(registerBuiltin(txn, *context_, *runtime_, tasks_, *activities_, "Bad", "{}").error().message,
                HasSubstr("SCHEMA_VALIDATION_FAILED"));
    return true;
  });
  const std::string machine = "arn:aws:states:us-east-1:000000000000:stateMachine:Built";
  EXPECT_THAT(refusal("UpdateStateMachine", {{"stateMachineArn", machine}, {"definition", kPass}}),
              HasSubstr("is built in and cannot be changed"));
  EXPECT_THAT(refusal("DeleteStateMachine", {{"stateMachineArn", machine}}), HasSubstr("is built in and cannot be deleted"));
  std::string items = "[0";
  for (int i = 1; i < 9000; ++i) items += ",\"" + std::string(40, 'x') + "\"";
  const auto execution = json::textOr(call("StartExecution", {{"stateMachineArn", machine}, {"input", items + "]"}}), "executionArn");
  core_->runPending();
  const auto shown = call("DescribeExecution", {{"executionArn", execution}});
  EXPECT_EQ(json::textOr(shown, "status"), "SUCCEEDED");
  EXPECT_EQ(json::textOr(shown, "redriveStatus"), "NOT_REDRIVABLE");
}

TEST_F(StatesTest, StopIsHarmlessTwice) {
  const auto execution = json::textOr(call("StartExecution", {{"stateMachineArn", create("m")}}), "executionArn");
  const auto stopped = call("StopExecution", {{"executionArn", execution}, {"error", "E"}, {"cause", "C"}});
  EXPECT_EQ(call("StopExecution", {{"executionArn", execution}}), stopped);
  const auto shown = call("DescribeExecution", {{"executionArn", execution}});
  EXPECT_EQ(json::textOr(shown, "status") + json::textOr(shown, "error") + json::textOr(shown, "cause"), "ABORTEDEC");
}

// AWS counts characters: a cause of 12,000 ideographs has 36,000 bytes.
TEST_F(StatesTest, ErrorCauseAndWorkerAreLimitedInCharacters) {
  const auto letters = [](std::size_t count) {
    std::string text;
    while (count-- > 0) text += "é";
    return text;
  };
  const auto execution = json::textOr(call("StartExecution", {{"stateMachineArn", create("m")}}), "executionArn");
  EXPECT_EQ(refusal("StopExecution", {{"executionArn", execution}, {"cause", letters(32'769)}}),
            "ValidationException: 1 validation error detected: Value '" + letters(32) +
                "…' at 'cause' failed to satisfy constraint: Member must have length less than or equal to 32768");
  EXPECT_THAT(refusal("StopExecution", {{"executionArn", execution}, {"error", letters(257)}}), HasSubstr("at 'error' failed"));
  call("StopExecution", {{"executionArn", execution}, {"error", letters(256)}, {"cause", letters(32'768)}});
  const auto shown = call("DescribeExecution", {{"executionArn", execution}});
  EXPECT_EQ(json::textOr(shown, "error"), letters(256));
  EXPECT_EQ(json::textOr(shown, "cause"), letters(32'768));

  const auto activity = json::textOr(call("CreateActivity", {{"name", "of-words"}}), "activityArn");
  EXPECT_EQ(call("GetActivityTask", {{"activityArn", activity}, {"workerName", letters(80)}}), json::Object());
  EXPECT_THAT(refusal("GetActivityTask", {{"activityArn", activity}, {"workerName", letters(81)}}), HasSubstr("at 'workerName' failed"));
  const auto failure = [&](std::size_t error, std::size_t cause) {
    return refusal("SendTaskFailure", {{"taskToken", "none"}, {"error", letters(error)}, {"cause", letters(cause)}});
  };
  EXPECT_THAT(failure(256, 32'768), HasSubstr("InvalidToken"));
  EXPECT_THAT(failure(257, 0), HasSubstr("at 'error' failed"));
  EXPECT_THAT(failure(0, 32'769), HasSubstr("at 'cause' failed"));
}

TEST_F(StatesTest, TagsComeAndGo) {
  const auto machine = create("m");
  call("TagResource", {{"resourceArn", machine},
                       {"tags", json::Array{json::Object{{"key", "k"}, {"value", "v"}}, json::Object{{"key", "l"}, {"value", "w"}}}}});
  call("UntagResource", {{"resourceArn", machine}, {"tagKeys", json::Array{"k"}}});
  EXPECT_EQ(json::toText(call("ListTagsForResource", {{"resourceArn", machine}})), R"({"tags":[{"key":"l","value":"w"}]})");
  EXPECT_THAT(refusal("TagResource", {{"resourceArn", machine + "x"}, {"tags", json::Array()}}), HasSubstr("ResourceNotFound"));
}

// A step gives its tasks one moment; the tenth is not offered before the second.
TEST_F(StatesTest, AnActivitysTasksAreHandedOutInTheOrderInWhichTheyWereScheduled) {
  const auto arn = json::textOr(call("CreateActivity", {{"name", "work"}}), "activityArn");
  core_->post([&](store::Txn& txn) {
    for (int number = 2; number <= 11; ++number)
      activities_->schedule(txn, arn, engine::globalName("arn:aws:states:us-east-1:000000000000:execution:m:e", number), "{}");
    return true;
  });
  core_->runPending();
  std::vector<std::int64_t> order;
  core_->post([&](store::Txn& txn) {
    while (const auto task = activities_->take(txn, arn)) order.push_back(engine::splitGlobalName(task->token).second);
    return true;
  });
  core_->runPending();
  EXPECT_EQ(order, (std::vector<std::int64_t>{2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
}

}  // namespace
}  // namespace sp::services::states
