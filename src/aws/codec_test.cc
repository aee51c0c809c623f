#include "aws/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aws/xml.h"

namespace sp::aws {
namespace {

using ::testing::HasSubstr;
using Headers = std::vector<HeaderView>;

Operation operation(std::string name, RestRoute route = {}) {
  return {std::move(name), [](const Call&) -> Outcome { return json::Object{}; }, std::move(route), false};
}

std::vector<ServiceTable> tables() {
  std::vector<ServiceTable> made;
  made.push_back({"ssm", Protocol::json11, "AmazonSSM", "", {operation("SendCommand")}});
  made.push_back({"states", Protocol::json10, "AWSStepFunctions", "", {operation("StartExecution")}});
  made.push_back({"iam", Protocol::query, "https://iam.amazonaws.com/doc/2010-05-08/", "2010-05-08", {operation("CreateRole")}});
  made.push_back({"ec2", Protocol::ec2, "", "2016-11-15", {operation("DescribeInstances")}});
  made.push_back(
      {"backup",
       Protocol::restJson,
       "",
       "",
       {operation(
            "ListBackupJobs",
            {"GET", "/backup-jobs/", {{"maxResults", "MaxResults"}, {"state", "ByState"}, {"tagKeys", "TagKeys"}}, {"maxResults"}, 200}),
        operation("StartBackupJob", {"PUT", "/backup-jobs", {}, {}, 200}),
        operation("DescribeBackupJob", {"GET", "/backup-jobs/{BackupJobId}", {}, {}, 200}),
        operation("ListCounted", {"GET", "/backup-jobs/summary", {}, {}, 200}),
        operation("ListTags", {"GET", "/tags/{ResourceArn+}", {}, {}, 200}),
        operation("DescribeRecoveryPoint", {"GET", "/backup-vaults/{BackupVaultName}/recovery-points/{RecoveryPointArn}", {}, {}, 200}),
        operation("DeleteBackupVault", {"DELETE", "/backup-vaults/{BackupVaultName}", {}, {}, 204})}});
  return made;
}

class Codec : public ::testing::Test {
 protected:
  Router router_{tables()};

  std::string decode(std::string_view service, std::string_view method, std::string_view target, const Headers& headers,
                     std::string_view body) {
    auto got = router_.decode(*router_.byName(service), {method, target, headers}, body);
    if (!got) return got.error().code + " " + std::to_string(got.error().status);
    return got->operation->name + " " + json::toText(got->input);
  }
  std::string rest(std::string_view method, std::string_view target, std::string_view body = "") {
    return decode("backup", method, target, {}, body);
  }
};

const Headers kForm = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}};

TEST_F(Codec, RoutesByScopeThenTargetThenForm) {
  const Headers target = {{"X-Amz-Target", "AmazonSSM.SendCommand"}};
  using Kind = Destination::Kind;
  EXPECT_EQ(router_.route({"POST", "/", target}, "states", "").table->signing_name, "states");
  EXPECT_EQ(router_.route({"POST", "/", target}, "", "").table->signing_name, "ssm");
  EXPECT_EQ(router_.route({"POST", "/", kForm}, "", "Action=DescribeInstances&Version=2016-11-15").table->signing_name, "ec2");
  EXPECT_EQ(router_.route({"GET", "/?Action=CreateRole&Version=2010-05-08", {}}, "", "").table->signing_name, "iam");
  EXPECT_EQ(router_.route({"GET", "/backup-jobs", {}}, "", "").kind, Kind::s3) << "a bucket may be named so";
  EXPECT_EQ(router_.route({"GET", "/backup-jobs", {}}, "backup", "").table->signing_name, "backup");
  EXPECT_EQ(router_.route({"GET", "/backup-jobs", {}}, "s3", "").kind, Kind::s3);
  const auto lambda = router_.route({"GET", "/x", {}}, "lambda", "");
  EXPECT_EQ(lambda.kind, Kind::unserved);
  EXPECT_EQ(lambda.protocol, Protocol::restJson);
  EXPECT_EQ(router_.route({"POST", "/WriteGetObjectResponse", {}}, "s3-object-lambda", "").protocol, Protocol::restXml);
}

TEST_F(Codec, JsonOperations) {
  const Headers good = {{"X-Amz-Target", "AmazonSSM.SendCommand"}};
  EXPECT_EQ(decode("ssm", "POST", "/", good, R"({"a":[1,"x"]})"), R"(SendCommand {"a":[1,"x"]})");
  EXPECT_EQ(decode("ssm", "POST", "/", good, ""), "SendCommand {}");
  EXPECT_EQ(decode("ssm", "POST", "/", {}, "{}"), "UnknownOperationException 400");
  const Headers unknown = {{"X-Amz-Target", "AmazonSSM.FlyToTheMoon"}};
  EXPECT_EQ(decode("ssm", "POST", "/", unknown, "{}"), "UnknownOperationException 400");
  const Headers other = {{"X-Amz-Target", "AWSStepFunctions.SendCommand"}};
  EXPECT_EQ(decode("ssm", "POST", "/", other, "{}"), "UnknownOperationException 400");
  for (const std::string_view bad : {"{", "[]", "3", "{\"a\":}", "{\"a\":\"\xff\"}"})
    EXPECT_EQ(decode("ssm", "POST", "/", good, bad), "SerializationException 400") << bad;
  EXPECT_EQ(decode("ssm", "POST", "/", good, std::string(100000, '[')), "SerializationException 400");
}

