// The qemu driver: its conversation with a monitor that a test plays, and a real guest under TCG: Debian's cloud kernel with an
// initramfs of busybox (2-5 s a boot).
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agent/power/driver.h"
#include "agent/power/qmp.h"
#include "agent/testing_test.h"
#include "base/strings.h"
#include "os/process.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using testing::LineAgent;
using testing::TempFolder;
using testing::until;

/// One client of a socket, answered line by line.
class Monitor {
 public:
  using Answer = std::function<std::string(const json::Object&)>;
  Monitor(const std::string& path, std::string greeting, Answer answer) : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 4), 0);
    thread_ = std::thread([this, greeting = std::move(greeting), answer = std::move(answer)] { serve(greeting, answer); });
  }
  ~Monitor() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

 private:
  void serve(const std::string& greeting, const Answer& answer) {
    const os::Fd client(::accept(listener_.get(), nullptr, nullptr));
    if (!client) return;
    say(client.get(), greeting);
    std::string unread;
    std::array<char, 1024> bytes{};
    while (true) {
      const auto got = ::recv(client.get(), bytes.data(), bytes.size(), 0);
      if (got <= 0) return;
      unread.append(bytes.data(), static_cast<std::size_t>(got));
      for (auto end = unread.find('\n'); end != std::string::npos; end = unread.find('\n')) {
        const auto line = json::parse(unread.substr(0, end));
        unread.erase(0, end + 1);
        if (line) say(client.get(), answer(line->as_object()));
      }
    }
  }
  static void say(int fd, const std::string& text) {
    EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }

  os::Fd listener_;
  std::thread thread_;
};

constexpr const char* kGreeting = "{\"QMP\":{\"version\":{},\"capabilities\":[]}}\n";

std::string reply(const json::Object& call, const std::string& member = R"("return":{})") {
  return fmt::format("{{{},\"id\":{}}}\n", member, json::intOr(call, "id", 0));
}

