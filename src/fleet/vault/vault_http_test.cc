// The vault's route under the real restic, over plain loopback HTTP: what the listener adds (TLS, certificates) is tested
// with the whole server.
#include "fleet/vault_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/random.h"
#include "base/strings.h"
#include "fleet/vault/repository_key.h"
#include "os/file.h"
#include "os/process.h"

namespace sp::fleet {
namespace {

/// A request on a blocking socket, as the agents' listener would hand it over.
class SocketStream final : public AgentHttpStream {
 public:
  SocketStream(int fd, std::string& buffer) : fd_(fd), buffer_(buffer) {}

  bool readHead() {
    while (buffer_.find("\r\n\r\n") == std::string::npos)
      if (!fill()) return false;
    const auto end = buffer_.find("\r\n\r\n");
    const auto lines = split(std::string_view(buffer_).substr(0, end), '\n');
    const auto words = split(lines[0], ' ');
    head_.method = words[0];
    head_.target = words[1];
    for (std::size_t i = 1; i < lines.size(); ++i) {
      const auto colon = lines[i].find(':');
      head_.headers.push_back({std::string(lines[i].substr(0, colon)), std::string(trim(lines[i].substr(colon + 1)))});
    }
    for (const auto& header : head_.headers) {
      if (equalsIgnoreCase(header.name, "Content-Length")) left_ = static_cast<std::uint64_t>(*parseInt(header.value));
      if (equalsIgnoreCase(header.name, "Authorization")) authorization_ = header.value;
    }
    buffer_.erase(0, end + 4);
    return true;
  }

  const net::RequestHead& head() const override { return head_; }
  const std::string& agent() const override { return agent_; }
  std::optional<std::pair<std::string, std::string>> credential() const override {
    if (!authorization_.starts_with("Basic ")) return std::nullopt;
    const auto text = fromBase64(std::string_view(authorization_).substr(6)).value_or("");
    const auto colon = text.find(':');
    return std::pair(text.substr(0, colon), text.substr(colon + 1));
  }
  Result<std::string_view> readBody(std::size_t limit) override {
    if (left_ == 0) return std::string_view();
    if (buffer_.empty() && !fill()) return fail("net.closed", "closed");
    piece_ = buffer_.substr(0, std::min<std::size_t>({limit, left_, buffer_.size()}));
    buffer_.erase(0, piece_.size());
    left_ -= piece_.size();
    return std::string_view(piece_);
  }
  Result<void> respond(int status, const net::Headers& headers, std::string_view body) override {
    while (left_ > 0)
      if (auto dropped = readBody(1U << 20U); !dropped) return std::unexpected(dropped.error());
    SP_CHECK_OK(respondHead(status, headers, body.size()));
    return write(body);
  }
  Result<void> respondHead(int status, const net::Headers& headers, std::uint64_t length) override {
    auto text = fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n", status, length);
    for (const auto& header : headers) text += fmt::format("{}: {}\r\n", header.name, header.value);
    return write(text + "\r\n");
  }
  Result<void> write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const auto put = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put <= 0) return fail("net.closed", "closed");
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
  }

 private:
  bool fill() {
    char piece[65536];
    const auto got = ::recv(fd_, piece, sizeof piece, 0);
    if (got <= 0) return false;
    buffer_.append(piece, static_cast<std::size_t>(got));
    return true;
  }
  int fd_;
  std::string& buffer_;
  net::RequestHead head_;
  std::string agent_ = "i-1";
  std::string authorization_;
  std::string piece_;
  std::uint64_t left_ = 0;
};

class HttpPort {
 public:
  explicit HttpPort(AgentHttpRoute& route) : route_(route), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(listener_.get(), 64), 0);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept(); });
  }
  HttpPort(const HttpPort&) = delete;
  HttpPort& operator=(const HttpPort&) = delete;
  ~HttpPort() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    for (auto& thread : threads_) thread.join();
  }
  std::uint16_t port() const { return port_; }

 private:
  void accept() {
    while (true) {
      const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      const std::lock_guard lock(mutex_);
      open_.push_back(fd);
      threads_.emplace_back([this, fd] {
        std::string buffer;
        while (true) {
          SocketStream stream(fd, buffer);
          if (!stream.readHead()) break;
          route_.serve(stream);
        }
        const std::lock_guard inner(mutex_);
        std::erase(open_, fd);
        ::close(fd);
      });
    }
  }
  AgentHttpRoute& route_;
  os::Fd listener_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

