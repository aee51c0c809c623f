// An invocation as Stillpoint's own DescribeInvocation and its live stream tell it: what Run Command's API has no members for.
#pragma once
#include "services/ssm/commands.h"
#include "store/output_store.h"

namespace sp::services::ssm {

/// Exit code of the step that decided: the first that has no success, else the last script. -1: none ran.
std::int64_t exitCodeOf(const Invocation& invocation);

/// {CommandId, InstanceId, Status, StatusDetails, ExitCode, Message, Steps: [{Name … ScriptSha256, Usage, Files, Output, Error}]}.
/// `status` and `details` as shown now.
json::Object invocationReport(const Invocation& invocation, const std::string& status, const std::string& details,
                              const store::OutputStore& outputs);

}  // namespace sp::services::ssm
