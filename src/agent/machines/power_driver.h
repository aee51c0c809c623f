// power.*: the driver `sandbox` of the host's agent. Machines are independent of this process: they live on when it dies and
// are found again by their lock and state.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "agent/machines/machine.h"
#include "agent/outbox.h"
#include "agent/request_handler.h"

namespace sp::agent {

class PowerDriver final : public RequestHandler {
 public:
  /// All given outlive it, and it lives as long as the process.
  PowerDriver(const Identity& identity, Outbox& outbox);
  std::vector<std::string> types() const override;
  json::Object run(RequestContext& context) override;
  /// Tells the state of every machine (power.changed), and writes the server's address into their agents' folders.
  void tellAll();

 private:
  json::Object answer(const Machine& machine, const std::string& state, const std::string& error) const;
  Result<std::string> create(RequestContext& context, Machine& machine);
  Result<std::string> start(RequestContext& context, Machine& machine);
  Result<std::string> stop(RequestContext& context, Machine& machine, bool force);
  static Result<std::string> takeBackStop(const Machine& machine, const MachineProcess& process, std::chrono::milliseconds limit);
  Result<std::string> reboot(RequestContext& context, Machine& machine);
  Result<std::string> destroy(RequestContext& context, Machine& machine);
  Result<void> writeEndpoint(const Machine& machine) const;
  void watch(const std::string& id);
  void tell(const Machine& machine, const std::string& state);
  std::mutex& mutexOf(const std::string& id);

  const Identity& identity_;
  Outbox& outbox_;
  std::mutex mutex_;
  /// One power change at a time for each machine.
  std::map<std::string, std::unique_ptr<std::mutex>> machines_;
  std::set<std::string> watched_;
};

}  // namespace sp::agent
