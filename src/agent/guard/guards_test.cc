// The agent and the guard's process as they are, without a server.
#include "agent/guard/guards.h"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "agent/guard/lease_files.h"
#include "agent/scripts/transfer.h"
#include "agent/testing_test.h"
#include "agentwire/messages.h"
#include "base/strings.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;
using testing::LineAgent;
using testing::TempFolder;
using testing::until;

constexpr std::string_view kPromise = "0f8fad5b-d9cb-469f-a165-708677280000";
constexpr std::string_view kMachine = "i-0123456789abcdef0";
/// Longer than any test.
constexpr std::int64_t kLong = 3'600'000;

class GuardsTest : public ::testing::Test {
 protected:
  ~GuardsTest() override {
    agent_.kill();
    // The guard ends with the last lease.
    std::error_code ignored;
    fs::remove_all(agent_.stateDir() + "/guards", ignored);
  }
  std::string file(const std::string& name) const { return folder_.path() + "/" + name; }
  bool exists(const std::string& name) const { return fs::exists(file(name)); }
  std::size_t lines(const std::string& name) const {
    std::ifstream in(file(name));
    return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(in), {}, '\n'));
  }
  static json::Array script(const std::string& text) {
    return {json::Object{
        {"name", "runShellScript"}, {"plugin", "aws:runShellScript"}, {"script", text}, {"workingDirectory", ""}, {"timeoutMs", 60'000}}};
  }
  /// A pre-script and the post-script that comes with it.
  static json::Object pre(const std::string& text, const std::string& post, std::int64_t lease_ms, bool stops = false) {
    return {{"type", "command.run"},
            {"id", "pre"},
            {"commandId", "c-1"},
            {"instance", kMachine},
            {"steps", script(text)},
            {"environment", json::Object{}},
            {"upload", false},
            {"startWithinMs", 60'000},
            {"freeze", json::Object{{"id", "frz-1"},
                                    {"phase", "freeze"},
                                    {"attempt", 1},
                                    {"lease", json::Object{{"leaseMs", lease_ms}, {"bootMs", kLong}, {"stops", stops}}}}},
            {"thaw", json::Object{{"commandId", kPromise},
                                  {"instance", kMachine},
                                  {"documentName", "AWS-RunRemoteScript"},
                                  {"steps", script(post)},
                                  {"environment", json::Object{{"PRE_STATUS", "unknown"}, {"BACKUP_STATUS", "unknown"}}},
                                  {"upload", false}}}};
  }
  static json::Object thaw(const std::string& id, const std::string& text, int attempt) {
    return {{"type", "command.run"},   {"id", id},
            {"commandId", "c-2"},      {"instance", kMachine},
            {"steps", script(text)},   {"upload", false},
            {"startWithinMs", 60'000}, {"freeze", json::Object{{"id", "frz-1"}, {"phase", "thaw"}, {"attempt", attempt}}}};
  }
  static std::string own(std::int64_t attempt) {
    return "cmd/" + agentwire::guardCommandId(kPromise, attempt) + "/" + std::string(kMachine);
  }
  void lease(std::int64_t ms, const std::string& ask = "") {
    agent_.send({{"type", "lease"}, {"freeze", "frz-1"}, {"leaseMs", ms}, {"ask", ask}});
  }
  /// What it says to the question whether the freeze is held.
  json::Object held(const std::string& ask) {
    lease(0, ask);
    return agent_.await([&](const json::Object& message) { return json::textOr(message, "ask") == ask; }).value_or(json::Object());
  }
  void killGuard() const {
    for (const auto& entry : fs::directory_iterator("/proc")) {
      const auto words = os::readFile(entry.path() / "cmdline", 4096).value_or("");
      if (words.find(std::string("agent-guard\0", 12) + agent_.stateDir()) != std::string::npos)
        ::kill(static_cast<pid_t>(std::stol(entry.path().filename())), SIGKILL);
    }
    ASSERT_TRUE(until([&] { return !guarded(); }));
  }
  bool guarded() const { return LeaseFiles(agent_.stateDir()).isGuarded(); }
  bool noGuardIsLeft() const {
    return until([&] { return !guarded() && LeaseFiles(agent_.stateDir()).known().empty(); });
  }

  TempFolder folder_;
  LineAgent agent_{folder_.path() + "/state"};
};

TEST_F(GuardsTest, AThawOfTheServersEndsTheGuard) {
  agent_.start();
  agent_.send(pre("touch " + file("frozen"), "rm " + file("frozen"), kLong));
  const auto prepared = agent_.await("command.result", "pre");
  ASSERT_TRUE(prepared);
  EXPECT_EQ(json::textOr(*prepared, "status"), "Success");
  EXPECT_TRUE(json::boolOr(*prepared, "guarded", false));
  EXPECT_TRUE(guarded());
  EXPECT_TRUE(json::boolOr(held("first"), "held", false));
  agent_.send(thaw("thaw", "rm " + file("frozen"), 1));
  ASSERT_TRUE(agent_.await("command.result", "thaw"));
  EXPECT_TRUE(noGuardIsLeft());
  EXPECT_FALSE(json::boolOr(held("second"), "held", true));
}

TEST_F(GuardsTest, WhenTheLeaseEndsTheAgentThawsByItself) {
  agent_.start();
  agent_.send(pre("touch " + file("frozen"), "env > " + file("environment") + "; rm " + file("frozen"), kLong));
  ASSERT_TRUE(agent_.await("command.result", "pre"));
  lease(1);
  const auto thawed = agent_.await("command.result", own(1));
  ASSERT_TRUE(thawed);
  EXPECT_EQ(json::textOr(*thawed, "status"), "Success");
  EXPECT_NE(json::textOr(*thawed, "message").find("the lease of 3600 s ended"), std::string::npos) << json::textOr(*thawed, "message");
  EXPECT_FALSE(exists("frozen"));
  const auto environment = os::readFile(file("environment")).value_or("");
  for (const auto* line : {"PRE_STATUS=Success\n", "BACKUP_STATUS=unknown\n", "ATTEMPT=1\n"})
    EXPECT_NE(environment.find(line), std::string::npos) << line;
  EXPECT_TRUE(noGuardIsLeft());
  const auto told = held("after");
  EXPECT_FALSE(json::boolOr(told, "held", true));
  EXPECT_NE(json::textOr(told, "why").find("the lease"), std::string::npos);
  // The server's own comes late: it is answered with what was done.
  agent_.send(thaw("late", "touch " + file("again"), 1));
  const auto answered = agent_.await("command.result", "late");
  ASSERT_TRUE(answered);
  EXPECT_EQ(json::textOr(*answered, "status"), "Success");
  EXPECT_FALSE(exists("again"));
}

TEST_F(GuardsTest, ADeadAgentsFreezeIsThawedAndToldLater) {
  agent_.start();
  agent_.send(pre("touch " + file("frozen"), "echo awake >> " + file("thaws") + "; rm " + file("frozen"), kLong));
  ASSERT_TRUE(agent_.await("command.result", "pre"));
  lease(300, "renewed");
  ASSERT_TRUE(agent_.await([](const json::Object& message) { return json::textOr(message, "ask") == "renewed"; }));
  agent_.kill();
  ASSERT_TRUE(until([&] { return !exists("frozen"); }));
  EXPECT_TRUE(noGuardIsLeft());
  agent_.start();
  const auto told = agent_.await("command.result", own(1));
  ASSERT_TRUE(told);
  EXPECT_EQ(json::textOr(*told, "status"), "Success");
  EXPECT_TRUE(told->contains("agoMs"));
  EXPECT_EQ(lines("thaws"), 1U);
}

TEST_F(GuardsTest, AnAgentThatComesBackTakesTheStandInsThawOver) {
  agent_.start();
  agent_.send(pre("touch " + file("frozen"),
                  "echo begun >> " + file("thaws") + "; while [ ! -e " + file("go") + " ]; do sleep 0.02; done; rm " + file("frozen"),
                  kLong));
  ASSERT_TRUE(agent_.await("command.result", "pre"));
  lease(300, "renewed");
  ASSERT_TRUE(agent_.await([](const json::Object& message) { return json::textOr(message, "ask") == "renewed"; }));
  agent_.kill();
  ASSERT_TRUE(until([&] { return exists("thaws"); }));
  agent_.start();
  ASSERT_TRUE(agent_.await("accepted", own(1))) << "the server hears at once that it runs";
  std::ofstream(file("go")) << "";
  const auto told = agent_.await("command.result", own(1));
  ASSERT_TRUE(told);
  EXPECT_EQ(json::textOr(*told, "status"), "Success");
  EXPECT_EQ(lines("thaws"), 1U) << "it ran once";
  EXPECT_TRUE(noGuardIsLeft());
}

TEST_F(GuardsTest, APreScriptThatStillRunsIsEndedFirst) {
  agent_.start();
  agent_.send(pre("touch " + file("frozen") + "; sleep 1000", "echo $PRE_STATUS > " + file("status") + "; rm " + file("frozen"), kLong));
  ASSERT_TRUE(until([&] { return exists("frozen"); }));
  lease(1);
  const auto ended = agent_.await("command.result", "pre");
  ASSERT_TRUE(ended);
  EXPECT_EQ(json::textOr(*ended, "status"), "Cancelled");
  EXPECT_NE(json::textOr(*ended, "message").find("the lease"), std::string::npos) << "it says what ended it";
  ASSERT_TRUE(agent_.await("command.result", own(1)));
  EXPECT_FALSE(exists("frozen"));
  EXPECT_EQ(os::readFile(file("status")).value_or(""), "Cancelled\n");
}

TEST_F(GuardsTest, AThawThatFailsIsTriedAgainAsAnotherCommand) {
  agent_.start();
  agent_.send(pre("true", "echo x >> " + file("tries") + "; [ -e " + file("mended") + " ]", kLong));
  ASSERT_TRUE(agent_.await("command.result", "pre"));
  lease(1);
  const auto first = agent_.await("command.result", own(1));
  ASSERT_TRUE(first);
  EXPECT_EQ(json::textOr(*first, "status"), "Failed");
  EXPECT_TRUE(guarded());
  std::ofstream(file("mended")) << "";
  // The pause before the next is 10 s; a server that holds the debt sets the time anew.
  ASSERT_TRUE(until([&] {
    lease(1);
    return lines("tries") > 1;
  }));
  const auto second = agent_.await("command.result", own(2));
  ASSERT_TRUE(second);
  EXPECT_EQ(json::textOr(*second, "status"), "Success");
  EXPECT_TRUE(noGuardIsLeft());
}

// What is due when the agent starts is begun once, after all that was under way is taken up.
TEST_F(GuardsTest, ADueThawIsBegunOnceWhenTheAgentStarts) {
  for (int round = 0; round < 3; ++round) {
    TempFolder folder;
    const auto state = folder.path() + "/state";
    ASSERT_TRUE(os::makeDirectories(state));
    Freeze freeze;
    freeze.guard =
        GuardOrder::of(pre("", "echo begin >> " + folder.path() + "/log; sleep 1; echo end >> " + folder.path() + "/log", kLong)).value();
    freeze.guard->boot = {{"bootId", "another"}, {"initStart", 1}};
    ASSERT_TRUE(Journal::open(state + "/journal").value()->setFreeze("frz-1", freeze));
    LineAgent agent(state);
    agent.start();
    const auto thawed = agent.await("command.result", own(1));
    ASSERT_TRUE(thawed);
    EXPECT_EQ(json::textOr(*thawed, "status"), "Success");
    EXPECT_EQ(os::readFile(folder.path() + "/log").value_or(""), "begin\nend\n");
  }
}

TEST_F(GuardsTest, APreScriptThatOutlivedItsAgentIsEndedBeforeTheThaw) {
  agent_.start();
  agent_.send(pre("echo pre >> " + file("log") + "; sleep 1000", "echo post >> " + file("log"), kLong));
  ASSERT_TRUE(until([&] { return exists("log"); }));
  // Killed together, so that the next agent finds the lease at its end.
  lease(1'000, "renewed");
  ASSERT_TRUE(agent_.await([](const json::Object& message) { return json::textOr(message, "ask") == "renewed"; }));
  killGuard();
  agent_.kill();
  ASSERT_TRUE(until([&] { return LeaseFiles(agent_.stateDir()).get("frz-1").value_or(Duration(0)) < SystemClock().boottime(); }));
  agent_.start();
  const auto ended = agent_.await("command.result", "pre");
  ASSERT_TRUE(ended);
  EXPECT_EQ(json::textOr(*ended, "status"), "Cancelled");
  const auto thawed = agent_.await("command.result", own(1));
  ASSERT_TRUE(thawed);
  EXPECT_EQ(os::readFile(file("log")).value_or(""), "pre\npost\n");
}

TEST_F(GuardsTest, ATimeOfAnEarlierBootIsNotBelieved) {
  agent_.start();
  agent_.send(pre("true", "touch " + file("awake"), 60'000));
  ASSERT_TRUE(agent_.await("command.result", "pre"));
  agent_.kill();
  // As the machine's last boot may have left it, which had run for months.
  const LeaseFiles files(agent_.stateDir());
  ASSERT_TRUE(files.set("frz-1", SystemClock().boottime() + std::chrono::hours(24 * 90)));
  agent_.start();
  EXPECT_TRUE(until([&] { return files.get("frz-1").value_or(Duration(0)) <= SystemClock().boottime() + std::chrono::minutes(1); }));
}

TEST_F(GuardsTest, AFreezeIdThatIsNoFileNameIsRefused) {
  agent_.start();
  for (const auto* id : {"..", ".", "lock/x", "a b", ""}) {
    auto message = pre("touch " + file("frozen"), "true", kLong);
    message["id"] = std::string("pre-") + id;
    message["freeze"].as_object()["id"] = id;
    agent_.send(message);
    const auto refused = agent_.await("command.result", std::string("pre-") + id);
    ASSERT_TRUE(refused);
    if (*id == '\0') continue;  // no freeze at all, as ever
    EXPECT_EQ(json::textOr(*refused, "status"), "Failed");
    EXPECT_NE(json::textOr(*refused, "message").find("is no id of a freeze"), std::string::npos) << json::textOr(*refused, "message");
    EXPECT_FALSE(exists("frozen"));
  }
  EXPECT_TRUE(fs::exists(agent_.stateDir() + "/agent.json"));
}

TEST_F(GuardsTest, APreScriptWhoseLeaseEndedBeforeItBeganDoesNotBegin) {
  agent_.start("agent.guard.armed kill 1\n");
  agent_.send(pre("touch " + file("frozen"), "touch " + file("awake"), 1'000));
  ASSERT_TRUE(agent_.died());
  ASSERT_TRUE(until([&] { return exists("awake"); }));
  EXPECT_FALSE(exists("frozen"));
  agent_.start();
  const auto refused = agent_.await("command.result", "pre");
  ASSERT_TRUE(refused);
  EXPECT_NE(json::textOr(*refused, "status"), "Success");
  EXPECT_TRUE(refused->at("steps").as_array().empty());
  EXPECT_FALSE(exists("frozen"));
}

TEST_F(GuardsTest, AfterARebootItThawsAtOnceUnlessTheRunAskedForTheStop) {
  for (const bool stops : {false, true}) {
    TempFolder folder;
    const auto state = folder.path() + "/state";
    LineAgent agent(state);
    ASSERT_TRUE(os::makeDirectories(state));
    Freeze freeze;
    freeze.guard = GuardOrder::of(pre("", "touch " + folder.path() + "/awake", kLong, stops)).value();
    freeze.guard->pre = "Success";
    freeze.guard->boot = {{"bootId", "another"}, {"initStart", 1}};
    ASSERT_TRUE(Journal::open(state + "/journal").value()->setFreeze("frz-1", freeze));
    agent.start();
    if (stops) {
      agent.send({{"type", "lease"}, {"freeze", "frz-1"}, {"leaseMs", 0}, {"ask", "held"}});
      const auto told = agent.await([](const json::Object& message) { return json::textOr(message, "ask") == "held"; });
      ASSERT_TRUE(told);
      EXPECT_FALSE(json::boolOr(*told, "held", true));
      EXPECT_FALSE(fs::exists(folder.path() + "/awake")) << "its server comes first";
      agent.send({{"type", "lease"}, {"freeze", "frz-1"}, {"leaseMs", 1}});
    }
    const auto thawed = agent.await("command.result", own(1));
    ASSERT_TRUE(thawed);
    EXPECT_NE(json::textOr(*thawed, "message").find("rebooted"), std::string::npos);
    EXPECT_TRUE(fs::exists(folder.path() + "/awake"));
  }
}

TEST_F(GuardsTest, KilledBetweenTheGuardAndThePreScriptItGoesOn) {
  agent_.start("agent.guard.armed kill 1\n");
  agent_.send(pre("echo x >> " + file("frozen"), "rm " + file("frozen"), kLong));
  ASSERT_TRUE(agent_.died());
  EXPECT_FALSE(exists("frozen"));
  agent_.start();
  const auto prepared = agent_.await("command.result", "pre");
  ASSERT_TRUE(prepared);
  EXPECT_EQ(json::textOr(*prepared, "status"), "Success");
  EXPECT_TRUE(json::boolOr(*prepared, "guarded", false));
  EXPECT_EQ(lines("frozen"), 1U);
  EXPECT_TRUE(json::boolOr(held("x"), "held", false));
}

TEST_F(GuardsTest, NothingIsFrozenWhenThePostScriptCannotBeFetched) {
  agent_.start();
  auto message = pre("touch " + file("frozen"), "true", kLong);
  message["thaw"].as_object()["steps"].as_array().insert(message["thaw"].as_object()["steps"].as_array().begin(),
                                                         json::Object{{"name", "downloadContent"},
                                                                      {"plugin", "aws:downloadContent"},
                                                                      {"error", "cannot download s3://b/k: the bucket does not exist"}});
  agent_.send(message);
  const auto refused = agent_.await("command.result", "pre");
  ASSERT_TRUE(refused);
  EXPECT_EQ(json::textOr(*refused, "status"), "Failed");
  EXPECT_NE(json::textOr(*refused, "message").find("the bucket does not exist"), std::string::npos) << json::textOr(*refused, "message");
  EXPECT_FALSE(json::boolOr(*refused, "guarded", false));
  EXPECT_FALSE(exists("frozen"));
  EXPECT_TRUE(noGuardIsLeft());
}

TEST_F(GuardsTest, AGuardThatWasKilledIsReplaced) {
  agent_.start();
  agent_.send(pre("true", "touch " + file("awake"), kLong));
  ASSERT_TRUE(agent_.await("command.result", "pre"));
  ASSERT_TRUE(guarded());
  killGuard();
  EXPECT_TRUE(until([&] { return guarded(); }));
}

struct Here final : Identity {
  explicit Here(std::string state) : state_(std::move(state)) {}
  const std::string& agent() const override { return state_; }
  const std::string& stateDir() const override { return state_; }
  const std::string& machinesDir() const override { return state_; }
  Result<std::string> endpoint() const override { return fail("agent.endpoint", "none"); }
  net::ClientTls tls() const override { return {}; }
  std::string state_;
};

TEST(KeptFiles, AreCopiedByNameFromTheFoldersOfFreezesOnly) {
  TempFolder folder;
  const Here here(folder.path() + "/state");
  ASSERT_TRUE(os::makeDirectories(here.stateDir() + "/guards/frz-1"));
  ASSERT_TRUE(os::writeFile(here.stateDir() + "/guards/frz-1/0", "#!/bin/sh\n"));
  ASSERT_TRUE(os::writeFile(here.stateDir() + "/key.pem", "secret"));
  const auto copied = copyKept(here, "frz-1/0", {"", folder.path() + "/downloads/post.sh", ""});
  ASSERT_TRUE(copied) << copied.error().text();
  EXPECT_EQ(copied->bytes, 10U);
  EXPECT_EQ(os::readFile(folder.path() + "/downloads/post.sh").value_or(""), "#!/bin/sh\n");
  EXPECT_EQ(fs::status(folder.path() + "/downloads/post.sh").permissions(), fs::perms::owner_all);
  EXPECT_TRUE(copyKept(here, "frz-1/0", {"", folder.path() + "/again", copied->sha256}));
  const auto changed = copyKept(here, "frz-1/0", {"", folder.path() + "/again", std::string(64, '0')});
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, "transfer.hash");
  for (const auto& name : {std::string("../key.pem"), std::string("frz-1/../../key.pem"), here.stateDir() + "/key.pem"}) {
    const auto refused = copyKept(here, name, {"", folder.path() + "/stolen", ""});
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code, "transfer.kept");
    EXPECT_FALSE(fs::exists(folder.path() + "/stolen"));
  }
}

TEST(LeaseFiles, AnUnreadableLeaseIsDueAtOnce) {
  TempFolder folder;
  const LeaseFiles files(folder.path());
  ASSERT_TRUE(os::makeDirectories(files.directory()));
  ASSERT_TRUE(files.set("frz/1", Duration(1234567)));
  EXPECT_EQ(files.get("frz/1"), Duration(1234567));
  ASSERT_TRUE(files.set("frz/1", Duration(7)));
  EXPECT_EQ(files.all(), (std::map<std::string, Duration>{{"frz/1", Duration(7)}}));
  ASSERT_TRUE(os::writeFile(files.directory() + "/" + percentEncode("frz/1") + ".lease", "00000000000000000007 00000000000000000008\n"));
  EXPECT_EQ(files.get("frz/1"), std::nullopt);
  EXPECT_EQ(files.all().at("frz/1"), Duration(0));
  files.remove("frz/1");
  EXPECT_TRUE(files.known().empty());
}

TEST(LeaseFiles, ALockIsSeenAndNotTakenByLooking) {
  TempFolder folder;
  const LeaseFiles files(folder.path());
  ASSERT_TRUE(os::makeDirectories(files.directory()));
  EXPECT_FALSE(files.isGuarded());
  {
    const auto held = files.lock();
    ASSERT_TRUE(held);
    EXPECT_TRUE(files.isGuarded());
    const auto second = files.lock();
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, "os.locked");
  }
  EXPECT_FALSE(files.isGuarded());
}

}  // namespace
}  // namespace sp::agent
