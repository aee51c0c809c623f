// The agents' port with real sockets and real TLS.
#include "fleet/listener.h"

#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <future>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "agentwire/messages.h"
#include "net/http_client.h"
#include "net/tls_client.h"

namespace sp::fleet {
namespace {

constexpr int kPatienceMs = 5000;

/// A folder, an authority, a port.
class ListenerTest : public testing::Test {
 protected:
  ListenerTest() : directory_(std::filesystem::temp_directory_path() / ("sp-listener-" + random_.hex(12))) {
    // As in the server: whoever leaves in the middle of an answer ends nothing else.
    ::signal(SIGPIPE, SIG_IGN);
    authority_ = *Authority::open(directory_ / "ca", random_);
  }
  ~ListenerTest() override {
    if (listener_) listener_->stop();
    std::filesystem::remove_all(directory_);
  }

  void open(ListenerLimits limits = {}) { listener_ = *Listener::open({"127.0.0.1", 0}, *authority_, clock_, limits); }
  void start() {
    Listener::Events events;
    events.hello = [this](SessionId session, const std::string& agent, json::Object) { note("hello " + agent, session); };
    events.message = [this](SessionId session, const std::string&, json::Object message) {
      note(json::textOr(message, "type"), session);
      listener_->consumed(session);
    };
    events.closed = [this](SessionId session, const std::string& agent, Duration quiet) {
      {
        const std::lock_guard lock(mutex_);
        quiet_ = quiet;
      }
      note("closed " + agent, session);
    };
    listener_->start(std::move(events));
  }

  void note(std::string what, SessionId session) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(what));
    last_session_ = session;
    changed_.notify_all();
  }
  bool sees(const std::string& what) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::milliseconds(kPatienceMs),
                             [&] { return std::ranges::find(events_, what) != events_.end(); });
  }
  SessionId session() {
    const std::lock_guard lock(mutex_);
    return last_session_;
  }

  net::ClientTls identity(const Authority& authority, const std::string& name) {
    const auto folder = directory_ / (name + "-" + random_.hex(6));
    std::filesystem::create_directories(folder);
    const auto issued = *authority.issueAgent(name);
    net::ClientTls tls{folder / "ca.pem", folder / "cert.pem", folder / "key.pem", "stillpoint"};
    EXPECT_TRUE(os::writeFileDurably(tls.ca_file, authority_->certificate()));
    EXPECT_TRUE(os::writeFileDurably(tls.cert_file, issued.cert));
    EXPECT_TRUE(os::writeFileDurably(tls.key_file, issued.key));
    return tls;
  }
  Result<std::unique_ptr<net::FramedTlsClient>> dial(const net::ClientTls& tls, const std::string& alpn = std::string(agentwire::kAlpn)) {
    return net::FramedTlsClient::connect({"127.0.0.1", listener_->endpoint().port, tls, alpn, agentwire::kFrameMax}, kPatienceMs);
  }
  Result<net::Response> get(const net::ClientTls& tls, const std::string& target) {
    net::ClientRequest request;
    request.target = target;
    return net::makeHttpClient("127.0.0.1", listener_->endpoint().port, tls, 5)->send(request);
  }
  /// Pumps until a frame comes or the connection ends.
  static Result<json::Object> receive(net::FramedTlsClient& client) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
    while (std::chrono::steady_clock::now() < deadline) {
      SP_TRY(const auto waiting, client.next());
      if (waiting) return json::parse(*waiting)->get_object();
      // What came before the end is there still.
      const auto pumped = client.pump();
      SP_TRY(const auto text, client.next());
      if (text) return json::parse(*text)->get_object();
      SP_CHECK_OK(pumped);
      pollfd wait{client.fd(), static_cast<short>(POLLIN | (client.wantsWrite() ? POLLOUT : 0)), 0};
      ::poll(&wait, 1, 100);
    }
    return fail("test.timeout", "nothing came");
  }
  static Result<void> say(net::FramedTlsClient& client, const json::Object& message) {
    client.queue(*agentwire::frame(message));
    while (client.wantsWrite()) SP_CHECK_OK(client.pump());
    return client.pump();
  }

  SystemRandom random_;
  SystemClock clock_;
  std::filesystem::path directory_;
  std::unique_ptr<Authority> authority_;
  std::unique_ptr<Listener> listener_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> events_;
  SessionId last_session_ = 0;
  Duration quiet_{0};
};

