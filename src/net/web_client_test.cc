#include "net/web_client.h"

#include <array>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

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

/// Answers each connection with a text of bytes, as it stands, and closes it, or (`hang`) leaves it open.
class Raw {
 public:
  explicit Raw(std::string answer, bool hang = false) : answer_(std::move(answer)), hang_(hang) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 8), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  ~Raw() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
    for (const int one : open_) ::close(one);
  }
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;
  const std::string& url() const { return url_; }
  /// Of the last request; once it was answered.
  std::string head() const {
    const std::lock_guard lock(mutex_);
    return head_;
  }

 private:
  void serve() {
    for (int one = ::accept(socket_, nullptr, nullptr); one >= 0; one = ::accept(socket_, nullptr, nullptr)) {
      std::string head;
      std::array<char, 4096> bytes{};
      while (head.find("\r\n\r\n") == std::string::npos) {
        const auto got = ::read(one, bytes.data(), bytes.size());
        if (got <= 0) break;
        head.append(bytes.data(), static_cast<std::size_t>(got));
      }
      {
        const std::lock_guard lock(mutex_);
        head_ = head;
      }
      for (std::size_t sent = 0; sent < answer_.size();) {
        const auto some = ::send(one, answer_.data() + sent, answer_.size() - sent, MSG_NOSIGNAL);
        if (some <= 0) break;
        sent += static_cast<std::size_t>(some);
      }
      if (hang_) open_.push_back(one);
      else ::close(one);
    }
  }

  const std::string answer_;
  const bool hang_;
  int socket_ = -1;
  std::string url_;
  mutable std::mutex mutex_;
  std::string head_;
  std::vector<int> open_;
  std::thread thread_;
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

TEST_F(WebClientTest, AStatusIsToldWhateverTheBodyIs) {
  const auto asked = [this](const Raw& raw, bool status_only) {
    WebRequest request{"GET", raw.url() + "/", {}, "", false};
    request.timeout_ms = 1000;
    request.status_only = status_only;
    return ask(std::move(request));
  };
  const std::string ok = "HTTP/1.1 200 OK\r\nRetry-After: 1\r\n";
  for (const auto& [answer, hang] : {std::pair{ok + "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone", false},
                                     {ok + "Content-Length: 10\r\n\r\nshort", false},
                                     {ok + "Content-Length: 10\r\n\r\nslow", true},
                                     {ok + "Transfer-Encoding: chunked\r\n\r\nno size\r\n", false}}) {
    Raw raw(answer, hang);
    const auto told = asked(raw, true);
    ASSERT_TRUE(told) << answer << told.error().text();
    EXPECT_EQ(told->status, 200);
    EXPECT_EQ(told->body, "");
    EXPECT_EQ(findHeader(told->headers, "retry-after"), "1");
    EXPECT_THAT(raw.head(), Not(testing::HasSubstr("Accept-Encoding")));
    EXPECT_FALSE(asked(raw, false)) << answer;
  }
  // No status, or none that is final.
  for (const auto* answer : {"", "HTTP/1.1 100 Continue\r\n\r\n"}) {
    Raw raw(answer);
    EXPECT_FALSE(asked(raw, true)) << answer;
  }
}

TEST_F(WebClientTest, WhatAProxySaysIsNoAnswer) {
  for (const auto* answer : {"HTTP/1.1 200 Connection established\r\n\r\n", "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"}) {
    Raw proxy(answer);
    ::setenv("https_proxy", proxy.url().c_str(), 1);
    WebRequest request{"POST", "https://web.invalid/", {}, "x", true};
    request.status_only = true;
    EXPECT_FALSE(ask(std::move(request))) << answer;
    EXPECT_THAT(proxy.head(), testing::HasSubstr("CONNECT web.invalid:443"));
    ::unsetenv("https_proxy");
  }
}

TEST_F(WebClientTest, HeadersAndTrailersAreBounded) {
  std::string many;
  for (int n = 0; n < 300; ++n) many += "X: y\r\n";
  std::string much;
  // libcurl takes no trailer of more than 4 KiB.
  for (int n = 0; n < 30; ++n) much += "X: " + std::string(3'000, 'y') + "\r\n";
  for (const auto& lines : {many, much}) {
    for (const auto& answer : {"HTTP/1.1 200 OK\r\n" + lines + "Content-Length: 0\r\n\r\n",
                               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + lines + "\r\n"}) {
      Raw raw(answer);
      WebRequest request{"GET", raw.url() + "/", {}, "", false};
      const auto told = ask(request);
      ASSERT_TRUE(told) << told.error().text();
      EXPECT_EQ(told->status, 200);
      EXPECT_LE(told->headers.size(), WebRequest::kMostHeadLines);
      std::size_t bytes = 0;
      for (const auto& header : told->headers) bytes += header.value.size();
      EXPECT_LE(bytes, WebRequest::kMostHead);
      request.whole = true;
      const auto whole = ask(request);
      ASSERT_FALSE(whole);
      EXPECT_EQ(whole.error().code, "net.too_large");
    }
  }
}

TEST_F(WebClientTest, NoHeaderBeginsAnother) {
  using namespace std::string_literals;
  for (const auto& header : {Header{"X-A", "SECRET\r\nX-Evil: 1"}, Header{"X-A", "SECRET\n"}, Header{"X-A", "SECRET\0"s},
                             Header{"X SECRET", "v"}, Header{"X:SECRET", "v"}, Header{"", "SECRET"}}) {
    const auto told = ask({"GET", url("/a"), {header}, "", false});
    ASSERT_FALSE(told) << header.name;
    EXPECT_EQ(told.error().code, "net.protocol");
    EXPECT_THAT(told.error().text(), Not(testing::HasSubstr("SECRET")));
  }
  EXPECT_EQ(ask({"GET / HTTP/1.1\r\nX: y", url("/a"), {}, "", false}).error().code, "net.protocol");
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
