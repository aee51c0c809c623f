// Run Command's files on the agents' port: GET /commands/ID/source/KEY and PUT /commands/ID/output/INSTANCE/STEP/stdout.
#pragma once
#include "fleet/agent_http.h"
#include "runtime/command_files.h"

namespace sp::fleet {

class CommandHttp final : public AgentHttpRoute {
 public:
  /// `files` outlives it.
  explicit CommandHttp(runtime::CommandFiles& files) : files_(files) {}
  void serve(AgentHttpStream& stream) override;

 private:
  void sendSource(AgentHttpStream& stream, std::string_view command, std::string_view key);
  void takeOutput(AgentHttpStream& stream, std::string_view command, std::string_view rest);

  runtime::CommandFiles& files_;
};

}  // namespace sp::fleet