TEST_F(Codec, RestPathsAreMatchedUndecoded) {
  EXPECT_EQ(rest("PUT", "/backup-jobs", "{\"x\":1}"), "StartBackupJob {\"x\":1}");
  EXPECT_EQ(rest("PUT", "/backup-jobs/"), "StartBackupJob {}");
  EXPECT_EQ(rest("GET", "/backup-jobs?maxResults=5&state=RUNNING&other=1"), R"(ListBackupJobs {"MaxResults":5,"ByState":"RUNNING"})");
  EXPECT_EQ(rest("GET", "/backup-jobs/?maxResults=many"), "SerializationException 400");
  EXPECT_EQ(rest("GET", "/backup-jobs?tagKeys=a&tagKeys=b+c&tagKeys=d"), R"(ListBackupJobs {"TagKeys":["a","b c","d"]})");
  EXPECT_EQ(rest("GET", "/backup-jobs/j-1"), R"(DescribeBackupJob {"BackupJobId":"j-1"})");
  EXPECT_EQ(rest("GET", "/backup-jobs/summary"), "ListCounted {}") << "a literal wins over a member";
  EXPECT_EQ(rest("GET", "/backup-vaults/v/recovery-points/arn%3Aaws%3Aec2%3Aus-east-1%3A%3Aimage%2Fami-1"),
            R"(DescribeRecoveryPoint {"BackupVaultName":"v","RecoveryPointArn":"arn:aws:ec2:us-east-1::image/ami-1"})");
  EXPECT_EQ(rest("GET", "/tags/arn:aws:x/y/z"), R"(ListTags {"ResourceArn":"arn:aws:x/y/z"})");
  EXPECT_EQ(rest("GET", "/tags/"), "UnknownOperationException 404");
  EXPECT_EQ(rest("POST", "/backup-jobs"), "UnknownOperationException 404");
  EXPECT_EQ(rest("GET", "/nowhere"), "UnknownOperationException 404");
  EXPECT_EQ(rest("PUT", "/backup-jobs", "{"), "SerializationException 400");
}

TEST_F(Codec, FormsBecomeObjects) {
  EXPECT_EQ(decode("ec2", "POST", "/", kForm,
                   "Action=DescribeInstances&Version=2016-11-15&InstanceId.2=i-2&InstanceId.1=i-1&Filter.1.Name=tag%3AA&Filter.1.Value.1=b+"
                   "c&Filter.1.Value.2=%C3%BC"),
            R"(DescribeInstances {"Filter":[{"Name":"tag:A","Value":["b c","ü"]}],"InstanceId":["i-1","i-2"]})");
  EXPECT_EQ(decode("iam", "POST", "/", kForm,
                   "Action=CreateRole&Version=2010-05-08&RoleName=r&Tags.member.1.Key=k&Tags.member.1.Value=v&TagKeys.member.1=a"),
            R"(CreateRole {"RoleName":"r","TagKeys":["a"],"Tags":[{"Key":"k","Value":"v"}]})");
  EXPECT_EQ(decode("iam", "GET", "/?Action=CreateRole&Version=2010-05-08&RoleName=r&X-Amz-Date=x", {}, ""),
            R"(CreateRole {"RoleName":"r"})");
  EXPECT_EQ(decode("iam", "POST", "/", kForm, "Action=Fly&Version=2010-05-08"), "InvalidAction 400");
  EXPECT_EQ(decode("iam", "POST", "/", kForm, "Version=2010-05-08"), "MissingAction 400");
}

TEST(Form, HasBounds) {
  const auto code = [](std::string_view form) {
    const auto got = decodeForm(form, true);
    return got ? json::toText(*got) : got.error().code;
  };
  EXPECT_EQ(code("Filter.999999999.Name=x"), "InvalidParameterValue");
  EXPECT_EQ(code("Filter.99999.Name=x"), R"({"Filter":[{"Name":"x"}]})") << "gaps cost nothing";
  EXPECT_EQ(code("Filter.0.Name=x"), "InvalidParameterValue");
  EXPECT_EQ(code("Filter.99999999999999999999999.Name=x"), "InvalidParameterValue");
  std::string deep = "A";
  for (int i = 0; i < 1000; ++i) deep += ".B";
  EXPECT_EQ(code(deep + "=1"), "InvalidParameterValue");
  EXPECT_EQ(code("A=1&A.1=2"), "InvalidParameterValue");
  EXPECT_EQ(code("A.1=2&A=1"), "InvalidParameterValue");
  EXPECT_EQ(code("A.1=2&A.B=1"), "InvalidParameterValue");
  EXPECT_EQ(code("A..B=1"), "InvalidParameterValue");
  EXPECT_EQ(code("A=%zz"), "InvalidParameterValue");
  EXPECT_EQ(code("A=%ff"), "InvalidParameterValue");
  EXPECT_EQ(code(""), "{}");
  EXPECT_EQ(code("&&A=&B"), R"({"A":"","B":""})");
  std::string many;
  for (int i = 0; i < 20001; ++i) many += "A" + std::to_string(i) + "=1&";
  EXPECT_EQ(code(many), "InvalidParameterValue");
}