class Access final : public runtime::VaultAccess {
 public:
  std::optional<runtime::VaultGrant> admit(std::string_view agent, std::string_view user, std::string_view secret) override {
    const std::lock_guard lock(mutex_);
    if (ended_.contains(user) || secret != "right" || agent != "i-1") return std::nullopt;
    const auto direction = user.starts_with("restore") ? runtime::VaultDirection::restore : runtime::VaultDirection::backup;
    return runtime::VaultGrant{std::string(user), "i-1", "V", "i-1", direction};
  }
  bool beginChange(const runtime::VaultGrant& grant) override {
    const std::lock_guard lock(mutex_);
    if (ended_.contains(grant.job)) return false;
    ++changing_;
    return true;
  }
  void changed(const runtime::VaultGrant&) override {
    const std::lock_guard lock(mutex_);
    --changing_;
  }
  Result<void> snapshotStored(const runtime::VaultGrant& grant, std::string_view snapshot_id) override {
    if (refuse_next.exchange(false)) return fail("store.full", "no");
    const std::lock_guard lock(mutex_);
    snapshots_.emplace_back(grant.job, snapshot_id);
    return {};
  }
  Result<void> snapshotComing(const runtime::VaultGrant&, std::string_view snapshot_id) override {
    const std::lock_guard lock(mutex_);
    coming_.emplace_back(snapshot_id);
    return {};
  }
  void full(const runtime::VaultGrant&, const std::string&) override {}
  void moved(const runtime::VaultGrant&, std::uint64_t in, std::uint64_t out) override {
    received += in;
    sent += out;
  }
  /// Job and id of each snapshot stored so far. Any thread: that restic has ended says nothing to ours.
  std::vector<std::pair<std::string, std::string>> snapshots() {
    const std::lock_guard lock(mutex_);
    return snapshots_;
  }
  /// Ids announced so far, also of those that were refused then.
  std::vector<std::string> coming() {
    const std::lock_guard lock(mutex_);
    return coming_;
  }
  /// Closes a job's grant.
  void end(const std::string& job) {
    const std::lock_guard lock(mutex_);
    ended_.insert(job);
  }
  int changing() {
    const std::lock_guard lock(mutex_);
    return changing_;
  }
  std::atomic<bool> refuse_next{false};
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> sent{0};

 private:
  std::mutex mutex_;
  std::vector<std::pair<std::string, std::string>> snapshots_;
  std::vector<std::string> coming_;
  std::set<std::string, std::less<>> ended_;
  int changing_ = 0;
};

class VaultHttpTest : public testing::Test {
 protected:
  /// restic takes seconds to make a repository: made once, copied for each test.
  static void SetUpTestSuite() {
    char name[] = "/tmp/stillpoint-vault-XXXXXX";
    made_ = ::mkdtemp(name);
    const auto keeper = makeVaultKeeper(made_);
    ASSERT_TRUE(wait([&](auto done) { keeper->create({"V", "i-1", "geheim"}, done); }).has_value());
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(made_); }

  void SetUp() override {
    char name[] = "/tmp/stillpoint-vault-XXXXXX";
    dir_ = ::mkdtemp(name);
    std::filesystem::copy(made_, dir_ + "/vaults", std::filesystem::copy_options::recursive);
    route_ = std::make_unique<VaultHttp>(dir_ + "/vaults", access_);
    port_ = std::make_unique<HttpPort>(*route_);
    keeper_ = makeVaultKeeper(dir_ + "/vaults");
  }
  void TearDown() override {
    port_.reset();
    std::filesystem::remove_all(dir_);
  }

  static Result<void> wait(const std::function<void(runtime::VaultKeeper::Done)>& begin) {
    std::promise<Result<void>> result;
    begin([&](Result<void> value) { result.set_value(std::move(value)); });
    return result.get_future().get();
  }

