#include "services/events/destinations/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "services/events/destinations/records.h"

namespace sp::services::events {
namespace {

using testing::HasSubstr;
using testing::Not;

json::Object object(std::string_view text) { return json::parse(text)->as_object(); }

struct Given {
  json::Object destination = object(R"({"InvocationEndpoint":"https://example.test/hook","HttpMethod":"POST"})");
  json::Object auth = object(R"({"ApiKeyAuthParameters":{"ApiKeyName":"X-Key","ApiKeyValue":"k3y"}})");
  json::Object target = object(R"({"Id":"1"})");
  json::Value event = *json::parse(R"({"id":"e","detail":{"id":7,"name":"a b","way":"../up"}})");
  std::string token;
  std::string input = R"({"a":1})";

  std::expected<WebRequest, delivery::Failure> request() const {
    return requestOf({destination, auth, token, target, event, input, "the-id"});
  }
};

std::string header(const WebRequest& request, std::string_view name) { return std::string(headerOf(request.headers, name)); }

TEST(DestinationRequest, CarriesTheInputAndWhatAwsSends) {
  const auto request = Given().request();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, "POST");
  EXPECT_EQ(request->url, "https://example.test/hook");
  EXPECT_EQ(request->body, R"({"a":1})");
  EXPECT_EQ(header(*request, "User-Agent"), "Amazon/EventBridge/ApiDestinations");
  EXPECT_EQ(header(*request, "Content-Type"), "application/json; charset=utf-8");
  EXPECT_EQ(header(*request, "Range"), "bytes=0-1048575");
  EXPECT_EQ(header(*request, "Connection"), "close");
  EXPECT_EQ(header(*request, "X-Key"), "k3y");
  EXPECT_EQ(header(*request, kDeliveryIdHeader), "the-id");
}

TEST(DestinationRequest, AuthorisesInThreeWays) {
  Given given;
  given.auth = object(R"({"BasicAuthParameters":{"Username":"u","Password":"p"}})");
  EXPECT_EQ(header(*given.request(), "Authorization"), "Basic " + toBase64("u:p"));
  given.auth = object(R"({"OAuthParameters":{}})");
  given.token = "t0k";
  EXPECT_EQ(header(*given.request(), "Authorization"), "Bearer t0k");
}

TEST(DestinationRequest, FillsItsPathInOrder) {
  Given given;
  given.destination["InvocationEndpoint"] = "http://h:8080/a/*/b/*?q=*";
  given.target["HttpParameters"] = object(R"({"PathParameterValues":["x/y","$.detail.name"]})");
  EXPECT_EQ(given.request()->url, "http://h:8080/a/x%2Fy/b/a%20b?q=*");
  given.target["HttpParameters"] = object(R"({"PathParameterValues":["x"]})");
  EXPECT_THAT(given.request().error().message, HasSubstr("more path parameters"));
  EXPECT_FALSE(given.request().error().retry);
  given.target["HttpParameters"] = object(R"({"PathParameterValues":["$.detail.none","x"]})");
  EXPECT_THAT(given.request().error().message, HasSubstr("$.detail.none"));
  given.target["HttpParameters"] = object(R"({"PathParameterValues":["..","x"]})");
  EXPECT_THAT(given.request().error().message, HasSubstr("change the path"));
}

TEST(DestinationRequest, TheConnectionsParametersPrevail) {
  Given given;
  given.destination["InvocationEndpoint"] = "https://h/p?own=1";
  given.target["HttpParameters"] =
      object(R"({"HeaderParameters":{"X-A":"target","X-B":"$.detail.id"},"QueryStringParameters":{"q":"target","r":"a&b"}})");
  given.auth["InvocationHttpParameters"] = object(
      R"({"HeaderParameters":[{"Key":"x-a","Value":"connection"}],"QueryStringParameters":[{"Key":"q","Value":"connection"}],
          "BodyParameters":[{"Key":"a","Value":"connection"}]})");
  const auto request = given.request();
  EXPECT_EQ(header(*request, "X-A"), "connection");
  EXPECT_EQ(header(*request, "X-B"), "7");
  EXPECT_EQ(request->url, "https://h/p?own=1&r=a%26b&q=connection");
  EXPECT_EQ(request->body, R"({"a":"connection"})");
  given.input = "[1]";
  EXPECT_EQ(given.request().error().code, "INVALID_JSON");
}

TEST(DestinationRequest, NobodySetsWhatEventBridgeSendsItself) {
  Given given;
  given.target["HttpParameters"] = object(
      R"({"HeaderParameters":{"host":"evil","Content-Length":"0","user-agent":"x","stillpoint-delivery-id":"x","Content-Type":"text/plain"}})");
  const auto request = given.request();
  EXPECT_EQ(header(*request, "Host"), "");
  EXPECT_EQ(header(*request, "Content-Length"), "");
  EXPECT_EQ(header(*request, "User-Agent"), "Amazon/EventBridge/ApiDestinations");
  EXPECT_EQ(header(*request, kDeliveryIdHeader), "the-id");
  EXPECT_EQ(header(*request, "Content-Type"), "text/plain");
}

TEST(DestinationRequest, AnEventCannotBeginAnotherHeader) {
  Given given;
  given.event = *json::parse(R"({"detail":{"x":"a\r\nX-Evil: 1"}})");
  given.target["HttpParameters"] = object(R"({"HeaderParameters":{"X-A":"$.detail.x"}})");
  EXPECT_THAT(given.request().error().message, HasSubstr("control character"));
}

TEST(DestinationRequest, GetAndHeadCarryNothing) {
  Given given;
  for (const auto* method : {"GET", "HEAD"}) {
    given.destination["HttpMethod"] = method;
    EXPECT_FALSE(given.request()->has_body);
    EXPECT_EQ(given.request()->body, "");
  }
}

TEST(TokenRequest, IsAForm) {
  const auto oauth =
      object(R"({"AuthorizationEndpoint":"https://a/token","HttpMethod":"POST","ClientParameters":{"ClientID":"id","ClientSecret":"s c"},
    "OAuthHttpParameters":{"BodyParameters":[{"Key":"scope","Value":"a b"}],"QueryStringParameters":[{"Key":"v","Value":"1"}]}})");
  const auto request = tokenRequestOf(oauth);
  EXPECT_EQ(request.url, "https://a/token?v=1");
  EXPECT_EQ(request.body, "grant_type=client_credentials&scope=a%20b");
  EXPECT_EQ(header(request, "Content-Type"), "application/x-www-form-urlencoded");
  EXPECT_EQ(header(request, "Authorization"), "Basic " + toBase64("id:s%20c"));
}

