// Documents: how they are read, what is refused, how parameters are put in, what a machine is told to do.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "model/documents/plan.h"
#include "model/documents/yaml.h"

namespace sp::document {
namespace {

json::Value of(std::string_view text) { return *json::parse(text); }

Content contentOf(std::string_view text) {
  auto content = parseContent(text);
  EXPECT_TRUE(content) << content.error().text();
  return content ? std::move(*content) : Content();
}

/// A document of schema 2.2 with these parameters and steps.
std::string document(std::string_view steps, std::string_view parameters = "{}") {
  return fmt::format(R"({{"schemaVersion":"2.2","parameters":{},"mainSteps":{}}})", parameters, steps);
}

std::string refusal(std::string_view text) {
  const auto content = parseContent(text);
  return content ? "accepted" : content.error().code + ": " + content.error().message;
}

Plan planOf(std::string_view text, std::string_view given = "{}", const PlanFor& wanted = {}) {
  const auto content = contentOf(text);
  const auto values = readValues(content, "Doc", of(given).get_object());
  EXPECT_TRUE(values) << values.error().text();
  auto plan = makePlan(content, *values, wanted);
  EXPECT_TRUE(plan) << plan.error().text();
  return plan ? std::move(*plan) : Plan();
}

std::string planRefusal(std::string_view text, std::string_view given = "{}", const PlanFor& wanted = {}) {
  const auto content = contentOf(text);
  const auto values = readValues(content, "Doc", of(given).get_object());
  if (!values) return values.error().code + ": " + values.error().message;
  const auto plan = makePlan(content, *values, wanted);
  return plan ? "accepted" : plan.error().code + ": " + plan.error().message;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(Yaml, ScalarsAreWhatPeopleMean) {
  const auto value = parseYaml("a: text\nb: 3\nc: true\nd: ~\ne: 2.5\nf: '3'\ng: no\nh: 0755\ni: |\n  one\n  two\nj: [x, y]\nk: {l: -4}\n");
  ASSERT_TRUE(value) << value.error().text();
  EXPECT_EQ(json::toText(*value),
            R"({"a":"text","b":3,"c":true,"d":null,"e":2.5,"f":"3","g":"no","h":"0755","i":"one\ntwo\n","j":["x","y"],"k":{"l":-4}})");
}

TEST(Yaml, WhatIsNotForDocumentsIsRefusedWithItsPlace) {
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{{"a: &x 1\nb: *x\n", "line 1, column 4: anchors"},
                                                                                   {"a: 1\na: 2\n", "line 2, column 1: the key 'a'"},
                                                                                   {"a: 1\n---\nb: 2\n", "a second document"},
                                                                                   {"a: !!binary x\n", "tags are not allowed"},
                                                                                   {"a: [1\n", "line 2"},
                                                                                   {"", "no YAML document"},
                                                                                   {"\xff\xfe", "not UTF-8"}}) {
    const auto value = parseYaml(text);
    ASSERT_FALSE(value) << text;
    EXPECT_TRUE(has(value.error().message, part)) << value.error().message;
  }
  EXPECT_FALSE(parseYaml(std::string(100, '[')));
  EXPECT_FALSE(parseYaml(std::string(100, '[') + std::string(100, ']')));
}

TEST(Yaml, WhatIsWrittenReadsBackTheSame) {
  const auto value =
      of(R"({"a":"3","b":3,"c":["x\ny\n","  z\n","\nq"," true ","true","","null","#no","a: b"],"d":{},"e":[],"f":1.5,"g":true,"h":null})");
  const auto back = parseYaml(toYaml(value));
  ASSERT_TRUE(back) << back.error().text() << toYaml(value);
  EXPECT_EQ(json::toText(*back), json::toText(value)) << toYaml(value);
}

TEST(Content, BothFormatsSayTheSame) {
  const auto from_yaml = contentOf(
      "schemaVersion: '2.2'\ndescription: Say it\nparameters:\n  word:\n    type: String\n    default: hello\nmainSteps:\n"
      "- action: aws:runShellScript\n  name: say\n  inputs:\n    timeoutSeconds: 60\n    runCommand:\n    - echo {{ word }}\n");
  EXPECT_EQ(from_yaml.schema, "2.2");
  EXPECT_EQ(from_yaml.description, "Say it");
  ASSERT_EQ(from_yaml.steps.size(), 1U);
  EXPECT_EQ(from_yaml.steps[0].name, "say");
  EXPECT_EQ(from_yaml.parameters[0].name, "word");
  EXPECT_TRUE(parseContent("schemaVersion: 2.2\nmainSteps: [{action: 'aws:runShellScript', name: a, inputs: {runCommand: [x]}}]"));
}

TEST(Content, WhatIsWrongIsNamed) {
  const std::string step = R"([{"action":"aws:runShellScript","name":"a","inputs":{"runCommand":["x"]}}])";
  EXPECT_EQ(refusal(document(step)), "accepted");
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"{", "no JSON"},
           {"[]", "must be an object"},
           {R"({"mainSteps":[]})", "no \"schemaVersion\""},
           {R"({"schemaVersion":"0.3","mainSteps":[]})", "document.schema: schemaVersion 0.3"},
           {document("[]"), "at least one step"},
           {document(R"([{"action":"aws:runShellScript","name":"a b","inputs":{"runCommand":["x"]}}])"), "named \"a b\""},
           {document(R"([{"action":"aws:configurePackage","name":"a","inputs":{}}])"), "aws:configurePackage is not served"},
           {document(R"([{"action":"aws:nothing","name":"a","inputs":{}}])"), "no action \"aws:nothing\""},
           {document(R"([{"action":"aws:runShellScript","name":"a","inputs":{}}])"), "no input \"runCommand\""},
           {document(R"([{"action":"aws:runShellScript","name":"a","inputs":{"runCommand":["x"],"commands":[]}}])"), "\"commands\""},
           {document(R"([{"action":"aws:runShellScript","name":"a"}])"), "no object \"inputs\""},
           {document(R"([{"action":"aws:runShellScript","name":"a","isCritical":true,"inputs":{"runCommand":["x"]}}])"), "Automation"},
           {document(R"([{"action":"aws:runShellScript","name":"a","inputs":{"runCommand":["x"],"onFailure":"abort"}}])"),
            "onFailure is \"abort\""},
           {document(R"([{"action":"aws:runShellScript","name":"a","inputs":{"runCommand":["x"],"finallyStep":true}},
                         {"action":"aws:runShellScript","name":"b","inputs":{"runCommand":["x"]}}])"),
            "finallyStep and is not the last"},
           {document(R"([{"action":"aws:runShellScript","name":"a","inputs":{"runCommand":["x"]}},
                         {"action":"aws:runShellScript","name":"a","inputs":{"runCommand":["x"]}}])"),
            "two steps are named"},
           {document(R"([{"action":"aws:runShellScript","name":"a","precondition":{"x":1},"inputs":{"runCommand":["x"]}}])"),
            "precondition"},
           {document(R"([{"action":"aws:downloadContent","name":"a","inputs":{"sourceType":"GitHub","sourceInfo":{}}}])"),
            "\"GitHub\" is not fetched"},
           {document(step, R"({"a-b":{"type":"String"}})"), "letters and digits"},
           {document(step, R"({"a":{"type":"Text"}})"), "the type \"Text\""},
           {document(step, R"({"a":{"type":"String","allowedPattern":"("}})"), "cannot be read"},
           {document(step, R"({"a":{"type":"String","allowedValues":["x"],"default":"y"}})"), "does not fit"},
           {document(step, R"({"a":{"type":"String","pattern":"y"}})"), "\"pattern\""},
           {R"({"schemaVersion":"2.2","steps":[],"mainSteps":[]})", "\"steps\""}})
    EXPECT_TRUE(has(refusal(text), part)) << text << "\n" << refusal(text);
}

