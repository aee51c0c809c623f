// Machines as agents of this server: how they enrol, renew, are let in, and are shut out. Core thread only.
#pragma once
#include <expected>
#include <string>
#include <string_view>

#include "aws/api_error.h"
#include "runtime/agent_registry.h"
#include "services/context.h"
#include "services/ec2/instances.h"
#include "services/ssm/nodes/registrations.h"
#include "services/ssm/nodes/tokens.h"

namespace sp::services::ssm {

class Nodes final : public runtime::AgentRegistry {
 public:
  /// Before the core starts; all given outlive it.
  Nodes(Context& context, ec2::Instances& instances, runtime::AgentAuthority& authority);
  Nodes(const Nodes&) = delete;
  Nodes& operator=(const Nodes&) = delete;

  /// First thing after a start: tells the port who is shut out, and which enrolments count.
  void recover(store::Txn& txn);

  std::expected<Granted, runtime::AgentRefusal> enrol(store::Txn& txn, const Request& request) override;
  std::expected<runtime::SignedCertificate, runtime::AgentRefusal> renew(store::Txn& txn, std::string_view agent,
                                                                         std::string_view enrolment,
                                                                         const std::string& public_key) override;
  std::optional<runtime::AgentRefusal> greet(store::Txn& txn, const std::string& agent, const json::Object& hello) override;

  /// Takes back what the machine's agent has: its session ends at once, it comes in by a new token only. Of a machine that is revoked
  /// already: no effect. Error InvalidInstanceId.
  std::expected<void, aws::ApiError> revoke(store::Txn& txn, std::string_view instance, std::string_view by);
  /// The same, and the record of a machine without power driver goes too. Error InvalidInstanceId, of machines that never enrolled too.
  std::expected<void, aws::ApiError> deregister(store::Txn& txn, std::string_view instance, std::string_view by);

  struct NewToken {
    EnrolmentToken token;
    /// What the agent is given: "ID.SECRET.PIN".
    std::string text;
    /// The part behind the first point.
    std::string code;
  };
  /// Keeps a token; checks nothing but that its machine is there (ResourceNotFoundException).
  std::expected<NewToken, aws::ApiError> create(store::Txn& txn, EnrolmentToken token);

  const runtime::AgentAuthority& authority() const { return authority_; }

 private:
  std::expected<Instance, runtime::AgentRefusal> machineOf(store::Txn& txn, const EnrolmentToken& token, const Request& request);
  std::expected<Granted, runtime::AgentRefusal> grant(store::Txn& txn, EnrolmentToken token, const Instance& instance,
                                                      const Request& request, const std::string& key_hash);

  Context& context_;
  ec2::Instances& instances_;
  runtime::AgentAuthority& authority_;
};

}  // namespace sp::services::ssm
