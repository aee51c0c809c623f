// DescribeInvocation: docs/api/stillpoint.md.
#include <fmt/format.h>

#include "services/ssm/output/report.h"
#include "services/stillpoint/operations.h"

namespace sp::services::stillpoint {

aws::Operation describeInvocation(const ssm::Commands& commands, const store::OutputStore& outputs) {
  return {"DescribeInvocation",
          [&commands, &outputs](const aws::Call& call) -> aws::Outcome {
            const auto command = json::textOr(call.input, "CommandId");
            const auto instance = json::textOr(call.input, "InstanceId");
            for (const auto& [name, value] : {std::pair("CommandId", &command), std::pair("InstanceId", &instance)})
              if (value->empty()) return std::unexpected(aws::ApiError::validation(fmt::format("{} is missing", name)));
            const auto invocation = commands.invocation(*call.txn, command, instance);
            if (!invocation)
              return aws::refuse("ResourceNotFoundException",
                                 fmt::format("there is no invocation of command '{}' on instance '{}'", command, instance));
            return ssm::invocationReport(*invocation, commands.shownStatus(*invocation), commands.shownDetails(*invocation), outputs);
          },
          {},
          false};
}

}  // namespace sp::services::stillpoint
