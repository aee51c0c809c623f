// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CancelCommand.html
#include <algorithm>

#include <fmt/format.h>

#include "services/ssm/operations.h"
#include "services/ssm/views.h"

namespace sp::services::ssm {

aws::Operation cancelCommand(Commands& commands) {
  return {"CancelCommand",
          [&commands](const aws::Call& call) -> aws::Outcome {
            json::Reader reader(call.input);
            const auto id = reader.textIf("CommandId").value_or("");
            auto instances = reader.textsIf("InstanceIds");
            if (const auto right = reader.finish(); !right) return aws::refuse("SerializationException", right.error().message);
            std::ranges::sort(instances);
            if (const auto twice = std::ranges::adjacent_find(instances); twice != instances.end())
              return aws::refuse("DuplicateInstanceId", fmt::format("The instance ID '{}' is given more than once.", *twice));
            if (auto done = commands.cancel(*call.txn, id, instances); !done) return std::unexpected(std::move(done.error()));
            return json::Object{};
          },
          {},
          false};
}

}  // namespace sp::services::ssm
