#include "net/http_server.h"

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/blocking_stream.h"
#include "net/http_client.h"

namespace sp::net {
namespace {

using ::testing::HasSubstr;

class TextSource final : public BodySource {
 public:
  explicit TextSource(std::string text) : text_(std::move(text)) {}
  Result<std::string> read(std::size_t limit) override {
    auto piece = text_.substr(at_, limit);
    at_ += piece.size();
    return piece;
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

/// Told piece by piece by the test.
class ToldSource final : public LiveSource {
 public:
  ~ToldSource() override { gone = true; }
  Result<std::string> read(std::size_t) override {
    const std::lock_guard lock(mutex_);
    return std::exchange(text_, {});
  }
  bool over() const override { return over_; }
  void onReady(std::function<void()> ready) override {
    const std::lock_guard lock(mutex_);
    ready_ = std::move(ready);
  }
  std::string keepAlive() override { return "?"; }
  void tell(std::string_view text, bool over = false) {
    std::function<void()> ready;
    {
      const std::lock_guard lock(mutex_);
      text_ += text;
      over_ = over;
      ready = ready_;
    }
    if (ready) ready();
  }
  static inline std::atomic<bool> gone = false;

 private:
  std::mutex mutex_;
  std::string text_;
  std::atomic<bool> over_ = false;
  std::function<void()> ready_;
};

// Answers "METHOD TARGET BODY"; targets choose what else happens.
class EchoHandler final : public Handler {
 public:
  std::unique_ptr<Exchange> begin(RequestHead head) override {
    ++begun;
    return std::make_unique<Echo>(std::move(head), *this);
  }
  std::atomic<int> begun = 0;
  std::vector<std::thread> threads;
  std::shared_ptr<ToldSource> live;

 private:
  class Echo final : public Exchange {
   public:
    Echo(RequestHead head, EchoHandler& owner) : head_(std::move(head)), owner_(owner) {}
    std::optional<Response> answerEarly() override {
      if (head_.target == "/early") return Response{403, {}, "early", nullptr, 0, false};
      return std::nullopt;
    }
    std::optional<Response> body(std::string_view bytes) override {
      body_.append(bytes);
      if (head_.target == "/small" && body_.size() > 10) return Response{413, {}, "too large", nullptr, 0, false};
      return std::nullopt;
    }
    void finish(std::function<void(Response)> reply) override {
      if (head_.target == "/dropped") return;
      Response response{200, {{"X-Echo", "yes"}}, head_.method + " " + head_.target + " " + body_, nullptr, 0, false};
      if (head_.target == "/source") {
        response.body.clear();
        response.source = std::make_shared<TextSource>(std::string(1'000'000, 's'));
        response.length = 1'000'000;
      }
      if (head_.target == "/live") {
        response.body.clear();
        response.live = owner_.live;
      }
      if (head_.target == "/later") {
        owner_.threads.emplace_back([reply, response = std::move(response)] {
          std::this_thread::sleep_for(std::chrono::milliseconds(30));
          reply(response);
        });
        return;
      }
      reply(std::move(response));
    }

   private:
    RequestHead head_;
    EchoHandler& owner_;
    std::string body_;
  };
};

class HttpServerTest : public ::testing::Test {
 protected:
  void startServer(const HttpLimits& limits = {}, const std::optional<TlsFiles>& tls = std::nullopt) {
    auto made = listenHttp(Endpoint{"127.0.0.1", 0}, handler_, limits, tls);
    ASSERT_TRUE(made) << made.error().text();
    server_ = std::move(*made);
    server_->start();
  }
  void TearDown() override {
    if (server_) server_->stop(1);
    for (auto& thread : handler_.threads) thread.join();
  }
  std::unique_ptr<HttpClient> client() { return makeHttpClient("127.0.0.1", server_->endpoint().port, std::nullopt, 5); }
  // Sends raw bytes and reads until the server closes or `until` has come.
  std::string exchange(std::string_view bytes, std::string_view until = "\x01") {
    auto stream = connectBlocking("127.0.0.1", server_->endpoint().port, std::nullopt, 2000);
    EXPECT_TRUE(stream);
    EXPECT_TRUE((*stream)->write(bytes, 2000));
    std::string got;
    std::array<char, 4096> buffer{};
    while (got.find(until) == std::string::npos) {
      const auto n = (*stream)->read(buffer.data(), buffer.size(), 4000);
      if (!n || *n == 0) break;
      got.append(buffer.data(), *n);
    }
    return got;
  }

  EchoHandler handler_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, KeepsTheConnectionAndEchoes) {
  startServer();
  auto c = client();
  for (int i = 0; i < 3; ++i) {
    const auto got = c->send({"POST", "/x", {}, "body" + std::to_string(i), {}, 0});
    ASSERT_TRUE(got) << got.error().text();
    EXPECT_EQ(got->status, 200);
    EXPECT_EQ(got->body, "POST /x body" + std::to_string(i));
    EXPECT_EQ(findHeader(got->headers, "x-echo"), "yes");
    EXPECT_TRUE(findHeader(got->headers, "date"));
    EXPECT_FALSE(findHeader(got->headers, "connection"));
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  startServer();
  const auto got = exchange(
      "GET /later HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
      "GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const auto first = got.find("GET /later");
  const auto second = got.find("POST /2 ab");
  const auto third = got.find("GET /3");
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_NE(third, std::string::npos);
  EXPECT_THAT(got, HasSubstr("Connection: close"));
}

TEST_F(HttpServerTest, LargeBodiesBothWays) {
  startServer();
  auto c = client();
  const std::string body(3'000'000, 'b');
  const auto got = c->send({"PUT", "/big", {}, body, {}, 0});
  ASSERT_TRUE(got) << got.error().text();
  EXPECT_EQ(got->body, "PUT /big " + body);
  const auto source = c->send({"GET", "/source", {}, "", {}, 0});
  ASSERT_TRUE(source) << source.error().text();
  EXPECT_EQ(source->body, std::string(1'000'000, 's'));
  const auto head = c->send({"HEAD", "/source", {}, "", {}, 0});
  ASSERT_TRUE(head) << head.error().text();
  EXPECT_EQ(findHeader(head->headers, "content-length"), "1000000");
  EXPECT_TRUE(c->send({"GET", "/after-head", {}, "", {}, 0}));
}

TEST_F(HttpServerTest, ALiveAnswerComesAsItIsTold) {
  startServer();
  auto source = handler_.live = std::make_shared<ToldSource>();
  source->tell("before");
  std::string got;
  std::mutex mutex;
  const auto c = client();
  const auto has = [&](std::string_view text) {
    const std::lock_guard lock(mutex);
    return got == text;
  };
  auto done = std::async(std::launch::async, [&] {
    return c->stream({"GET", "/live", {}, "", {}, 0}, [&](std::string_view bytes) -> Result<void> {
      const std::lock_guard lock(mutex);
      got += bytes;
      return {};
    });
  });
  const auto await = [&](std::string_view text) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (!has(text) && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return has(text);
  };
  EXPECT_TRUE(await("before"));
  source->tell(" one");
  EXPECT_TRUE(await("before one"));
  source->tell(" two", true);
  const auto answer = done.get();
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_EQ(got, "before one two");
  EXPECT_EQ(findHeader(answer->headers, "transfer-encoding"), "chunked");
  EXPECT_FALSE(findHeader(answer->headers, "content-length"));
  EXPECT_TRUE(c->send({"GET", "/after", {}, "", {}, 0})) << "the connection is kept";
  const auto old = exchange("GET /live HTTP/1.0\r\n\r\n");
  EXPECT_THAT(old, ::testing::Not(HasSubstr("chunked")));
}

TEST_F(HttpServerTest, ALiveAnswerEndsWithItsPeerAndWithTheServer) {
  startServer();
  for (const bool by_server : {false, true}) {
    auto source = handler_.live = std::make_shared<ToldSource>();
    source->tell("x");
    ToldSource::gone = false;
    auto stream = connectBlocking("127.0.0.1", server_->endpoint().port, std::nullopt, 2000);
    ASSERT_TRUE(stream && (*stream)->write("GET /live HTTP/1.1\r\nHost: x\r\n\r\n", 2000));
    std::array<char, 4096> buffer{};
    std::string got;
    while (got.find("1\r\nx\r\n") == std::string::npos) {
      const auto n = (*stream)->read(buffer.data(), buffer.size(), 4000);
      ASSERT_TRUE(n && *n > 0);
      got.append(buffer.data(), *n);
    }
    handler_.live.reset();
    source.reset();
    EXPECT_FALSE(ToldSource::gone);
    const auto began = std::chrono::steady_clock::now();
    if (by_server) server_->stop(10);
    else stream->reset();
    while (!ToldSource::gone && std::chrono::steady_clock::now() - began < std::chrono::seconds(5))
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_TRUE(ToldSource::gone);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(3)) << "nobody waits for the end of a live answer";
  }
}

TEST_F(HttpServerTest, ContinueIsSentOnlyIfTheHeadIsGood) {
  startServer();
  const auto good = exchange("PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", "\r\n\r\n");
  EXPECT_THAT(good, ::testing::StartsWith("HTTP/1.1 100 Continue\r\n\r\n"));
  const auto bad = exchange("PUT /early HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", "early");
  EXPECT_THAT(bad, ::testing::StartsWith("HTTP/1.1 403 Forbidden\r\n"));
  EXPECT_THAT(bad, HasSubstr("Connection: close"));
}

TEST_F(HttpServerTest, ContinueIsSentEvenIfTheBodyIsThereOrEmpty) {
  startServer();
  const std::string expects = " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ";
  const auto got =
      exchange("PUT /a" + expects + "2\r\n\r\nokPUT /b" + expects + "0\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(got,
              ::testing::MatchesRegex(
                  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK(.|\n)*HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK(.|\n)*GET /c(.|\n)*"));
  const auto early = exchange("PUT /early" + expects + "2\r\n\r\nok");
  EXPECT_THAT(early, ::testing::StartsWith("HTTP/1.1 403 Forbidden\r\n"));
  EXPECT_THAT(early, HasSubstr("Connection: close"));
}

TEST_F(HttpServerTest, EarlyAnswerDropsASmallBodyAndKeepsTheConnection) {
  startServer();
  const auto got =
      exchange("PUT /early HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(got, HasSubstr("403 Forbidden"));
  EXPECT_THAT(got, HasSubstr("GET /next"));
}

TEST_F(HttpServerTest, AnswerDuringABodyIsNotLost) {
  startServer();
  auto c = client();
  const auto got = c->send({"PUT", "/small", {}, std::string(2'000'000, 'x'), {}, 0});
  ASSERT_TRUE(got) << got.error().text();
  EXPECT_EQ(got->status, 413);
  const auto again = c->send({"PUT", "/small", {}, "1", {}, 0});
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(again->status, 200);
}

TEST_F(HttpServerTest, RefusesMalformedAndOversizeHeads) {
  HttpLimits limits;
  limits.head_bytes = 2048;
  startServer(limits);
  EXPECT_THAT(exchange("NONSENSE\r\n\r\n"), ::testing::StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(exchange("GET /" + std::string(5000, 'a')), ::testing::StartsWith("HTTP/1.1 414 "));
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(5000, 'a')), ::testing::StartsWith("HTTP/1.1 431 "));
  EXPECT_EQ(handler_.begun, 0);
}

TEST_F(HttpServerTest, SlowHeadsAndBodiesGet408) {
  HttpLimits limits;
  limits.read_seconds = 1;
  limits.idle_seconds = 1;
  startServer(limits);
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nHo"), ::testing::StartsWith("HTTP/1.1 408 "));
  EXPECT_THAT(exchange("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab"), ::testing::StartsWith("HTTP/1.1 408 "));
  EXPECT_EQ(exchange(""), "");
}

TEST_F(HttpServerTest, AReplyThatIsDroppedIs500) {
  startServer();
  const auto got = client()->send({"GET", "/dropped", {}, "", {}, 0});
  ASSERT_TRUE(got) << got.error().text();
  EXPECT_EQ(got->status, 500);
}

TEST_F(HttpServerTest, AboveTheLimitConnectionsWait) {
  HttpLimits limits;
  limits.connections = 1;
  startServer(limits);
  auto first = client();
  ASSERT_TRUE(first->send({"GET", "/1", {}, "", {}, 0}));
  std::atomic<bool> served = false;
  std::jthread other([&] { served = client()->send({"GET", "/2", {}, "", {}, 0}).has_value(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_FALSE(served);
  first.reset();
  other.join();
  EXPECT_TRUE(served);
}

TEST_F(HttpServerTest, StopFinishesWhatIsUnderWay) {
  startServer();
  std::string body;
  std::jthread other([&] {
    auto got = client()->send({"GET", "/later", {}, "", {}, 0});
    if (got) body = got->body;
  });
  while (handler_.begun == 0) std::this_thread::yield();
  server_->stop(5);
  other.join();
  EXPECT_EQ(body, "GET /later ");
}

TEST_F(HttpServerTest, ALateReplyAfterTheStopIsDropped) {
  startServer();
  std::jthread other([&] { EXPECT_FALSE(client()->send({"GET", "/later", {}, "", {}, 0})); });
  while (handler_.begun == 0) std::this_thread::yield();
  server_->stop(0);
  server_.reset();
}

TEST_F(HttpServerTest, AStaleKeptConnectionIsReplacedOnce) {
  HttpLimits limits;
  limits.idle_seconds = 1;
  startServer(limits);
  auto c = client();
  ASSERT_TRUE(c->send({"GET", "/1", {}, "", {}, 0}));
  std::this_thread::sleep_for(std::chrono::milliseconds(1600));
  const auto got = c->send({"POST", "/2", {}, "x", {}, 0});
  ASSERT_TRUE(got) << got.error().text();
  EXPECT_EQ(got->body, "POST /2 x");
}

TEST(HttpClientTest, ErrorsNameTheirKind) {
  EchoHandler handler;
  std::uint16_t port = 0;
  {
    auto server = listenHttp(Endpoint{"127.0.0.1", 0}, handler, {}, std::nullopt);
    ASSERT_TRUE(server);
    port = (*server)->endpoint().port;
    // Listening, never accepting.
    auto got = makeHttpClient("127.0.0.1", port, std::nullopt, 1)->send({"GET", "/", {}, "", {}, 0});
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, "net.timeout");
  }
  auto got = makeHttpClient("127.0.0.1", port, std::nullopt, 1)->send({"GET", "/", {}, "", {}, 0});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, "net.connect");
}

TEST(ListenHttp, SaysWhatToDoWhenTheAddressIsTaken) {
  EchoHandler handler;
  auto first = listenHttp(Endpoint{"127.0.0.1", 0}, handler, {}, std::nullopt);
  ASSERT_TRUE(first);
  const auto taken = (*first)->endpoint();
  auto second = listenHttp(taken, handler, {}, std::nullopt);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, "net.bind");
  EXPECT_THAT(second.error().message, HasSubstr(taken.text()));
  EXPECT_THAT(second.error().message, HasSubstr("--listen"));
  auto foreign = listenHttp(Endpoint{"192.0.2.1", 0}, handler, {}, std::nullopt);
  ASSERT_FALSE(foreign);
  EXPECT_THAT(foreign.error().message, HasSubstr("no address of this machine"));
}

TEST(Endpoint, ParsesAndRefuses) {
  EXPECT_EQ(Endpoint::parse("127.0.0.1:4747")->text(), "127.0.0.1:4747");
  EXPECT_EQ(Endpoint::parse("[::1]:0")->text(), "[::1]:0");
  EXPECT_EQ(Endpoint::parse("localhost:80")->address, "127.0.0.1");
  EXPECT_TRUE(Endpoint::parse("127.8.0.1:1")->isLoopback());
  EXPECT_TRUE(Endpoint::parse("[::1]:1")->isLoopback());
  EXPECT_FALSE(Endpoint::parse("0.0.0.0:1")->isLoopback());
  for (const auto* wrong : {"4747", "127.0.0.1", "127.0.0.1:65536", "::1:80", "host.example:80", "127.0.0.1:x", ":80"}) {
    const auto got = Endpoint::parse(wrong);
    ASSERT_FALSE(got) << wrong;
    EXPECT_THAT(got.error().message, HasSubstr(wrong));
  }
}

}  // namespace
}  // namespace sp::net
