#include "net/web_client.h"

#include <future>
#include <mutex>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "net/http_server.h"

namespace sp::net {
namespace {

using testing::Not;

/// Answers what it was sent; "/silent" not before the end.
class Mirror final : public Handler {
 public:
  std::unique_ptr<Exchange> begin(RequestHead head) override { return std::make_unique<One>(std::move(head), *this); }
  void end() {
    const std::lock_guard lock(mutex_);
    for (const auto& reply : std::exchange(kept_, {})) reply({});
  }

 private:
  void keep(std::function<void(Response)> reply) {
    const std::lock_guard lock(mutex_);
    kept_.push_back(std::move(reply));
  }
  class One final : public Exchange {
   public:
    One(RequestHead head, Mirror& owner) : head_(std::move(head)), owner_(owner) {}
    std::optional<Response> answerEarly() override { return std::nullopt; }
    std::optional<Response> body(std::string_view bytes) override {
      body_.append(bytes);
      return std::nullopt;
    }
    void finish(std::function<void(Response)> reply) override {
      if (head_.target == "/silent") return owner_.keep(std::move(reply));
      const auto length = findHeader(head_.headers, "Content-Length");
      std::string text = head_.method + " " + head_.target + " " + body_;
      if (head_.target == "/long") text = std::string(1'000'000, 'x');
      reply({head_.target == "/moved" ? 302 : 200,
             {{"X-Length", std::string(length.value_or("none"))}, {"Location", "/elsewhere"}},
             std::move(text),
             nullptr,
             0,
             false});
    }

   private:
    RequestHead head_;
    Mirror& owner_;
    std::string body_;
  };
  std::mutex mutex_;
  std::vector<std::function<void(Response)>> kept_;
};

class WebClientTest : public testing::Test {
 protected:
  WebClientTest() {
    ::setenv("no_proxy", "127.0.0.1", 1);
    server_ = std::move(*listenHttp({"127.0.0.1", 0}, mirror_, {}, std::nullopt));
    server_->start();
  }
  ~WebClientTest() override {
    client_->stop();
    mirror_.end();
    server_->stop(0);
  }

  std::string url(const std::string& path) { return "http://" + server_->endpoint().text() + path; }
  Result<Response> ask(WebRequest request) {
    std::promise<Result<Response>> told;
    client_->send(std::move(request), [&told](Result<Response> answer) { told.set_value(std::move(answer)); });
    return told.get_future().get();
  }

  Mirror mirror_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<WebClient> client_ = WebClient::make("");
};

TEST_F(WebClientTest, SendsAndTellsTheAnswer) {
  const auto posted = ask({"POST", url("/a?b=c"), {{"X-A", "1"}}, "body", true});
  ASSERT_TRUE(posted) << posted.error().text();
  EXPECT_EQ(posted->status, 200);
  EXPECT_EQ(posted->body, "POST /a?b=c body");
  EXPECT_EQ(findHeader(posted->headers, "x-length"), "4");
  const auto got = ask({"GET", url("/a"), {}, "", false});
  ASSERT_TRUE(got);
  EXPECT_EQ(findHeader(got->headers, "x-length"), "none");
  const auto head = ask({"HEAD", url("/a"), {}, "", false});
  ASSERT_TRUE(head) << head.error().text();
  EXPECT_EQ(head->body, "");
}

TEST_F(WebClientTest, FollowsNothing) {
  const auto moved = ask({"GET", url("/moved"), {}, "", false});
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->status, 302);
}

TEST_F(WebClientTest, ReadsNoMoreThanItIsAskedFor) {
  WebRequest request{"GET", url("/long"), {}, "", false};
  request.body_limit = 1000;
  const auto answer = ask(std::move(request));
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, std::string(1000, 'x'));
  WebRequest whole{"GET", url("/long"), {}, "", false};
  whole.body_limit = 1000;
  whole.whole = true;
  EXPECT_EQ(ask(std::move(whole)).error().code, "net.too_large");
}

TEST_F(WebClientTest, GivesUpInTimeAndKeepsNobodyWaiting) {
  WebRequest silent{"GET", url("/silent"), {}, "", false};
  silent.timeout_ms = 300;
  std::promise<Result<Response>> told;
  client_->send(silent, [&told](Result<Response> answer) { told.set_value(std::move(answer)); });
  auto future = told.get_future();
  EXPECT_TRUE(ask({"GET", url("/a"), {}, "", false}));
  const auto answer = future.get();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, "net.timeout");
}

TEST_F(WebClientTest, TellsWhatWentWrongAndNoSecret) {
  const auto nobody = ask({"GET", "http://127.0.0.1:1/?key=SECRET", {{"X", "SECRET"}}, "", false});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, "net.connect");
  EXPECT_THAT(nobody.error().text(), Not(testing::HasSubstr("SECRET")));
  EXPECT_EQ(ask({"GET", "ftp://127.0.0.1/", {}, "", false}).error().code, "net.protocol");
}

TEST_F(WebClientTest, TellsNobodyAfterItsStop) {
  bool told = false;
  client_->send({"GET", url("/silent"), {}, "", false}, [&told](const Result<Response>&) { told = true; });
  client_->stop();
  client_->send({"GET", url("/a"), {}, "", false}, [&told](const Result<Response>&) { told = true; });
  client_->stop();
  EXPECT_FALSE(told);
}

}  // namespace
}  // namespace sp::net
