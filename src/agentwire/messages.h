// What server and agents say to each other. Every message is one JSON object in one frame (4-byte big-endian length, at
// most 1 MiB) with "type"; unknown members are ignored, unknown types are answered with "refused".
//
// The conversation: the agent says "hello"; the server answers "welcome" and sends its requests. A request has an "id"
// that is unique for ever; the agent writes it to its journal before it acts ("accepted"), does it at most once, and
// sends the answer ("result" types) until the server says "settled" {id}. Then both forget it, except that the agent
// remembers settled ids of freezes for ever. Durations travel in milliseconds, never times of day.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "json/json.h"

namespace sp::agentwire {

/// The protocol's versions that this program speaks. Both ends tell their range; the greatest common one is spoken.
inline constexpr std::int64_t kProtocolLeast = 1;
inline constexpr std::int64_t kProtocolMost = 2;

/// This program's, in the form that Systems Manager shows.
inline constexpr std::string_view kAgentVersion = "1.0.0.0";

inline constexpr std::size_t kFrameMax = 1U << 20U;
inline constexpr std::string_view kAlpn = "stillpoint-agent/1";

// agent → server
/// Members: agent, bootId (the kernel's), initStart (when its first process began, by which machines that share a kernel tell their boots
/// apart; 0: not known, and not told by older agents), protocol {least, most}, agentVersion, platformType, platformName, platformVersion,
/// hostname, address, clock (µs since the epoch), machine (hash of what names the hardware; empty: nothing does), run (names this process),
/// open: [ids not settled]. What the port knows of the certificate is added by the port: certificate {enrolment, leftMs, lifeMs}.
inline constexpr std::string_view kHello = "hello";
inline constexpr std::string_view kProbeResult = "probe.result";  // id
inline constexpr std::string_view kClock = "clock";               // clock: this machine's clock was set
inline constexpr std::string_view kPong = "pong";                 // answer to ping
inline constexpr std::string_view kAccepted = "accepted";         // id; left out if the answer is there as soon
inline constexpr std::string_view kProgress = "progress";         // id, kind-specific members; may be lost
inline constexpr std::string_view kCommandResult = "command.result";
inline constexpr std::string_view kPowerResult = "power.result";
inline constexpr std::string_view kBackupResult = "backup.result";
inline constexpr std::string_view kRestoreResult = "restore.result";
inline constexpr std::string_view kCancelResult = "cancel.result";
inline constexpr std::string_view kRefused = "refused";             // id, message; fate: "unknown" if it was taken before
inline constexpr std::string_view kPowerChanged = "power.changed";  // driver's holder: a machine went down or came up by itself
inline constexpr std::string_view kLeased = "leased";               // freeze, held, ask (as "lease" had it), why (what broke it)

/// Whether an agent's message of that type ends the request that it names.
constexpr bool isAnswer(std::string_view type) { return type.ends_with(".result") || type == kRefused; }

// server → agent
inline constexpr std::string_view kWelcome = "welcome";    // serverId, protocol, renewInMs
inline constexpr std::string_view kRejected = "rejected";  // code, message; instead of welcome, or ends a session
inline constexpr std::string_view kProbe = "probe";        // id: is this session alive?
inline constexpr std::string_view kPing = "ping";          // every 20 s of silence; any answer will do, "pong" is the one

inline constexpr std::string_view kSettled = "settled";  // id
inline constexpr std::string_view kCommandRun = "command.run";
inline constexpr std::string_view kCancel = "cancel";  // id, target: id of the request to cancel
inline constexpr std::string_view kPowerStart = "power.start";
inline constexpr std::string_view kPowerStop = "power.stop";
inline constexpr std::string_view kPowerReboot = "power.reboot";
inline constexpr std::string_view kPowerCreate = "power.create";
inline constexpr std::string_view kPowerDestroy = "power.destroy";
// Machines that Stillpoint did not make: their power.* carry driver and power (model/power.h).
inline constexpr std::string_view kPowerAdopt = "power.adopt";    // hold this driver from now on; answered as a check is
inline constexpr std::string_view kPowerCheck = "power.check";    // can the driver do, and what is the state now
inline constexpr std::string_view kPowerForget = "power.forget";  // hold it no longer
inline constexpr std::string_view kBackupRun = "backup.run";
inline constexpr std::string_view kRestoreRun = "restore.run";
// What an agent undoes by itself when the server has been away for too long. leaseMs > 0: that freeze ("freeze": its id), or that machine's
// stop
// ("start": its instance), is held for so long from now; 0: only a question, answered by "leased"; -1: that machine's start is owed no
// longer.
inline constexpr std::string_view kLease = "lease";

// Codes of "rejected", and of refusals by /enrol and /renew
inline constexpr std::string_view kUnknownAgent = "unknown_agent";         // no such machine, or it is terminated
inline constexpr std::string_view kRevoked = "revoked";                    // somebody took its certificate back
inline constexpr std::string_view kSuperseded = "superseded";              // the machine was enrolled anew; this is an older certificate
inline constexpr std::string_view kExpired = "certificate_expired";        // may renew, nothing else
inline constexpr std::string_view kNoCertificate = "no_certificate";       // may enrol, nothing else
inline constexpr std::string_view kCloned = "cloned_machine";              // other hardware than the one that enrolled
inline constexpr std::string_view kDuplicate = "duplicate_agent";          // another process with this id is connected and alive
inline constexpr std::string_view kProtocolTooOld = "protocol_too_old";    // the agent must be upgraded
inline constexpr std::string_view kProtocolTooNew = "protocol_too_new";    // the server must be upgraded
inline constexpr std::string_view kBadToken = "token_invalid";             // unknown, or of another secret
inline constexpr std::string_view kSpentToken = "token_spent";             // used up or expired
inline constexpr std::string_view kTooManyAttempts = "too_many_attempts";  // try later

/// The version to speak with an agent that says this hello (one without "protocol" speaks version 1). Errors kProtocolTooOld and
/// kProtocolTooNew tell both ranges and which end to upgrade.
Result<std::int64_t> chooseProtocol(const json::Object& hello);

/// The command that an agent makes of what it was promised: its n-th thaw of a freeze by itself, n from 1 to 65535. `promise` is a UUID
/// whose last four hex digits are 0, given with the freeze.
inline constexpr std::int64_t kGuardAttemptsMost = 65'535;
std::string guardCommandId(std::string_view promise, std::int64_t attempt);
struct GuardCommand {
  std::string promise;
  std::int64_t attempt = 0;
};
/// The other way round; nullopt if a promise cannot have made that id. Other commands may have such ids too: the promise must be known.
std::optional<GuardCommand> promiseOf(std::string_view command_id);

/// A frame: length and text. Error "wire.too_large".
Result<std::string> frame(const json::Object& message);
/// The same in two steps, for a text that is sent more than once.
Result<void> checkSize(std::string_view text);
std::string frameOf(std::string_view text);

}  // namespace sp::agentwire
