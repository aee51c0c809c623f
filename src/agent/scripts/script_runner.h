// command.run: the steps of one command as Run Command does them (AWS-RunShellScript, AWS-RunRemoteScript).
//
// DIR/runs/ID/downloads/…      fetched files, mode 0700
// DIR/runs/ID/step-N/…         one script: _script.sh and what its supervisor keeps (supervisor.h)
// DIR/runs/ID/unsent           the result is told, and some of the output is still to be sent: [{directory, target}]
#pragma once
#include <map>
#include <memory>
#include <mutex>

#include "agent/request_handler.h"
#include "agent/scripts/output_sender.h"
#include "agent/scripts/run_folders.h"

namespace sp::agent {

class ScriptRunner final : public RequestHandler {
 public:
  explicit ScriptRunner(const Identity& identity) : identity_(identity), folders_(identity.stateDir() + "/runs") {}
  std::vector<std::string> types() const override { return {"command.run"}; }
  /// Where a script is the first step: it is noted before it starts.
  bool notesAtOnce(const json::Object& request) const override;
  json::Object run(RequestContext& context) override;
  bool settledAtOnce(const std::string& id) override;
  void settled(const std::string& id) override;
  void quiet() override { folders_.refresh(); }
  /// Removes folders of requests not in `open`. Once, at start.
  void sweep(const std::vector<std::string>& open);

  /// Its outputs go on being sent after its result.
  using Senders = std::vector<std::shared_ptr<OutputSender>>;
  void sendLater(const std::string& id, Senders senders);

 private:
  static void removeWhenSent(const std::string& directory, Senders senders);

  const Identity& identity_;
  RunFolders folders_;
  std::mutex mutex_;
  /// By request.
  std::map<std::string, Senders> sending_;
};

}  // namespace sp::agent