std::string headerOf(const Encoded& encoded, std::string_view name) {
  for (const auto& [key, value] : encoded.headers)
    if (key == name) return value;
  return "";
}

TEST_F(Codec, ErrorsInEveryProtocol) {
  const ApiError error{"ThingNotFound", "no <thing>", 404, true, {{"Context", "c"}}};
  const auto json = encodeError(Protocol::json11, error, "id-1");
  EXPECT_EQ(json.body, R"({"__type":"ThingNotFound","message":"no <thing>","Context":"c"})");
  EXPECT_EQ(headerOf(json, "x-amzn-RequestId"), "id-1");
  EXPECT_EQ(headerOf(json, "x-amzn-ErrorType"), "ThingNotFound");
  EXPECT_EQ(headerOf(json, "Content-Type"), "application/x-amz-json-1.1");
  const auto rest = encodeError(Protocol::restJson, error, "id-1");
  EXPECT_EQ(rest.body, R"({"message":"no <thing>","Context":"c"})");
  EXPECT_EQ(headerOf(rest, "x-amzn-ErrorType"), "ThingNotFound");
  EXPECT_EQ(rest.status, 404);
  const std::string declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  EXPECT_EQ(encodeError(Protocol::query, error, "id-1").body,
            declaration +
                "<ErrorResponse><Error><Type>Sender</Type><Code>ThingNotFound</Code><Message>no "
                "&lt;thing&gt;</Message></Error><RequestId>id-1</RequestId></ErrorResponse>");
  EXPECT_EQ(encodeError(Protocol::ec2, error, "id-1").body,
            declaration +
                "<Response><Errors><Error><Code>ThingNotFound</Code><Message>no "
                "&lt;thing&gt;</Message></Error></Errors><RequestID>id-1</RequestID></Response>");
  const auto s3 = encodeError(Protocol::restXml, error, "ABC");
  EXPECT_THAT(
      s3.body,
      HasSubstr(
          "<Error><Code>ThingNotFound</Code><Message>no &lt;thing&gt;</Message><Context>c</Context><RequestId>ABC</RequestId><HostId>"));
  EXPECT_EQ(headerOf(s3, "x-amz-request-id"), "ABC");
  EXPECT_EQ(encodeError(Protocol::restXml, error, "ABC", true).body, "");
}

TEST_F(Codec, OutputsInEveryProtocol) {
  const auto encode = [&](std::string_view service, std::size_t index, const json::Object& output) {
    const auto* table = router_.byName(service);
    return encodeOutput(*table, table->operations[index], output, "id-1");
  };
  const json::Object output{
      {"Name", "a&b"},         {"Count", 3}, {"On", true}, {"None", nullptr}, {"List", json::Array{"x", json::Object{{"K", 1}}}},
      {"Empty", json::Array{}}};
  EXPECT_EQ(encode("ssm", 0, output).body, R"({"Name":"a&b","Count":3,"On":true,"None":null,"List":["x",{"K":1}],"Empty":[]})");
  EXPECT_THAT(
      encode("iam", 0, output).body,
      HasSubstr("<CreateRoleResponse "
                "xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><CreateRoleResult><Name>a&amp;b</Name><Count>3</Count><On>true</On>"
                "<List><member>x</member><member><K>1</K></member></List><Empty></Empty></CreateRoleResult>"
                "<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></CreateRoleResponse>"));
  EXPECT_THAT(
      encode("ec2", 0, output).body,
      HasSubstr(
          "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>id-1</requestId><Name>a&amp;b</Name>"));
  EXPECT_THAT(encode("ec2", 0, output).body, HasSubstr("<List><item>x</item><item><K>1</K></item></List>"));
  const auto deleted = encode("backup", 6, {});
  EXPECT_EQ(deleted.status, 204);
  EXPECT_EQ(deleted.body, "");
}

TEST(Xml, EscapesWhatMustBe) {
  std::string out;
  appendXmlText(out, "a<b>&\"\x01\r\n");
  EXPECT_EQ(out, "a&lt;b&gt;&amp;&quot;&#x1;&#xd;\n");
}

}  // namespace
}  // namespace sp::aws
