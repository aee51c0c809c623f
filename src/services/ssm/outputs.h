// How much of a script's output the API shows, and where the whole of it lies in S3: pure functions.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "services/ssm/records.h"

namespace sp::services::ssm {

inline constexpr std::size_t kStdoutMax = 24'000;
inline constexpr std::size_t kStderrMax = 8'000;
inline constexpr std::size_t kPluginOutputMax = 2'500;

/// GetCommandInvocation's contents: at most `limit` bytes, ending in "--output truncated--" if something is missing.
/// `whole_bytes`: how long the stream was.
std::string truncatedStream(std::string_view text, std::int64_t whole_bytes, std::size_t limit);

/// CommandPlugin.Output: both streams in at most 2,500 bytes. A stream shorter than half is kept whole, else both are cut
/// evenly; what is cut says so. Exit code 168 drops the error stream.
std::string pluginOutput(const StepRecord& step);

/// "awsrunShellScript" of "aws:runShellScript".
std::string withoutColons(std::string_view text);
/// PREFIX/COMMAND/INSTANCE/PLUGIN: what a plugin's OutputS3KeyPrefix shows.
std::string pluginKeyPrefix(std::string_view prefix, std::string_view command, std::string_view instance, const StepRecord& step);
/// …/STEP/stdout; of a step that runs several scripts …/PART/stdout for each.
std::string outputKey(std::string_view prefix, std::string_view command, std::string_view instance, const StepRecord& step,
                      std::string_view stream, std::string_view part = "");

}  // namespace sp::services::ssm