TEST(Content, PlatformsFollowFromItsSteps) {
  const auto platforms = [](std::string_view text) { return fmt::format("{}", fmt::join(contentOf(text).platforms(), ",")); };
  EXPECT_EQ(platforms(R"({"schemaVersion":"1.2","runtimeConfig":{"aws:runShellScript":{"properties":[{"runCommand":"x"}]}}})"),
            "Linux,MacOS");
  EXPECT_EQ(platforms(R"({"schemaVersion":"1.2","runtimeConfig":{"aws:runPowerShellScript":{"properties":[{"runCommand":"x"}]}}})"),
            "Windows");
  EXPECT_EQ(platforms(document(R"([{"action":"aws:runShellScript","name":"a","precondition":{"StringEquals":["platformType","Linux"]},
                                    "inputs":{"runCommand":["x"]}}])")),
            "Linux");
}

TEST(Parameters, TypesAllowedValuesPatternsAndLengthsAreChecked) {
  const auto text =
      document(R"([{"action":"aws:runShellScript","name":"a","inputs":{"runCommand":["x"]}}])",
               R"({"text":{"type":"String","default":"d","maxChars":4},"list":{"type":"StringList","default":["a"],"maxItems":2},
                                 "flag":{"type":"Boolean","default":false},"number":{"type":"Integer","default":1},
                                 "map":{"type":"StringMap","default":{}},"maps":{"type":"MapList","default":[]},
                                 "choice":{"type":"String","default":"one","allowedValues":["one","two"]},
                                 "digits":{"type":"String","default":"1","allowedPattern":"[0-9]+"}})");
  const auto content = contentOf(text);
  const auto read = [&](std::string_view given) {
    const auto values = readValues(content, "Doc", of(given).get_object());
    if (!values) return values.error().code + ": " + values.error().message;
    json::Object all;
    for (const auto& [name, value] : *values) all[name] = value;
    return json::toText(all);
  };
  EXPECT_EQ(read("{}"), R"({"choice":"one","digits":"1","flag":false,"list":["a"],"map":{},"maps":[],"number":1,"text":"d"})");
  EXPECT_EQ(
      read(
          R"({"text":["ü€x"],"list":["1","2"],"flag":["true"],"number":["-7"],"map":["{\"a\":1}"],"maps":["{\"b\":2}"],"choice":["two"]})"),
      R"({"choice":"two","digits":"1","flag":true,"list":["1","2"],"map":{"a":1},"maps":[{"b":2}],"number":-7,"text":"ü€x"})");
  for (const auto& [given, part] :
       std::vector<std::pair<std::string, std::string>>{{R"({"other":["x"]})", "not defined in the document"},
                                                        {R"({"text":["12345"]})", "at most 4"},
                                                        {R"({"text":"x"})", "must be a list of strings"},
                                                        {R"({"text":[1]})", "it holds number"},
                                                        {R"({"list":["1","2","3"]})", "at most 2"},
                                                        {R"({"flag":["maybe"]})", "true or false"},
                                                        {R"({"number":["1.5"]})", "whole number"},
                                                        {R"({"map":["x"]})", "JSON object"},
                                                        {R"({"maps":["x"]})", "JSON objects"},
                                                        {R"({"choice":["three"]})", "allowed values: [one, two]"},
                                                        {R"({"digits":["12x"]})", "allowed pattern [0-9]+"}})
    EXPECT_TRUE(read(given).starts_with("document.parameters: ") && has(read(given), part)) << read(given);
  const auto required =
      contentOf(document(R"([{"action":"aws:runShellScript","name":"a","inputs":{"runCommand":["x"]}}])", R"({"a":{"type":"String"}})"));
  EXPECT_FALSE(readValues(required, "Doc", {}));
  EXPECT_FALSE(readValues(required, "Doc", {{"a", json::Array{}}}));
}

