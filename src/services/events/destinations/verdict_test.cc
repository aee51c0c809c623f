#include "services/events/destinations/verdict.h"

#include <gtest/gtest.h>

#include "base/time_format.h"
#include "services/events/destinations/pace.h"

namespace sp::services::events {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Instant kNow = *parseIso8601("2024-01-01T00:00:00Z");

delivery::Failure failureOf(int status, const std::string& after = "") {
  WebHeaders headers;
  if (!after.empty()) headers.emplace_back("retry-after", after);
  const auto verdict = verdictOf({status, headers, "body SECRET"}, kNow);
  return verdict ? delivery::Failure{"none", "", false} : verdict.error();
}

TEST(Verdict, TellsWhatIsTriedAgainAsAwsDoes) {
  for (const auto status : {200, 202, 204, 299}) EXPECT_EQ(failureOf(status).code, "none") << status;
  for (const auto status : {401, 407, 409, 429, 500, 502, 503, 599}) EXPECT_TRUE(failureOf(status).retry) << status;
  for (const auto status : {101, 301, 302, 308, 400, 403, 404, 410, 422}) {
    EXPECT_FALSE(failureOf(status).retry) << status;
    EXPECT_NE(failureOf(status).code, "none") << status;
  }
  EXPECT_EQ(failureOf(429).code, "THROTTLING");
  EXPECT_EQ(failureOf(403).code, "NO_PERMISSIONS");
  EXPECT_EQ(failureOf(503).code, "ERROR_FROM_TARGET");
  EXPECT_EQ(failureOf(503).message, "The API destination answered with status 503.");
}

TEST(Verdict, HonoursRetryAfter) {
  EXPECT_EQ(failureOf(503, "120").after, seconds(120));
  EXPECT_EQ(failureOf(429, "Mon, 01 Jan 2024 00:10:00 GMT").after, seconds(600));
  EXPECT_EQ(failureOf(429, "Sun, 31 Dec 2023 00:10:00 GMT").after, seconds(0));
  EXPECT_EQ(failureOf(503, "999999999999").after, seconds(86'400));
  EXPECT_EQ(failureOf(503, "soon").after, seconds(0));
  EXPECT_TRUE(failureOf(503, "soon").retry);
  EXPECT_FALSE(failureOf(503, "-1").retry);
  EXPECT_FALSE(failureOf(404, "5").retry);
}

TEST(TokenAnswer, IsReadAsRfc6749Says) {
  const auto token = tokenOf({200, {}, R"({"access_token":"abc","token_type":"Bearer","expires_in":3600})"});
  ASSERT_TRUE(token);
  EXPECT_EQ(token->value, "abc");
  EXPECT_EQ(token->life, seconds(3600));
  EXPECT_EQ(tokenOf({200, {}, R"({"access_token":"abc","expires_in":"60"})"})->life, seconds(60));
  EXPECT_EQ(tokenOf({200, {}, R"({"access_token":"abc"})"})->life, seconds(0));
  for (const auto* body : {"", "[]", "{}", R"({"access_token":""})", R"({"access_token":"a\nb"})", R"({"access_token":7})"}) {
    ASSERT_FALSE(tokenOf({200, {}, body})) << body;
    EXPECT_TRUE(tokenOf({200, {}, body}).error().retry);
  }
  EXPECT_EQ(tokenOf({401, {}, "SECRET"}).error().message, "The authorization endpoint gave no token: it answered with status 401.");
}

TEST(Pace, LetsNoMoreThroughInAnySecond) {
  Pace pace;
  std::deque<Duration> sent;
  // Asked as often as can be, for five seconds; what happened within each second is counted.
  for (Duration now(0); now < seconds(5); now += milliseconds(7)) {
    const auto wait = pace.wait(now, 10);
    if (wait.count() > 0) {
      EXPECT_LE(wait, seconds(1));
      continue;
    }
    pace.sent(now);
    sent.push_back(now);
    while (sent.front() + seconds(1) <= now) sent.pop_front();
    ASSERT_LE(sent.size(), 10U);
  }
  EXPECT_EQ(pace.wait(seconds(10), 10), Duration(0));
}

TEST(Pace, FollowsAnotherRate) {
  Pace pace;
  for (int i = 0; i < 10; ++i) pace.sent(Duration(i));
  EXPECT_EQ(pace.wait(milliseconds(500), 10), milliseconds(500));
  EXPECT_EQ(pace.wait(milliseconds(500), 11), Duration(0));
  EXPECT_EQ(pace.wait(milliseconds(500), 1), milliseconds(500) + Duration(9));
}

TEST(Window, HoldsOneConnectionAfterASilence) {
  Window window;
  EXPECT_EQ(window.size(), 16U);
  window.silent();
  EXPECT_EQ(window.size(), 1U);
  for (int i = 0; i < 4; ++i) window.answered();
  EXPECT_EQ(window.size(), 16U);
  window.answered();
  EXPECT_EQ(window.size(), 16U);
}

}  // namespace
}  // namespace sp::services::events