TEST_F(ListenerTest, FramesTravelBothWays) {
  open();
  start();
  const auto client = dial(identity(*authority_, "i-1"));
  ASSERT_TRUE(client) << client.error().text();
  ASSERT_TRUE(say(**client, {{"type", "hello"}, {"agent", "i-1"}}));
  ASSERT_TRUE(sees("hello i-1"));
  listener_->send(session(), *agentwire::frame({{"type", "welcome"}, {"padding", std::string(900'000, 'x')}}));
  const auto welcome = receive(**client);
  ASSERT_TRUE(welcome) << welcome.error().text();
  EXPECT_EQ(json::textOr(*welcome, "type"), "welcome");
  ASSERT_TRUE(say(**client, {{"type", "progress"}, {"padding", std::string(900'000, 'y')}}));
  EXPECT_TRUE(sees("progress"));
  listener_->close(session());
  EXPECT_TRUE(sees("closed i-1"));
}

TEST_F(ListenerTest, AForeignCertificateIsRefused) {
  open();
  start();
  const auto other = *Authority::open(directory_ / "other-ca", random_);
  const auto client = dial(identity(*other, "i-1"));
  // In TLS 1.3 the client learns of it with its first read.
  if (client) {
    (void)say(**client, {{"type", "hello"}, {"agent", "i-1"}});
    EXPECT_FALSE(receive(**client));
  }
  EXPECT_TRUE(events_.empty());
}

TEST_F(ListenerTest, HelloMustCarryTheCertificatesName) {
  open();
  start();
  const auto client = dial(identity(*authority_, "i-1"));
  ASSERT_TRUE(client);
  // The end may have come already when the last byte of the hello leaves.
  const auto answer = [&]() -> Result<json::Object> {
    SP_CHECK_OK(say(**client, {{"type", "hello"}, {"agent", "i-2"}}));
    return receive(**client);
  }();
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().code, "test.timeout");
}

TEST_F(ListenerTest, AFrameAboveTheLimitEndsTheSession) {
  open();
  start();
  const auto client = dial(identity(*authority_, "i-1"));
  ASSERT_TRUE(client);
  ASSERT_TRUE(say(**client, {{"type", "hello"}, {"agent", "i-1"}}));
  ASSERT_TRUE(sees("hello i-1"));
  (*client)->queue(std::string("\x00\x20\x00\x00", 4) + "rest");
  (void)(*client)->pump();
  EXPECT_TRUE(sees("closed i-1"));
}

TEST_F(ListenerTest, SilenceIsAnsweredByPingsAndThenTheEnd) {
  ListenerLimits limits;
  limits.ping = std::chrono::milliseconds(500);
  limits.silence = std::chrono::milliseconds(3500);
  open(limits);
  start();
  const auto client = dial(identity(*authority_, "i-1"));
  ASSERT_TRUE(client);
  ASSERT_TRUE(say(**client, {{"type", "hello"}, {"agent", "i-1"}}));
  const auto ping = receive(**client);
  ASSERT_TRUE(ping) << ping.error().text();
  EXPECT_EQ(json::textOr(*ping, "type"), "ping");
  EXPECT_GE(listener_->quiet(last_session_), limits.ping);
  EXPECT_TRUE(sees("closed i-1"));
  EXPECT_GE(quiet_, limits.silence);
  EXPECT_EQ(listener_->quiet(last_session_), Duration{0});
}

TEST_F(ListenerTest, AfterItsStopNothingIsSaidOfSessions) {
  open();
  start();
  const auto client = dial(identity(*authority_, "i-1"));
  ASSERT_TRUE(client);
  ASSERT_TRUE(say(**client, {{"type", "hello"}, {"agent", "i-1"}}));
  ASSERT_TRUE(sees("hello i-1"));
  listener_->stop();
  EXPECT_EQ(listener_->quiet(last_session_), Duration{0});
}

TEST_F(ListenerTest, WhoNeverShakesHandsIsDropped) {
  ListenerLimits limits;
  limits.handshake = std::chrono::milliseconds(500);
  limits.handshakes = 1;
  open(limits);
  start();
  const os::Fd idle(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(listener_->endpoint().port);
  ASSERT_EQ(::connect(idle.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  // The only place is taken by it until its time is over; then the next gets in.
  const auto client = dial(identity(*authority_, "i-1"));
  ASSERT_TRUE(client) << client.error().text();
  ASSERT_TRUE(say(**client, {{"type", "hello"}, {"agent", "i-1"}}));
  EXPECT_TRUE(sees("hello i-1"));
}

TEST_F(ListenerTest, ASessionWithoutHandledMessagesIsNotReadFrom) {
  ListenerLimits limits;
  limits.unhandled = 4;
  open(limits);
  start();
  const auto client = dial(identity(*authority_, "i-1"));
  ASSERT_TRUE(client);
  ASSERT_TRUE(say(**client, {{"type", "hello"}, {"agent", "i-1"}}));
  ASSERT_TRUE(sees("hello i-1"));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(say(**client, {{"type", "note"}}));
  ASSERT_TRUE(say(**client, {{"type", "last"}}));
  EXPECT_TRUE(sees("last"));
}

/// Answers with what it was asked.
class Echo final : public AgentHttpRoute {
 public:
  void serve(AgentHttpStream& stream) override {
    std::string body;
    while (true) {
      auto piece = stream.readBody(1000);
      if (!piece) return;
      if (piece->empty()) break;
      body += *piece;
    }
    if (stream.head().target == "/echo/large") {
      (void)stream.respondHead(200, {}, body.size() * 2);
      (void)stream.write(body);
      (void)stream.write(body);
      return;
    }
    const auto login = stream.credential();
    (void)stream.respond(200, {{"X-Agent", stream.agent()}},
                         fmt::format("{} {} {}", stream.head().method, login ? login->first + "/" + login->second : "-", body));
  }
};

TEST_F(ListenerTest, HttpHasRoutesBodiesAndKeepAlive) {
  open();
  Echo echo;
  listener_->route("/echo/", echo);
  start();
  const auto http = net::makeHttpClient("127.0.0.1", listener_->endpoint().port, identity(*authority_, "i-1"), 5);
  net::ClientRequest request;
  request.method = "PUT";
  request.target = "/echo/x";
  request.headers = {{"Authorization", "Basic " + std::string("dXNlcjpwYXNz")}};
  request.body = "hello";
  const auto first = http->send(request);
  ASSERT_TRUE(first) << first.error().text();
  EXPECT_EQ(first->body, "PUT user/pass hello");
  EXPECT_EQ(net::findHeader(first->headers, "x-agent"), "i-1");
  request.target = "/echo/large";
  request.body = std::string(300'000, 'z');
  const auto second = http->send(request);
  ASSERT_TRUE(second) << second.error().text();
  EXPECT_EQ(second->body.size(), 600'000U);
  net::ClientRequest elsewhere;
  elsewhere.target = "/nowhere";
  const auto third = http->send(elsewhere);
  ASSERT_TRUE(third);
  EXPECT_EQ(third->status, 404);
}

TEST_F(ListenerTest, HttpNeedsACertificateUnlessTheRouteIsForAnyone) {
  open();
  Echo echo;
  listener_->route("/echo/", echo);
  listener_->route("/open", echo, AgentHttpAccess::anyone);
  start();
  auto tls = identity(*authority_, "i-1");
  tls.cert_file = tls.key_file = "";
  const auto refused = get(tls, "/echo/x");
  ASSERT_TRUE(refused) << refused.error().text();
  EXPECT_EQ(refused->status, 401);
  EXPECT_NE(refused->body.find("no_certificate"), std::string::npos);
  const auto taken = get(tls, "/open");
  ASSERT_TRUE(taken) << taken.error().text();
  EXPECT_EQ(taken->status, 200);
}

TEST_F(ListenerTest, WithoutACertificateThereIsNoSession) {
  open();
  start();
  auto tls = identity(*authority_, "i-1");
  tls.cert_file = tls.key_file = "";
  const auto client = dial(tls);
  ASSERT_TRUE(client) << client.error().text();
  const auto answer = receive(**client);
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_EQ(json::textOr(*answer, "code"), agentwire::kNoCertificate);
}

TEST_F(ListenerTest, AnExpiredCertificateMayRenewAndNothingElse) {
  authority_->setAgentLife(std::chrono::seconds(-60));
  open();
  Echo echo;
  listener_->route("/echo/", echo);
  listener_->route("/renew", echo, AgentHttpAccess::renewing);
  start();
  const auto tls = identity(*authority_, "i-1");
  const auto client = dial(tls);
  ASSERT_TRUE(client) << client.error().text();
  // The answer and the end may have come before the last byte of the hello leaves.
  static_cast<void>(say(**client, {{"type", "hello"}, {"agent", "i-1"}}));
  const auto answer = receive(**client);
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_EQ(json::textOr(*answer, "code"), agentwire::kExpired);
  EXPECT_EQ(get(tls, "/echo/x")->status, 403);
  EXPECT_EQ(get(tls, "/renew")->status, 200);
  listener_->admissions().bar("i-1", {std::string(agentwire::kRevoked), "taken back"});
  const auto barred = get(tls, "/renew");
  EXPECT_EQ(barred->status, 403);
  EXPECT_NE(barred->body.find("revoked"), std::string::npos);
}

TEST_F(ListenerTest, ARevokedAgentsHttpIsCut) {
  open();
  Echo echo;
  listener_->route("/echo/", echo);
  start();
  const auto tls = identity(*authority_, "i-1");
  const auto http = net::makeHttpClient("127.0.0.1", listener_->endpoint().port, tls, 5);
  net::ClientRequest request;
  request.target = "/echo/x";
  EXPECT_EQ(http->send(request)->status, 200);
  listener_->cutHttp("i-1");
  EXPECT_EQ(http->send(request)->status, 200) << "nothing was taken back";
  listener_->admissions().admit("i-1", "another");
  listener_->cutHttp("i-1");
  const auto after = http->send(request);
  ASSERT_TRUE(after) << after.error().text();
  EXPECT_EQ(after->status, 403);
}

TEST_F(ListenerTest, StrangersHaveRoomOfTheirOwn) {
  ListenerLimits limits;
  limits.strangers = 1;
  open(limits);
  Echo echo;
  listener_->route("/open", echo, AgentHttpAccess::anyone);
  start();
  auto stranger = identity(*authority_, "i-1");
  stranger.cert_file = stranger.key_file = "";
  const auto holds = dial(stranger, "http/1.1");
  ASSERT_TRUE(holds);
  // The place is taken once its connection has its thread; until then a second one may be quicker.
  const auto refused = [&] { return !get(stranger, "/open"); };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  bool full = false;
  while (!full && std::chrono::steady_clock::now() < deadline) full = refused();
  EXPECT_TRUE(full);
  EXPECT_EQ(get(identity(*authority_, "i-2"), "/open")->status, 200);
}

TEST(AuthorityTest, StaysTheSameAndTellsBrokenFilesApart) {
  SystemRandom random;
  const auto directory = std::filesystem::temp_directory_path() / ("sp-authority-" + random.hex(12));
  const auto first = *Authority::open(directory, random);
  const auto second = *Authority::open(directory, random);
  EXPECT_EQ(first->id(), second->id());
  EXPECT_EQ(first->certificate(), second->certificate());
  EXPECT_EQ(first->id().size(), 32U);
  const auto other = *Authority::open(directory / "other", random);
  EXPECT_NE(first->id(), other->id());
  std::filesystem::copy_file(directory / "other/ca.key", directory / "ca.key", std::filesystem::copy_options::overwrite_existing);
  const auto broken = Authority::open(directory, random);
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, "ca.broken");
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace sp::fleet
