#include "fleet/fleet.h"

#include <filesystem>

#include <fmt/format.h>

#include "agentwire/messages.h"
#include "fleet/authority.h"
#include "fleet/deliveries.h"
#include "fleet/enrol_http.h"
#include "fleet/host_agent.h"
#include "fleet/listener.h"
#include "fleet/socket_address.h"

namespace sp::fleet {
namespace {

class RealFleet final : public Fleet, private runtime::AgentIdentities, private runtime::AgentAuthority {
 public:
  RealFleet(const FleetOptions& options, runtime::Core& core, const runtime::AgentReports& reports, std::unique_ptr<Authority> authority,
            std::unique_ptr<Listener> listener, const Clock& clock)
      : core_(core),
        enrol_(core, clock),
        renew_(core, clock),
        authority_(std::move(authority)),
        listener_(std::move(listener)),
        deliveries_(core, reports, *listener_, authority_->id()),
        host_agent_({options.data_dir, dialAddress(listener_->endpoint()), options.agent_failpoints}, *authority_),
        wants_host_agent_(options.host_agent) {
    listener_->route("/enrol", enrol_, AgentHttpAccess::anyone);
    listener_->route("/renew", renew_, AgentHttpAccess::renewing);
  }
  ~RealFleet() override { stop(); }

  runtime::AgentPort& agents() override { return deliveries_; }
  runtime::AgentIdentities& identities() override { return *this; }
  runtime::AgentAuthority& authority() override { return *this; }
  void setRegistry(runtime::AgentRegistry& registry) override {
    enrol_.setRegistry(registry);
    renew_.setRegistry(registry);
    deliveries_.admit(
        [&registry](store::Txn& txn, const std::string& agent, const json::Object& hello) { return registry.greet(txn, agent, hello); });
  }
  void route(std::string prefix, AgentHttpRoute& route) override { listener_->route(std::move(prefix), route); }
  net::Endpoint endpoint() const override { return listener_->endpoint(); }
  Result<void> start() override;
  void stop() override;

  Result<runtime::AgentIdentity> issue(std::string_view agent) override {
    SP_TRY(auto issued, authority_->issueAgent(agent));
    return runtime::AgentIdentity{dialAddress(listener_->endpoint()), authority_->certificate(), std::move(issued.cert),
                                  std::move(issued.key)};
  }

  Result<runtime::SignedCertificate> certify(std::string_view agent, std::string_view enrolment,
                                             const std::string& public_key) const override {
    return authority_->signAgent(agent, enrolment, public_key);
  }
  const std::string& pin() const override { return authority_->pin(); }
  std::string server() const override { return dialAddress(listener_->endpoint()); }
  void admit(std::string_view agent, std::string_view enrolment) override {
    listener_->admissions().admit(agent, enrolment);
    listener_->cutHttp(agent);
    deliveries_.end(agent, {std::string(agentwire::kSuperseded), fmt::format("{} was enrolled anew by another machine", agent)}, enrolment);
  }
  void bar(std::string_view agent, runtime::AgentRefusal why) override {
    listener_->admissions().bar(agent, why);
    listener_->cutHttp(agent);
    deliveries_.end(agent, why);
  }

 private:
  using Handle = void (Deliveries::*)(store::Txn&, SessionId, const std::string&, const json::Object&);
  void post(Handle handle, SessionId session, const std::string& agent, json::Object message);

  runtime::Core& core_;
  // The listener's threads use them: they are there before it and after it.
  EnrolHttp enrol_;
  RenewHttp renew_;
  std::unique_ptr<Authority> authority_;
  std::unique_ptr<Listener> listener_;
  Deliveries deliveries_;
  HostAgent host_agent_;
  bool wants_host_agent_;
  bool stopped_ = false;
};

void RealFleet::post(Handle handle, SessionId session, const std::string& agent, json::Object message) {
  auto job = [this, handle, session, agent, message = std::move(message)](store::Txn& txn) {
    (deliveries_.*handle)(txn, session, agent, message);
    return true;
  };
  core_.post(std::move(job), [this, session](const Error* error) {
    // Not durable: the agent must say it again, which it does on its next connection.
    if (error != nullptr) listener_->close(session);
    else listener_->consumed(session);
  });
}

Result<void> RealFleet::start() {
  if (wants_host_agent_) SP_CHECK_OK(host_agent_.prepare());
  Listener::Events events;
  events.hello = [this](SessionId session, const std::string& agent, json::Object message) {
    post(&Deliveries::opened, session, agent, std::move(message));
  };
  events.message = [this](SessionId session, const std::string& agent, json::Object message) {
    post(&Deliveries::received, session, agent, std::move(message));
  };
  events.closed = [this](SessionId session, const std::string& agent, Duration quiet) {
    core_.post([this, session, agent, quiet](store::Txn& txn) {
      deliveries_.closed(txn, session, agent, quiet);
      return true;
    });
  };
  listener_->start(std::move(events));
  if (wants_host_agent_) host_agent_.start();
  return {};
}

void RealFleet::stop() {
  if (stopped_) return;
  stopped_ = true;
  host_agent_.stop();
  listener_->stop();
}

}  // namespace

Result<std::unique_ptr<Fleet>> Fleet::open(FleetOptions options, runtime::Core& core, runtime::AgentReports& reports, const Clock& clock,
                                           Random& random) {
  options.data_dir = std::filesystem::absolute(options.data_dir).lexically_normal().string();
  SP_TRY(auto authority, Authority::open(options.data_dir + "/ca", random));
  authority->setAgentLife(options.certificate_life);
  ListenerLimits limits;
  limits.http_connections = options.http_connections;
  SP_TRY(auto listener, Listener::open(options.listen, *authority, clock, limits));
  return std::make_unique<RealFleet>(options, core, reports, std::move(authority), std::move(listener), clock);
}

}  // namespace sp::fleet
