// A managed machine as the server knows it.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "json/json.h"

namespace sp {

/// EC2's states; the numbers are EC2's codes (low byte).
enum class InstanceState { pending = 0, running = 16, shuttingDown = 32, terminated = 48, stopping = 64, stopped = 80 };

/// "pending", "running", "shutting-down", "terminated", "stopping", "stopped".
std::string_view name(InstanceState state);
/// Error "instance.state" for any other text.
Result<InstanceState> parseInstanceState(std::string_view text);

/// One machine; a record of kind "instance", key `id`. One reservation each: whoever reads only the first instance of a
/// reservation still sees all machines.
struct Instance {
  /// "i-" and 17 hex digits; also the name of its agent.
  std::string id;
  std::string reservation_id;
  /// "ami-demo" or "ami-bare"; empty for a machine that Stillpoint did not make.
  std::string image_id;
  InstanceState state = InstanceState::pending;
  std::map<std::string, std::string> tags;
  /// RunInstances' moment; moves with every start, as on EC2.
  Instant launched;
  /// When RunInstances was accepted; never moves.
  Instant created;
  /// Grows with every boot; compared before and after a read of a stopped machine.
  std::int64_t boot_generation = 0;
  /// False until it ran for the first time: till then it cannot be stopped.
  bool reached_running = false;
  /// EC2's stateReason ("Client.UserInitiatedShutdown") and its text; empty while none applies.
  std::string state_reason_code;
  std::string state_reason;
  /// EC2's reason: "User initiated (2026-11-01 10:00:00 GMT)".
  std::string transition_reason;
  /// Host name inside; empty for none of its own.
  std::string hostname;
  /// RunInstances' idempotency: the client's token, and the place within that call.
  std::string client_token;
  /// What that call asked for, hashed: the token with anything else is a mistake.
  std::string launch_hash;
  std::int64_t launch_index = 0;
  std::string instance_type;
  /// Which power driver: "sandbox", "exec", "qemu", "none" (model/power.h).
  std::string driver = "sandbox";
  /// The driver's description as the API shows it (PowerDescription::encode); empty for sandbox and none.
  json::Object power;
  /// The agent that holds the driver: "host" or an instance id.
  std::string held_by = "host";
  /// Absolute paths on the holder's host that hold this machine's data while it is stopped (its disk images, a mounted volume); empty:
  /// stopped, it cannot be read. Not for sandbox, whose tree the host knows.
  std::vector<std::string> volumes;
  /// False until the driver has first told whether an added machine runs; its state is pending till then.
  bool power_known = true;
  /// Why the driver could not do, or not look, the last time; empty when it could.
  std::string power_error;
  /// Id of a look at the machine's power that is under way; empty if none.
  std::string check_request;
  /// Id of the power request under way; empty if none. Only its answer moves the state.
  std::string power_request;
  /// Why a stop has failed of which nobody can tell yet whether the machine runs: it is `stopping` till its driver sees it. Else empty.
  std::string stop_error;
  /// Who asked for it: "api" or a holder ("run:ARN", "job:ID").
  std::string power_by;
  /// The backup job that reads the stopped machine's files; empty if none.
  std::string reading_job;
  /// EC2's disableApiStop and disableApiTermination: a person's StopInstances and TerminateInstances are refused, and a run that would
  /// have to stop it.
  bool stop_protected = false;
  bool termination_protected = false;

  /// Whether Stillpoint made it: only then may it remove its files.
  bool isMade() const { return driver == "sandbox"; }
  bool isGone() const { return state == InstanceState::terminated || state == InstanceState::shuttingDown; }

  json::Object encode() const;
  static Result<Instance> decode(const json::Object& body);
};

}  // namespace sp
