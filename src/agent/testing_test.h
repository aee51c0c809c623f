// The agent without a network, for tests: a process of its own that takes messages as lines and prints what it would send,
// so that it can be killed at any instant and started again.
#pragma once
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "json/json.h"
#include "os/process.h"

namespace sp::agent::testing {

/// `agent_test test-agent STATE_DIR MACHINES_DIR FAILPOINTS`.
int lineAgentMain(int argc, char** argv);

class LineAgent {
 public:
  explicit LineAgent(std::string state_dir, std::string machines_dir = "")
      : state_dir_(std::move(state_dir)), machines_dir_(std::move(machines_dir)) {}
  ~LineAgent() { kill(); }
  LineAgent(const LineAgent&) = delete;
  LineAgent& operator=(const LineAgent&) = delete;

  /// Makes the state directory if needed and starts the process. `failpoints`: lines of a fail points file.
  void start(const std::string& failpoints = "");
  void kill();
  /// True once the process has died by itself (a fail point), within 10 s.
  bool died();
  void send(const json::Object& message);
  /// The next message for which `wanted` holds, within `seconds`; others before it are dropped.
  std::optional<json::Object> await(const std::function<bool(const json::Object&)>& wanted, int seconds = 20);
  /// The next one of that type and id.
  std::optional<json::Object> await(std::string_view type, std::string_view id, int seconds = 20);
  const std::string& stateDir() const { return state_dir_; }

 private:
  std::string state_dir_;
  std::string machines_dir_;
  std::optional<os::Process> process_;
  os::Fd in_;
  os::Fd out_;
  std::string unread_;
};

/// A folder that is removed at the end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Polls until `holds` or the time is over.
bool until(const std::function<bool()>& holds, int seconds = 20);

}  // namespace sp::agent::testing