TEST(Parameters, AreTypedWhenAloneAndTextOrJsonWithin) {
  const Values values{{"text", "a \"b\""}, {"list", of(R"(["x","y"])")}, {"map", of(R"({"k":1})")}, {"number", 5}, {"inner", "{{ text }}"}};
  EXPECT_EQ(json::toText(substitute(of(R"(["{{ list }}","{{map}}","{{ number }}","{{text}}"])"), values)),
            R"([["x","y"],{"k":1},5,"a \"b\""])");
  EXPECT_EQ(substituteText("1 {{ text }} 2 {{list}} 3 {{ map }} 4 {{number}}", values), R"(1 a "b" 2 ["x","y"] 3 {"k":1} 4 5)");
  EXPECT_EQ(substituteText("{{ inner }}{{ none }} {{.Names}} {{ {{ number }} }} {{", values), "{{ text }}{{ none }} {{.Names}} {{ 5 }} {{");
}

TEST(Plan, StepsCarryTheirScriptsTimesAndFlow) {
  const auto plan = planOf(
      document(R"([{"action":"aws:runShellScript","name":"one","inputs":
      {"runCommand":["set -e","{{ lines }}"],"workingDirectory":"{{ where }}","timeoutSeconds":"{{ seconds }}","onFailure":"exit"}},
      {"action":"aws:runShellScript","name":"two","onSuccess":"exit","inputs":{"runCommand":"echo","timeoutSeconds":3}},
      {"action":"aws:runShellScript","name":"last","inputs":{"runCommand":["end"],"finallyStep":"true"}}])",
               R"({"lines":{"type":"StringList"},"where":{"type":"String","default":"/tmp"},"seconds":{"type":"String","default":"60"}})"),
      R"({"lines":["a","b"]})");
  ASSERT_EQ(plan.steps.size(), 3U);
  EXPECT_EQ(plan.steps[0].script, "set -e\na\nb");
  EXPECT_EQ(plan.steps[0].working_directory, "/tmp");
  EXPECT_EQ(plan.steps[0].timeout_seconds, 60);
  EXPECT_EQ(plan.steps[0].on_failure, "exit");
  EXPECT_EQ(plan.steps[1].on_success, "exit");
  EXPECT_EQ(plan.steps[1].timeout_seconds, 3600) << "below 5 counts as the default";
  EXPECT_TRUE(plan.steps[2].finally_step);
  EXPECT_EQ(plan.seconds(), 60 + 3600 + 3600);
  EXPECT_EQ(json::toText(Plan::decode(plan.encode()).encode()), json::toText(plan.encode()));
}

