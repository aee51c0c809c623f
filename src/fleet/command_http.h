// Run Command's files on the agents' port:
//
//   GET /commands/ID/source/KEY                             a script
//   PUT /commands/ID/output/INSTANCE/STEP/stdout?offset=N   more of an output, from there on
//   PUT /commands/ID/output/INSTANCE/STEP/stdout?total=N    it had so many bytes; the body is its end where the whole did not fit
//   POST /commands/ID/reboot                                its script asked for a reboot of the machine (exit code 194)
//
// An answer to PUT says in X-Have how many bytes from the first one on are here. 204: taken. 409: it is another N. 507: no more fits;
// once the output is complete its end is still taken. 410: it is complete. 403: nobody waits for it. To POST: 202, the power driver
// reboots it; 200, it has none, the agent is to do it; 409 and why it must not be; 403, nobody waits for it.
#pragma once
#include "fleet/agent_http.h"
#include "runtime/command_files.h"

namespace sp::fleet {

class CommandHttp final : public AgentHttpRoute {
 public:
  /// Both outlive it.
  CommandHttp(runtime::CommandFiles& files, store::OutputStore& outputs) : files_(files), outputs_(outputs) {}
  void serve(AgentHttpStream& stream) override;

 private:
  void sendSource(AgentHttpStream& stream, std::string_view command, std::string_view key);
  void takeOutput(AgentHttpStream& stream, std::string_view command, std::string_view rest);
  void reboot(AgentHttpStream& stream, std::string_view command);
  void addOutput(AgentHttpStream& stream, const store::OutputKey& key, std::uint64_t offset);
  void endOutput(AgentHttpStream& stream, const store::OutputKey& key, std::uint64_t total);

  runtime::CommandFiles& files_;
  store::OutputStore& outputs_;
};

}  // namespace sp::fleet