TEST(TokenRequest, IsJsonOrAQueryWhereAsked) {
  auto oauth =
      object(R"({"AuthorizationEndpoint":"https://a/token","HttpMethod":"PUT","ClientParameters":{"ClientID":"id","ClientSecret":"s"},
    "OAuthHttpParameters":{"BodyParameters":[{"Key":"client_id","Value":"other"}],"HeaderParameters":[{"Key":"content-type","Value":"application/json"}]}})");
  auto request = tokenRequestOf(oauth);
  EXPECT_EQ(request.body, R"({"grant_type":"client_credentials","client_id":"other"})");
  EXPECT_EQ(header(request, "Authorization"), "");
  oauth["HttpMethod"] = "GET";
  request = tokenRequestOf(oauth);
  EXPECT_FALSE(request.has_body);
  EXPECT_EQ(request.url, "https://a/token?grant_type=client_credentials&client_id=other");
}

TEST(ConnectionAuth, WhatIsSecretIsNotShown) {
  for (
      const auto* text :
      {R"({"AuthParameters":{"BasicAuthParameters":{"Username":"u","Password":"SECRET"}}})",
       R"({"AuthParameters":{"ApiKeyAuthParameters":{"ApiKeyName":"n","ApiKeyValue":"SECRET"},"InvocationHttpParameters":{
             "HeaderParameters":[{"Key":"h","Value":"SECRET","IsValueSecret":true},{"Key":"p","Value":"plain"}],
             "QueryStringParameters":[{"Key":"q","Value":"SECRET","IsValueSecret":true}],"BodyParameters":[{"Key":"b","Value":"SECRET","IsValueSecret":true}]}}})",
       R"({"AuthParameters":{"OAuthParameters":{"AuthorizationEndpoint":"https://a/","HttpMethod":"POST","ClientParameters":{"ClientID":"u","ClientSecret":"SECRET"},
             "OAuthHttpParameters":{"BodyParameters":[{"Key":"b","Value":"SECRET","IsValueSecret":true}]}}}})"}) {
    const auto input = object(text);
    const auto& parameters = input.at("AuthParameters").as_object();
    const auto type = parameters.contains("BasicAuthParameters")    ? "BASIC"
                      : parameters.contains("ApiKeyAuthParameters") ? "API_KEY"
                                                                    : "OAUTH_CLIENT_CREDENTIALS";
    const auto auth = readAuth(input, type, {});
    ASSERT_TRUE(auth) << auth.error().message;
    EXPECT_THAT(json::toText(*auth), HasSubstr("SECRET"));
    EXPECT_THAT(json::toText(shownAuth(*auth)), Not(HasSubstr("SECRET")));
  }
}

