// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetCommandInvocation.html
#include <algorithm>

#include <fmt/format.h>

#include "base/time_format.h"
#include "services/ssm/operations.h"
#include "services/ssm/outputs.h"
#include "services/ssm/views.h"

namespace sp::services::ssm {
namespace {

constexpr std::size_t kCommandIdLength = 36;

/// "PT0.091S"
std::string elapsed(const StepRecord& step) {
  if (!step.started || !step.ended) return "";
  const auto ms = std::max<std::int64_t>(0, (*step.ended - *step.started).count() / 1000);
  return fmt::format("PT{}.{:03}S", ms / 1000, ms % 1000);
}

std::expected<const StepRecord*, aws::ApiError> chooseStep(const Invocation& invocation, const std::string& plugin) {
  if (plugin.empty()) {
    if (invocation.steps.size() == 1) return &invocation.steps.front();
    return aws::refuse("InvalidPluginName", fmt::format("The document {} has {} steps: give PluginName, the name of one of them.",
                                                        invocation.document_name, invocation.steps.size()));
  }
  const auto step = std::ranges::find(invocation.steps, plugin, &StepRecord::name);
  if (step != invocation.steps.end()) return &*step;
  return aws::refuse("InvalidPluginName", fmt::format("The document {} has no step '{}'.", invocation.document_name, plugin));
}

}  // namespace

aws::Operation getCommandInvocation(Context& /*context*/, Commands& commands) {
  return {"GetCommandInvocation",
          [&commands](const aws::Call& call) -> aws::Outcome {
            const auto id = json::textOr(call.input, "CommandId");
            const auto instance = json::textOr(call.input, "InstanceId");
            if (id.size() != kCommandIdLength) return constraint(id, "commandId", fmt::format("have length equal to {}", kCommandIdLength));
            const auto command = commands.find(*call.txn, id);
            const auto invocation = commands.invocation(*call.txn, id, instance);
            // The waiter of the CLI and the SDKs tries again at this error, and at no other.
            if (!command || !invocation)
              return aws::refuse("InvocationDoesNotExist",
                                 fmt::format("There is no invocation of command '{}' on instance '{}'.", id, instance));
            SP_TRY(const auto* step, chooseStep(*invocation, json::textOr(call.input, "PluginName")));
            const bool over = isTerminal(step->status);
            return json::Object{{"CommandId", id},
                                {"InstanceId", instance},
                                {"Comment", invocation->comment},
                                {"DocumentName", invocation->document_name},
                                {"DocumentVersion", command->document_version},
                                {"PluginName", step->name},
                                {"ResponseCode", step->exit_code},
                                {"ExecutionStartDateTime", step->started ? toIso8601Millis(*step->started) : ""},
                                {"ExecutionElapsedTime", elapsed(*step)},
                                {"ExecutionEndDateTime", step->ended ? toIso8601Millis(*step->ended) : ""},
                                {"Status", over ? step->status : commands.shownStatus(*invocation)},
                                {"StatusDetails", over ? step->details : commands.shownDetails(*invocation)},
                                {"StandardOutputContent", truncatedStream(step->output, step->output_bytes, kStdoutMax)},
                                {"StandardOutputUrl", outputUrl(*command, *invocation, *step, "stdout", call.realm)},
                                {"StandardErrorContent", truncatedStream(step->error, step->error_bytes, kStderrMax)},
                                {"StandardErrorUrl", outputUrl(*command, *invocation, *step, "stderr", call.realm)},
                                {"CloudWatchOutputConfig", cloudwatchView(command->cloudwatch)}};
          },
          {},
          false};
}

}  // namespace sp::services::ssm
