#include "agent/testing_test.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agent/agent.h"
#include "agent/guard/guard_process.h"
#include "agent/handlers.h"
#include "agent/identity.h"
#include "agent/requests.h"
#include "agentwire/messages.h"
#include "base/failpoint.h"

int main(int argc, char** argv) {
  // This program is also the supervisor, the init of machines and the agent that its tests start.
  if (const auto code = sp::agent::internalVerb(argc, argv)) return *code;
  if (argc > 2 && std::string_view(argv[1]) == "test-agent") return sp::agent::testing::lineAgentMain(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  ::signal(SIGPIPE, SIG_IGN);
  return RUN_ALL_TESTS();
}

namespace sp::agent::testing {
namespace fs = std::filesystem;

int lineAgentMain(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  if (argc > 4 && fs::exists(argv[4]) && !failpoint::arm(argv[4])) return 2;
  Options options;
  options.state_dir = argv[2];
  options.machines_dir = argc > 3 ? argv[3] : "";
  const auto identity = FileIdentity::load(options);
  if (!identity) return 2;
  const auto lock = lockState(options.state_dir);
  if (!lock || !writePid(options.state_dir, false)) return 2;
  if (!keepRunAs(options.state_dir, identity->runAs())) return 2;
  const auto journal = Journal::open(options.state_dir + "/journal");
  if (!journal) return 2;
  Outbox outbox;
  auto parts = makeParts(*identity, **journal, outbox);
  if (!parts) return 2;
  auto* const requests = new Requests(**journal, *identity, outbox, std::move(parts->handlers));
  std::thread([&outbox] {
    while (true) {
      os::waitReadable(outbox.wakeFd(), outbox.untilDue().value_or(std::chrono::milliseconds(-1)));
      auto frames = outbox.take();
      std::string lines;
      while (frames.size() >= 4) {
        std::size_t length = 0;
        for (std::size_t i = 0; i < 4; ++i) length = (length << 8U) | static_cast<unsigned char>(frames[i]);
        lines += frames.substr(4, length) + "\n";
        frames.erase(0, 4 + length);
      }
      if (::write(STDOUT_FILENO, lines.data(), lines.size()) < 0) return;
    }
  }).detach();
  outbox.setOnline(true);
  requests->adopt();
  requests->resend();
  for (const auto& call : parts->on_welcome) call();
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto message = json::parse(line);
    if (!message || !message->is_object()) return 2;
    if (json::textOr(message->get_object(), "type") == agentwire::kSettled) requests->onSettled(json::textOr(message->get_object(), "id"));
    else if (json::textOr(message->get_object(), "type") == agentwire::kLease) {
      requests->guards().onLease(message->get_object());
      for (const auto& call : parts->on_lease) call(message->get_object());
    } else requests->onRequest(message->get_object());
  }
  ::_exit(0);
}

void LineAgent::start(const std::string& failpoints) {
  ASSERT_TRUE(os::makeDirectories(state_dir_));
  ASSERT_TRUE(os::writeFile(state_dir_ + "/agent.json", R"({"agent":"i-0123456789abcdef0","serverName":"test"})"));
  ::unlink((state_dir_ + "/failpoints").c_str());
  if (!failpoints.empty()) ASSERT_TRUE(os::writeFile(state_dir_ + "/failpoints", failpoints));
  auto in = os::makePipe();
  auto out = os::makePipe();
  ASSERT_TRUE(in && out);
  auto process = os::spawn({.argv = {os::ownProgram(), "test-agent", state_dir_, machines_dir_, state_dir_ + "/failpoints"},
                            .stdin_fd = in->read.get(),
                            .stdout_fd = out->write.get(),
                            .stderr_fd = STDERR_FILENO});
  ASSERT_TRUE(process) << process.error().text();
  process_ = std::move(*process);
  in_ = std::move(in->write);
  out_ = std::move(out->read);
  unread_.clear();
}

void LineAgent::kill() {
  if (!process_) return;
  process_->signal(SIGKILL);
  (void)process_->wait();
  process_.reset();
}

bool LineAgent::died() {
  const auto status = process_->wait(std::chrono::milliseconds(10'000));
  if (!status || !*status) return false;
  process_.reset();
  return true;
}

void LineAgent::send(const json::Object& message) {
  const auto line = json::toText(message) + "\n";
  (void)!::write(in_.get(), line.data(), line.size());
}

std::optional<json::Object> LineAgent::await(const std::function<bool(const json::Object&)>& wanted, int seconds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (true) {
    for (auto end = unread_.find('\n'); end != std::string::npos; end = unread_.find('\n')) {
      const auto value = json::parse(std::string_view(unread_).substr(0, end));
      unread_.erase(0, end + 1);
      if (value && value->is_object() && wanted(value->get_object())) return value->get_object();
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !os::waitReadable(out_.get(), left)) return std::nullopt;
    char buffer[65536];
    const auto got = ::read(out_.get(), buffer, sizeof buffer);
    if (got <= 0) return std::nullopt;
    unread_.append(buffer, static_cast<std::size_t>(got));
  }
}

std::optional<json::Object> LineAgent::await(std::string_view type, std::string_view id, int seconds) {
  return await([&](const json::Object& message) { return json::textOr(message, "type") == type && json::textOr(message, "id") == id; },
               seconds);
}

TempFolder::TempFolder() {
  path_ = fs::temp_directory_path() / "sp-agent-XXXXXX";
  EXPECT_NE(::mkdtemp(path_.data()), nullptr);
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

bool until(const std::function<bool()>& holds, int seconds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 2);
  }
  return true;
}

}  // namespace sp::agent::testing
