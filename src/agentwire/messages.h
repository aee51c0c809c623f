// What server and agents say to each other. Every message is one JSON object in one frame (4-byte big-endian length, at
// most 1 MiB) with "type"; unknown members are ignored, unknown types are answered with "refused".
//
// The conversation: the agent says "hello"; the server answers "welcome" and sends its requests. A request has an "id"
// that is unique for ever; the agent writes it to its journal before it acts ("accepted"), does it at most once, and
// sends the answer ("result" types) until the server says "settled" {id}. Then both forget it, except that the agent
// remembers settled ids of freezes for ever. Durations travel in milliseconds, never times of day.
#pragma once
#include <string_view>

#include "base/result.h"
#include "json/json.h"

namespace sp::agentwire {

inline constexpr std::size_t kFrameMax = 1U << 20U;
inline constexpr std::string_view kAlpn = "stillpoint-agent/1";

// agent → server
inline constexpr std::string_view kHello = "hello";        // agent, bootId, version, platform…, open: [ids not settled]
inline constexpr std::string_view kPong = "pong";          // answer to ping
inline constexpr std::string_view kAccepted = "accepted";  // id
inline constexpr std::string_view kProgress = "progress";  // id, kind-specific members; may be lost
inline constexpr std::string_view kCommandResult = "command.result";
inline constexpr std::string_view kPowerResult = "power.result";
inline constexpr std::string_view kBackupResult = "backup.result";
inline constexpr std::string_view kRestoreResult = "restore.result";
inline constexpr std::string_view kCancelResult = "cancel.result";
inline constexpr std::string_view kRefused = "refused";             // id, message: the agent cannot do this kind of request
inline constexpr std::string_view kPowerChanged = "power.changed";  // driver's holder: a machine went down or came up by itself

// server → agent
inline constexpr std::string_view kWelcome = "welcome";
inline constexpr std::string_view kPing = "ping";  // every 20 s of silence; any answer will do, "pong" is the one

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

/// A frame: length and text. Error "wire.too_large".
Result<std::string> frame(const json::Object& message);
/// The same in two steps, for a text that is sent more than once.
Result<void> checkSize(std::string_view text);
std::string frameOf(std::string_view text);

}  // namespace sp::agentwire
