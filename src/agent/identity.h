// What stands in an agent's state directory about itself and its server.
#pragma once
#include "agent/agent.h"
#include "agent/request_handler.h"

namespace sp::agent {

class FileIdentity final : public Identity {
 public:
  /// Reads DIR/agent.json {"agent", "serverName", "runAs": [users]}; options win over the last. Error "agent.identity" says what is missing
  /// and how it comes to be.
  static Result<FileIdentity> load(const Options& options);

  const std::string& agent() const override { return agent_; }
  const std::string& stateDir() const override { return state_dir_; }
  const std::string& machinesDir() const override { return machines_dir_; }
  const std::vector<std::string>& runAs() const override { return run_as_; }
  Result<std::string> endpoint() const override;
  net::ClientTls tls() const override;

 private:
  std::string agent_;
  std::string server_name_;
  std::string state_dir_;
  std::string machines_dir_;
  std::vector<std::string> run_as_;
};

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};
/// "127.0.0.1:4749", "[::1]:4749". Error "agent.endpoint".
Result<HostPort> parseHostPort(const std::string& text);

}  // namespace sp::agent