TEST(Qmp, RepliesAreFoundByTheirIdAmongEventsAndOthers) {
  const TempFolder folder;
  const auto path = folder.path() + "/qmp";
  const Monitor monitor(path, kGreeting, [](const json::Object& call) {
    if (json::textOr(call, "execute") != "query-status") return reply(call);
    return "{\"event\":\"STOP\"}\n{\"return\":{\"status\":\"stale\"},\"id\":999}\n{\"return\":{\"status\":\"late\"}}\n" +
           reply(call, R"("return":{"status":"running"})");
  });
  auto client = QmpClient::connect(path, milliseconds(2'000));
  ASSERT_TRUE(client) << client.error().text();
  const auto status = client->execute("query-status", {}, milliseconds(2'000));
  ASSERT_TRUE(status) << status.error().text();
  EXPECT_EQ(json::textOr(status->as_object(), "status"), "running");
  EXPECT_EQ(client->peer(), ::getpid());
}

TEST(Qmp, WhatIsRefusedOrSilentOrClosedIsAnError) {
  const TempFolder folder;
  const auto path = folder.path() + "/qmp";
  {
    const Monitor monitor(path, kGreeting, [](const json::Object& call) {
      if (json::textOr(call, "execute") == "quit") return reply(call, R"("error":{"class":"GenericError","desc":"not now"})");
      return json::textOr(call, "execute") == "query-status" ? std::string("{\"event\":\"STOP\"}\n") : reply(call);
    });
    auto client = QmpClient::connect(path, milliseconds(2'000));
    ASSERT_TRUE(client);
    EXPECT_EQ(client->execute("quit", {}, milliseconds(2'000)).error().message, "quit: GenericError: not now");
    EXPECT_EQ(client->execute("query-status", {}, milliseconds(100)).error().code, "qmp.timeout");
  }
  EXPECT_EQ(QmpClient::connect(path, milliseconds(100)).error().code, "qmp.connect");
}

TEST(Qmp, TheGuestsAgentIsSynchronisedFirst) {
  const TempFolder folder;
  const auto path = folder.path() + "/guest";
  std::atomic<bool> down{false};
  {
    const Monitor guest(path, "{\"return\":17}\n{\"error\":{\"class\":\"GenericError\",\"desc\":\"garbage\"}}\n",
                        [&](const json::Object& call) {
                          if (json::textOr(call, "execute") == "guest-shutdown")
                            down = json::textOr(call.at("arguments").as_object(), "mode") == "powerdown";
                          if (json::textOr(call, "execute") != "guest-sync") return std::string("\n");
                          return fmt::format("{{\"return\":{}}}\n", json::intOr(call.at("arguments").as_object(), "id", 0));
                        });
    auto client = QmpClient::connectGuest(path, milliseconds(2'000));
    ASSERT_TRUE(client) << client.error().text();
    ASSERT_TRUE(client->tell("guest-shutdown", {{"mode", "powerdown"}}));
    EXPECT_TRUE(until([&] { return down.load(); }));
  }
}

/// Packs an initramfs whose init powers off when the power button is pressed; empty where its parts are missing.
class QemuGuestTest : public ::testing::Test {
 protected:
  static constexpr const char* kId = "i-0aaaaaaaaaaaaaaf1";
  static constexpr const char* kQemu = "/usr/bin/qemu-system-x86_64";
  static constexpr const char* kBusybox = "/bin/busybox";

  void SetUp() override {
    const auto kernel = fs::path(SP_SOURCE_DIR) / "build" / "kernel";
    for (const auto& part : {fs::path(kQemu), fs::path(kBusybox), kernel / "vmlinuz", kernel / "button.ko", kernel / "evdev.ko"})
      if (!fs::exists(part)) GTEST_SKIP() << part << " is missing: run ./x deps test";
    tree_ = folder_.path() + "/tree";
    for (const auto* name : {"bin", "dev", "proc", "sys"}) fs::create_directories(tree_ + "/" + name);
    fs::copy_file(kBusybox, tree_ + "/bin/busybox");
    for (const auto* name : {"button.ko", "evdev.ko"}) fs::copy_file(kernel / name, tree_ + "/" + name);
    kernel_ = kernel / "vmlinuz";
    initrd_ = folder_.path() + "/initrd";
  }
  void TearDown() override {
    agent_.kill();
    if (const auto text = os::readFile(agent_.stateDir() + "/power/" + kId + "/qemu.json"))
      ::kill(static_cast<pid_t>(json::intOr(json::parse(*text)->as_object(), "pid", 0)), SIGKILL);
  }

  /// `on_button`: what init does when somebody presses it.
  void pack(const std::string& on_button) const {
    std::ofstream(tree_ + "/init") << "#!/bin/busybox sh\n"
                                      "/bin/busybox mount -t devtmpfs dev /dev\n"
                                      "/bin/busybox insmod /button.ko\n"
                                      "/bin/busybox insmod /evdev.ko\n"
                                      "for event in /dev/input/event*; do\n"
                                      // Open before it says that it is up: what is pressed from then on is kept.
                                      "  exec 3<$event\n"
                                      "  (while /bin/busybox dd bs=24 count=1 <&3 >/dev/null 2>&1; do "
                                   << on_button << "; done) &\ndone\necho guest-is-up\nwhile :; do /bin/busybox sleep 1000; done\n";
    ::chmod((tree_ + "/init").c_str(), 0755);
    const auto packed =
        os::run({.argv = {"/bin/sh", "-c", fmt::format("cd {} && find . | {} cpio -o -H newc > {}", tree_, kBusybox, initrd_)}},
                milliseconds(20'000));
    ASSERT_TRUE(packed && packed->status.ok()) << packed->err;
  }
  json::Object message(const std::string& type, const std::string& id) const {
    const json::Array argv{kQemu,
                           "-accel",
                           "tcg",
                           "-M",
                           "q35",
                           "-m",
                           "192",
                           "-cpu",
                           "max",
                           "-display",
                           "none",
                           "-nodefaults",
                           "-no-user-config",
                           "-serial",
                           fmt::format("file:{}", console_),
                           "-kernel",
                           kernel_,
                           "-initrd",
                           initrd_,
                           "-append",
                           "console=ttyS0 quiet panic=-1"};
    return {{"type", type}, {"id", id}, {"instance", kId}, {"driver", "qemu"}, {"power", json::Object{{"Argv", argv}}}};
  }
  std::string ask(const json::Object& request) {
    agent_.send(request);
    const auto result = agent_.await("power.result", json::textOr(request, "id"), 60);
    if (!result) return "no answer";
    generation_ = json::intOr(*result, "bootGeneration", -1);
    const auto error = json::textOr(*result, "error");
    return error.empty() ? json::textOr(*result, "state") : error;
  }
  bool isUp() const {
    return until([&] { return os::readFile(console_).value_or("").find("guest-is-up") != std::string::npos; }, 60);
  }

  TempFolder folder_;
  std::string tree_, kernel_, initrd_;
  std::string console_ = folder_.path() + "/console";
  LineAgent agent_{folder_.path() + "/state"};
  std::int64_t generation_ = -1;
};

TEST_F(QemuGuestTest, StopsByThePowerButtonAndOutlivesItsAgent) {
  pack("/bin/busybox poweroff -f");
  agent_.start();
  EXPECT_EQ(ask(message("power.adopt", "pow/1")), "stopped");
  ASSERT_EQ(ask(message("power.start", "pow/2")), "running");
  EXPECT_EQ(generation_, 1);
  ASSERT_TRUE(isUp());
  // The agent dies; the machine does not, and is found again.
  agent_.kill();
  agent_.start();
  EXPECT_EQ(ask(message("power.check", "pow/3")), "running");
  EXPECT_EQ(generation_, 1) << "the same boot";
  auto stop = message("power.stop", "pow/4");
  stop["timeoutMs"] = 30'000;
  EXPECT_EQ(ask(stop), "stopped");
  EXPECT_EQ(ask(message("power.check", "pow/5")), "stopped");
}

TEST_F(QemuGuestTest, AGuestThatDoesNotListenIsEndedOnlyByForce) {
  pack("echo button");
  agent_.start();
  ASSERT_EQ(ask(message("power.start", "pow/1")), "running");
  ASSERT_TRUE(isUp());
  auto stop = message("power.stop", "pow/2");
  stop["timeoutMs"] = 500;
  const auto why = ask(stop);
  EXPECT_NE(why.find("did not shut down within 0.5 s"), std::string::npos) << why;
  EXPECT_EQ(ask(message("power.check", "pow/3")), "running");
  stop["id"] = "pow/4";
  stop["force"] = true;
  EXPECT_EQ(ask(stop), "stopped");
  // What ends by itself is told.
  ASSERT_EQ(ask(message("power.start", "pow/5")), "running");
  EXPECT_EQ(generation_, 2);
  const auto state = json::parse(*os::readFile(agent_.stateDir() + "/power/" + kId + "/qemu.json"));
  ::kill(static_cast<pid_t>(json::intOr(state->as_object(), "pid", 0)), SIGKILL);
  EXPECT_TRUE(agent_.await(
      [](const json::Object& said) { return json::textOr(said, "type") == "power.changed" && json::textOr(said, "state") == "stopped"; }));
}

TEST_F(QemuGuestTest, WhatQemuSaysOfABadCommandLineIsTold) {
  agent_.start();
  auto start = message("power.start", "pow/1");
  start["power"].as_object()["Argv"].as_array().push_back("-no-such-option");
  const auto why = ask(start);
  EXPECT_NE(why.find("ended at its start with exit 1"), std::string::npos) << why;
  EXPECT_NE(why.find("no-such-option"), std::string::npos) << why;
  EXPECT_EQ(ask(message("power.check", "pow/2")), "stopped");
}

}  // namespace
}  // namespace sp::agent
