#include "daemon/api_front.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "services/sts/sts.h"

namespace sp::daemon {
namespace {

using ::testing::HasSubstr;

// A store that runs nothing, or says why nothing became durable.
class FakeStore final : public store::Store {
 public:
  std::string error;
  Result<std::vector<bool>> run(const std::vector<store::Job>& jobs, Instant) override {
    if (!error.empty()) return fail(error, "no luck");
    return std::vector<bool>(jobs.size(), true);
  }
};

class ApiFrontTest : public ::testing::Test {
 protected:
  ApiFrontTest() {
    keys_.add("AKID", "secret");
    std::vector<aws::ServiceTable> tables;
    tables.push_back(services::sts::makeSts());
    aws::ServiceTable ssm{"ssm", aws::Protocol::json11, "AmazonSSM", "", {}};
    ssm.operations.push_back({"Write", [](const aws::Call&) -> aws::Outcome { return json::Object{{"done", true}}; }, {}, false});
    ssm.operations.push_back({"Throw", [](const aws::Call&) -> aws::Outcome { throw std::runtime_error("broken"); }, {}, true});
    tables.push_back(std::move(ssm));
    front_ = std::make_unique<ApiFront>(std::move(tables), keys_, realm_, core_, clock_, random_);
  }

  net::RequestHead head(std::string_view service, std::string_view target, const std::string& body) {
    net::RequestHead head;
    head.method = "POST";
    head.target = "/";
    head.content_length = body.size();
    head.headers = {{"Host", "h"}, {"Content-Type", target.empty() ? "application/x-www-form-urlencoded" : "application/x-amz-json-1.1"}};
    if (!target.empty()) head.headers.push_back({"X-Amz-Target", std::string(target)});
    std::vector<aws::HeaderView> views;
    for (const auto& header : head.headers) views.push_back({header.name, header.value});
    const aws::SigningCredentials credentials{"AKID", "secret", "us-east-1", std::string(service)};
    for (auto& [name, value] : aws::signRequest(credentials, {"POST", "/", views}, sha256Hex(body), clock_.now()))
      head.headers.push_back({name, value});
    return head;
  }
  net::Response answer(net::RequestHead request, std::string_view body) {
    auto exchange = front_->begin(std::move(request));
    if (auto early = exchange->answerEarly()) return *early;
    if (auto during = exchange->body(body)) return *during;
    net::Response got;
    got.status = 0;
    exchange->finish([&](net::Response response) { got = std::move(response); });
    core_.runPending();
    return got;
  }

  ManualClock clock_{fromMicros(1'700'000'000'000'000)};
  SeededRandom random_{1};
  Realm realm_;
  FakeStore store_;
  runtime::Core core_{store_, clock_, random_};
  aws::KeyRing keys_;
  std::unique_ptr<ApiFront> front_;
};

TEST_F(ApiFrontTest, DetachedOperationsNeedNoStore) {
  store_.error = "store.full";
  const std::string body = "Action=GetCallerIdentity&Version=2011-06-15";
  const auto got = answer(head("sts", "", body), body);
  EXPECT_EQ(got.status, 200);
  EXPECT_THAT(got.body, HasSubstr("<Account>000000000000</Account>"));
}

TEST_F(ApiFrontTest, WhatIsNotDurableIsSaidToBeNot) {
  store_.error = "store.full";
  auto got = answer(head("ssm", "AmazonSSM.Write", "{}"), "{}");
  EXPECT_EQ(got.status, 500);
  EXPECT_THAT(got.body, HasSubstr("\"__type\":\"InternalFailure\""));
  EXPECT_THAT(got.body, HasSubstr("is full: nothing was changed"));
  store_.error = "store.io";
  got = answer(head("ssm", "AmazonSSM.Write", "{}"), "{}");
  EXPECT_THAT(got.body, HasSubstr("no luck"));
}

TEST_F(ApiFrontTest, AnOperationThatThrowsAnswersInternalFailure) {
  const auto got = answer(head("ssm", "AmazonSSM.Throw", "{}"), "{}");
  EXPECT_EQ(got.status, 500);
  EXPECT_THAT(got.body, HasSubstr("InternalFailure"));
  EXPECT_THAT(got.body, ::testing::Not(HasSubstr("broken")));
}

TEST_F(ApiFrontTest, HeadsAreJudgedBeforeTheirBodies) {
  auto unknown = head("ssm", "AmazonSSM.Write", "{}");
  for (auto& header : unknown.headers)
    if (header.name == "Authorization") header.value.replace(header.value.find("AKID"), 4, "AKIX");
  auto exchange = front_->begin(std::move(unknown));
  const auto early = exchange->answerEarly();
  ASSERT_TRUE(early);
  EXPECT_THAT(early->body, HasSubstr("UnrecognizedClientException"));

  auto large = head("ssm", "AmazonSSM.Write", "{}");
  large.content_length = 2U << 20U;
  exchange = front_->begin(std::move(large));
  const auto refused = exchange->answerEarly();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 413);
}

TEST_F(ApiFrontTest, WithoutS3ItsRequestsAreNotImplemented) {
  auto request = head("s3", "", "");
  EXPECT_EQ(answer(std::move(request), "").status, 501);
}

}  // namespace
}  // namespace sp::daemon