TEST(Plan, StepsOfOtherPlatformsAreSkipped) {
  const auto text = document(R"([
      {"action":"aws:runPowerShellScript","name":"win","inputs":{"runCommand":["x"]}},
      {"action":"aws:runShellScript","name":"mac","precondition":{"StringEquals":["platformType","MacOS"]},"inputs":{"runCommand":["x"]}},
      {"action":"aws:runShellScript","name":"on","precondition":{"StringEquals":["{{ do }}","yes"]},"inputs":{"runCommand":["x"]}}])",
                             R"({"do":{"type":"String","default":"no"}})");
  const auto plan = planOf(text);
  EXPECT_EQ(plan.steps[0].skipped, "Step execution skipped due to unsupported platform. Step name: win");
  EXPECT_EQ(plan.steps[1].skipped,
            "Step execution skipped due to unsatisfied preconditions: '\"StringEquals\": [platformType, MacOS]'. Step name: mac");
  EXPECT_FALSE(plan.steps[2].skipped.empty());
  EXPECT_TRUE(planOf(text, R"({"do":["yes"]})").steps[2].skipped.empty());
}

TEST(Plan, SchemaOneTwoRunsEachPropertyOfAPlugin) {
  const auto plan = planOf(R"({"schemaVersion":"1.2","runtimeConfig":{"aws:runShellScript":{"properties":
      [{"id":"first","runCommand":"a"},{"runCommand":["b"],"timeoutSeconds":10}]}}})");
  ASSERT_EQ(plan.steps.size(), 1U);
  ASSERT_EQ(plan.steps[0].steps.size(), 2U);
  EXPECT_EQ(plan.steps[0].steps[0].name, "first");
  EXPECT_EQ(plan.steps[0].steps[1].name, "1.aws:runShellScript");
  EXPECT_EQ(plan.seconds(), 3610);
}