TEST(ConnectionAuth, RefusalsTellNoSecret) {
  const auto refusal = [](std::string_view text, std::string_view type) {
    const auto auth = readAuth(object(text), type, {});
    return auth ? std::string() : auth.error().message;
  };
  for (const auto& message :
       {refusal(R"({"AuthParameters":{"BasicAuthParameters":{"Username":"u","Password":"SEC:RET"}}})", "BASIC"),
        refusal(R"({"AuthParameters":{"ApiKeyAuthParameters":{"ApiKeyName":"n","ApiKeyValue":"SEC\nRET"}}})", "API_KEY"),
        refusal(R"({"AuthParameters":{"ApiKeyAuthParameters":{"ApiKeyName":"n","ApiKeyValue":"v"},"InvocationHttpParameters":{
          "HeaderParameters":[{"Key":"h","Value":"SEC\nRET","IsValueSecret":true}]}}})",
                "API_KEY")}) {
    EXPECT_THAT(message, HasSubstr("***"));
    EXPECT_THAT(message, Not(HasSubstr("SEC")));
  }
}

TEST(ConnectionAuth, AKeyIsNoneOfOurOwnHeaders) {
  for (const auto* name : {"Content-Length", "transfer-encoding", "Host", "Connection", "STILLPOINT-DELIVERY-ID"}) {
    const json::Object key{{"ApiKeyName", name}, {"ApiKeyValue", "v"}};
    const auto auth = readAuth({{"AuthParameters", json::Object{{"ApiKeyAuthParameters", key}}}}, "API_KEY", {});
    ASSERT_FALSE(auth) << name;
    EXPECT_THAT(auth.error().message, HasSubstr(name));
    // One that was written before.
    Given given;
    given.auth = {{"ApiKeyAuthParameters", key}};
    EXPECT_NE(header(*given.request(), name), "v");
  }
  const auto good = object(R"({"AuthParameters":{"ApiKeyAuthParameters":{"ApiKeyName":"Authorization","ApiKeyValue":"v"}}})");
  EXPECT_TRUE(readAuth(good, "API_KEY", {}));
}

TEST(TargetHttpParameters, AreBounded) {
  json::Array values(100, json::Value(std::string(512, 'x')));
  const auto check = [&] { return checkHttpParameters({{"HttpParameters", json::Object{{"PathParameterValues", values}}}}, "1"); };
  EXPECT_TRUE(check());
  values.emplace_back("x");
  EXPECT_THAT(check().error().message, HasSubstr("more than 100"));
  values = {json::Value(std::string(513, 'x'))};
  EXPECT_THAT(check().error().message, HasSubstr("longer than 512"));
}

TEST(ConnectionAuth, AnUpdateKeepsWhatItDoesNotName) {
  const auto before =
      object(R"({"BasicAuthParameters":{"Username":"u","Password":"old"},"InvocationHttpParameters":{"BodyParameters":[]}})");
  const auto auth = readAuth(object(R"({"AuthParameters":{"BasicAuthParameters":{"Password":"new"}}})"), "BASIC", before);
  EXPECT_EQ(json::toText(auth->at("BasicAuthParameters")), R"({"Username":"u","Password":"new"})");
  EXPECT_TRUE(auth->contains("InvocationHttpParameters"));
}

}  // namespace
}  // namespace sp::services::events