  os::Output restic(const std::string& repository, std::vector<std::string> arguments) {
    os::SpawnSpec spec;
    spec.argv = {"restic", "-r", repository, "--no-cache"};
    spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
    spec.environment = {{"PATH=/usr/bin:/bin", "RESTIC_PASSWORD=geheim", "TZ=UTC", "HOME=/nonexistent"}};
    spec.cwd = dir_;
    auto output = os::run(std::move(spec), std::chrono::seconds(100));
    EXPECT_TRUE(output.has_value());
    return *output;
  }
  std::string url(const std::string& user, const std::string& secret = "right", const std::string& repository = "i-1") const {
    return fmt::format("rest:http://{}:{}@127.0.0.1:{}/vault/V/{}/", user, secret, port_->port(), repository);
  }
  static bool send(const os::Fd& fd, std::string_view bytes) {
    return ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  /// The head of a raw request, with so much of its body as is given; what it was sent on.
  os::Fd begin(const std::string& method, const std::string& path, const std::string& user, std::string_view body, std::size_t length) {
    os::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port_->port());
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_TRUE(send(fd, fmt::format("{} /vault/V/i-1/{} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {}\r\nContent-Length: {}\r\n\r\n{}",
                                     method, path, toBase64(user + ":right"), length, body)));
    return fd;
  }
  /// The status of its answer.
  static std::string status(const os::Fd& fd) {
    char answer[4096];
    const auto got = ::recv(fd.get(), answer, sizeof answer, 0);
    return got > 12 ? std::string(answer + 9, 3) : "no answer";
  }
  /// One raw request; its status.
  std::string ask(const std::string& method, const std::string& path, const std::string& user = "job", const std::string& body = "") {
    return status(begin(method, path, user, body, body.size()));
  }
  /// Until the server has received so many bytes of an upload that goes on.
  bool incoming(std::size_t bytes) const {
    std::error_code error;
    for (int i = 0; i < 2000; ++i, std::this_thread::sleep_for(std::chrono::milliseconds(5)))

      for (const auto& entry : std::filesystem::directory_iterator(dir_ + "/vaults/V/.stillpoint/incoming", error))
        if (entry.file_size(error) >= bytes) return true;
    return false;
  }
  void makeFiles() {
    std::filesystem::create_directories(dir_ + "/src/deep");
    SystemRandom random;
    for (int i = 0; i < 20; ++i) {
      std::string bytes(1U << 20U, '\0');
      random.fill({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
      std::ofstream(fmt::format("{}/src/deep/{}", dir_, i), std::ios::binary) << bytes;
    }
  }

  static inline std::string made_;
  std::string dir_;
  Access access_;
  std::unique_ptr<VaultHttp> route_;
  std::unique_ptr<HttpPort> port_;
  std::unique_ptr<runtime::VaultKeeper> keeper_;
};

TEST_F(VaultHttpTest, BackupCheckAndRestoreWithTheRealRestic) {
  makeFiles();
  access_.refuse_next = true;  // restic asks again: the file is there then, and that is no error
  const auto backup = restic(url("job"), {"--json", "backup", "src"});
  ASSERT_EQ(backup.status.code, 0) << backup.err;
  const auto snapshots = access_.snapshots();
  ASSERT_EQ(snapshots.size(), 1U);
  EXPECT_EQ(snapshots[0].first, "job");
  EXPECT_NE(backup.out.find("\"snapshot_id\":\"" + snapshots[0].second.substr(0, 8)), std::string::npos);
  EXPECT_EQ(access_.coming(), std::vector<std::string>(2, snapshots[0].second)) << "the refused one was announced too";
  EXPECT_GE(access_.received.load(), 20U << 20U);
  // The folder is an ordinary repository.
  const auto check = restic(keeper_->pathOf("V", "i-1"), {"check", "--read-data"});
  EXPECT_EQ(check.status.code, 0) << check.err << check.out;
  const auto restored = restic(url("restore1"), {"restore", "latest", "--verify", "--target", dir_ + "/out"});
  EXPECT_EQ(restored.status.code, 0) << restored.err;
  EXPECT_EQ(os::run({.argv = {"diff", "-r", dir_ + "/src", dir_ + "/out/src"}}, std::chrono::seconds(30))->status.code, 0);
  EXPECT_GE(access_.sent.load(), 20U << 20U);
  // Both took back their locks.
  EXPECT_TRUE(std::filesystem::is_empty(keeper_->pathOf("V", "i-1") + "/locks"));
}

TEST_F(VaultHttpTest, ARepositoryOpensQuicklyUnderItsRandomKeyAndUnderNoOther) {
  SystemRandom random;
  const auto key = random.hex(64);
  ASSERT_TRUE(wait([&](auto done) { keeper_->create({"V", "i-9", key}, done); }).has_value());
  const auto path = keeper_->pathOf("V", "i-9");
  const auto with = [&](const std::string& password, std::vector<std::string> arguments) {
    os::SpawnSpec spec;
    spec.argv = {"restic", "-r", path, "--no-cache"};
    spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
    spec.environment = {{"PATH=/usr/bin:/bin", "RESTIC_PASSWORD=" + password, "TZ=UTC", "HOME=/nonexistent"}};
    spec.cwd = dir_;
    return os::run(std::move(spec), std::chrono::seconds(100)).value_or(os::Output{});
  };
  makeFiles();
  EXPECT_EQ(with(key, {"backup", "src"}).status.code, 0);
  EXPECT_EQ(with(key, {"check", "--read-data"}).status.code, 0);
  EXPECT_NE(with(random.hex(64), {"cat", "config"}).status.code, 0);
  // Another key of restic's own beside it, and the first goes on opening.
  std::ofstream(dir_ + "/second") << "geheim\n";
  EXPECT_EQ(with(key, {"key", "add", "--new-password-file", dir_ + "/second"}).status.code, 0);
  EXPECT_EQ(with("geheim", {"cat", "config"}).status.code, 0);
  EXPECT_EQ(with(key, {"cat", "config"}).status.code, 0);
  EXPECT_FALSE(quickenKey(path, key, random)) << "two keys: it is in use";
}

TEST_F(VaultHttpTest, AKeyThatPeopleThinkOfKeepsItsDerivation) {
  SystemRandom random;
  const auto path = keeper_->pathOf("V", "i-1");
  const auto refused = quickenKey(path, "geheim", random);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("a password of 6 characters"), std::string::npos);
  const auto file = std::filesystem::directory_iterator(path + "/keys")->path().string();
  const auto text = os::readFile(file).value();
  EXPECT_NE(openKey(text, "geheim").value_or("").find("\"encrypt\""), std::string::npos);
  EXPECT_EQ(openKey(text, "gehein").error().code, "vault.key");
  EXPECT_EQ(openKey("{}", "geheim").error().code, "vault.key");
}

TEST_F(VaultHttpTest, WrongCredentialsAreTurnedAway) {
  makeFiles();
  EXPECT_EQ(restic(url("job", "wrong"), {"backup", "src"}).status.code, 1);
  EXPECT_EQ(restic(url("job", "right", "i-2"), {"backup", "src"}).status.code, 1);
  EXPECT_TRUE(access_.snapshots().empty());
}

TEST_F(VaultHttpTest, NothingIsOverwrittenForgedOrDeleted) {
  const std::string body = "bytes";
  const auto id = sha256Hex(body);
  EXPECT_EQ(ask("POST", "data/" + id, "job", body), "200");
  EXPECT_EQ(ask("POST", "data/" + id, "job", body), "200");  // the same bytes: said twice
  EXPECT_EQ(ask("POST", "data/" + id, "job", "other"), "400");
  EXPECT_EQ(os::readFile(fmt::format("{}/data/{}/{}", keeper_->pathOf("V", "i-1"), id.substr(0, 2), id)).value(), body);
  EXPECT_EQ(ask("POST", "data/" + sha256Hex("x"), "restore1", "x"), "403");
  EXPECT_EQ(ask("POST", "keys/" + sha256Hex("x"), "job", "x"), "403");
  EXPECT_EQ(ask("POST", "config", "job", "x"), "403");
  EXPECT_EQ(ask("POST", "?create=true", "job"), "403");
  EXPECT_EQ(ask("DELETE", "data/" + id, "job"), "403");
  EXPECT_EQ(ask("GET", "data/" + std::string(64, 'a'), "job"), "404");
  EXPECT_EQ(ask("GET", "data/../../config", "job"), "404");
  EXPECT_EQ(ask("PUT", "data/" + id, "job", body), "405");
}

TEST_F(VaultHttpTest, OnlyOwnLocksCanBeDeletedEvenAfterARestart) {
  const auto lock = sha256Hex("lock");
  EXPECT_EQ(ask("POST", "locks/" + lock, "restore1", "lock"), "200");
  EXPECT_EQ(ask("DELETE", "locks/" + lock, "job"), "403");
  port_.reset();
  route_ = std::make_unique<VaultHttp>(dir_ + "/vaults", access_);
  port_ = std::make_unique<HttpPort>(*route_);
  EXPECT_EQ(ask("DELETE", "locks/" + lock, "restore1"), "200");
  EXPECT_FALSE(std::filesystem::exists(keeper_->pathOf("V", "i-1") + "/locks/" + lock));
}

TEST_F(VaultHttpTest, WhatWasAdmittedBeforeItsJobsEndDoesNotLandAfterThePrune) {
  makeFiles();
  ASSERT_EQ(restic(url("job1"), {"backup", "src"}).status.code, 0);
  const auto path = keeper_->pathOf("V", "i-1");
  // As if its index and its snapshot had not come yet, but all of its packs.
  const auto index = std::filesystem::directory_iterator(path + "/index")->path();
  const auto id = index.filename().string();
  const auto bytes = os::readFile(index.string()).value();
  std::filesystem::remove(index);
  std::filesystem::remove(path + "/snapshots/" + access_.snapshots().at(0).second);
  const auto upload = begin("POST", "index/" + id, "job1", std::string_view(bytes).substr(0, bytes.size() / 2), bytes.size());
  ASSERT_TRUE(incoming(bytes.size() / 2));
  access_.end("job1");
  ASSERT_TRUE(wait([&](auto done) { keeper_->forget({"V", "i-1", "geheim"}, {}, done); }).has_value());
  EXPECT_TRUE(send(upload, std::string_view(bytes).substr(bytes.size() / 2)));
  EXPECT_EQ(status(upload), "401");
  EXPECT_FALSE(std::filesystem::exists(path + "/index/" + id));
  EXPECT_EQ(access_.changing(), 0);
  // The next one sends again what the prune has removed.
  ASSERT_EQ(restic(url("job2"), {"backup", "src"}).status.code, 0);
  const auto check = restic(path, {"check", "--read-data"});
  EXPECT_EQ(check.status.code, 0) << check.err << check.out;
}

TEST_F(VaultHttpTest, KeeperForgetsDespiteAStaleLock) {
  makeFiles();
  ASSERT_EQ(restic(url("job"), {"backup", "src"}).status.code, 0);
  const auto snapshots = access_.snapshots();
  ASSERT_EQ(snapshots.size(), 1U);
  const auto path = keeper_->pathOf("V", "i-1");
  const auto lock = sha256Hex("stale");
  std::ofstream(path + "/locks/" + lock) << "stale";
  const auto forgotten = wait([&](auto done) { keeper_->forget({"V", "i-1", "geheim"}, {snapshots[0].second}, done); });
  EXPECT_TRUE(forgotten.has_value()) << forgotten.error().text();
  EXPECT_TRUE(std::filesystem::is_empty(path + "/snapshots"));
  std::uintmax_t left = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path + "/data"))
    if (entry.is_regular_file()) left += entry.file_size();
  EXPECT_LT(left, 1U << 20U);
  const auto again = wait([&](auto done) { keeper_->create({"V", "i-1", "geheim"}, done); });
  EXPECT_TRUE(again.has_value());
  EXPECT_FALSE(wait([&](auto done) { keeper_->create({"V", "i-1", "other key"}, done); }).has_value());
}

}  // namespace
}  // namespace sp::fleet
