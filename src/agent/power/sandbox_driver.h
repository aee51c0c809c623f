// Demo machines as the port for power sees them; they are made and removed here too.
#pragma once
#include "agent/machines/machine.h"
#include "agent/power/driver.h"
#include "agent/request_handler.h"

namespace sp::agent {

class SandboxDriver final : public PowerDriver {
 public:
  /// `identity` outlives it.
  SandboxDriver(const Identity& identity, const std::string& instance);

  Result<void> preflight() override;
  Result<PowerNow> status() override;
  Result<void> start() override;
  Result<void> askToStop() override;
  Result<void> kill() override;
  bool takeBackStop() override;
  void awaitChange(std::chrono::milliseconds limit) override;
  std::chrono::milliseconds lookEvery() const override { return {}; }
  std::string hint() const override;

  /// Makes its files as power.create asks.
  Result<void> create(const json::Object& request);
  /// For good: its processes killed, its files removed.
  Result<void> destroy();
  /// Tells the machine's agent where the server is.
  Result<void> writeEndpoint() const;
  const Machine& machine() const { return machine_; }

 private:
  const Identity& identity_;
  Machine machine_;
};

}  // namespace sp::agent