TEST(Plan, ContentComesFromBucketsAndDocuments) {
  PlanFor wanted;
  wanted.lookup = [](std::string_view name) -> Result<std::string> {
    if (name == "Inner:2")
      return document(R"([{"action":"aws:runShellScript","name":"in","inputs":{"runCommand":["echo {{ a }}"]}}])",
                      R"({"a":{"type":"String"}})");
    if (name == "Loop")
      return document(R"([{"action":"aws:runDocument","name":"in","inputs":{"documentType":"SSMDocument","documentPath":"Loop"}}])");
    return fail("document.missing", "there is no document " + std::string(name));
  };
  const auto download = [](std::string_view type, std::string_view info) {
    return document(
        fmt::format(R"([{{"action":"aws:downloadContent","name":"get","inputs":{{"sourceType":"{{{{ t }}}}","sourceInfo":{}}}}}])", info),
        fmt::format(R"({{"t":{{"type":"String","default":"{}"}}}})", type));
  };
  EXPECT_EQ(planOf(download("S3", R"("{\"path\":\"s3://b/k\"}")")).steps[0].source->key, "k");
  EXPECT_EQ(planOf(download("S3", R"({"path":"s3://b/k"})")).steps[0].source->bucket, "b");
  EXPECT_TRUE(has(planRefusal(download("GitHub", "{}")), "\"GitHub\" is not served here"));
  EXPECT_TRUE(has(planRefusal(download("S3", "\"x\"")), "must be a JSON object"));
  EXPECT_TRUE(has(planRefusal(download("S3", "{}")), "must have a member \"path\""));
  EXPECT_TRUE(has(planRefusal(download("S3", R"({"path":"ftp://x"})")), "no S3 URL"));
  EXPECT_EQ(planOf(download("SSMDocument", R"({"name":"Inner:2"})"), "{}", wanted).steps[0].file_name, "Inner.json");
  const auto run = [](std::string_view path, std::string_view parameters) {
    return document(fmt::format(R"([{{"action":"aws:runDocument","name":"run","inputs":{{"documentType":"SSMDocument","documentPath":"{}",
                                     "documentParameters":{}}}}}])",
                                path, parameters));
  };
  EXPECT_EQ(planOf(run("Inner:2", R"({"a":"x"})"), "{}", wanted).steps[0].steps[0].script, "echo x");
  EXPECT_TRUE(has(planRefusal(run("Inner:2", "{}"), "{}", wanted), "required"));
  EXPECT_TRUE(has(planRefusal(run("None", "{}"), "{}", wanted), "document.missing"));
  EXPECT_TRUE(has(planRefusal(run("Loop", "{}"), "{}", wanted), "more than 3 deep"));
}

TEST(Plan, ValuesThatStandElsewhereArePutInBesideTheParameters) {
  const auto text =
      document(R"([{"action":"aws:runShellScript","name":"a","inputs":{"runCommand":["{{ssm:list}}","echo {{ ssm:word }} {{ p }}"]}}])",
               R"({"p":{"type":"String"}})");
  PlanFor wanted;
  wanted.stored = [](const json::Value&) -> Result<Values> { return Values{{"ssm:list", of(R"(["1","2"])")}, {"ssm:word", "w"}}; };
  EXPECT_EQ(planOf(text, R"({"p":["{{ssm:word}}"]})", wanted).steps[0].script, "1\n2\necho w {{ssm:word}}");
  EXPECT_EQ(planOf(text, R"({"p":["x"]})").steps[0].script, "{{ssm:list}}\necho {{ ssm:word }} x");
  wanted.stored = [](const json::Value&) -> Result<Values> { return fail("document.parameters", "none"); };
  EXPECT_EQ(planRefusal(text, R"({"p":["x"]})", wanted), "document.parameters: none");
}

TEST(S3Url, WaysToWriteIt) {
  const auto parsed = [](std::string_view url) {
    const auto source = parseS3Url(url);
    return source ? source->bucket + "|" + source->key : source.error().code;
  };
  EXPECT_EQ(parsed("s3://b/a+b"), "b|a+b");
  EXPECT_EQ(parsed("https://b.s3.eu-west-1.amazonaws.com/a+b"), "b|a b");
  EXPECT_EQ(parsed("http://127.0.0.1:4747/b/k"), "b|k");
  EXPECT_EQ(parsed("b/k"), "s3.url");
}

}  // namespace
}  // namespace sp::document
