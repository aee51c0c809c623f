// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StopInstances.html
#include "services/ec2/operations.h"

#include <fmt/format.h>

#include "services/ec2/input.h"

namespace sp::services::ec2 {

aws::Operation stopInstances(Instances& instances) {
  return {"StopInstances",
          [&instances](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto named, namedInstances(call, instances));
            const bool force = flag(call.input, "Force");
            if (flag(call.input, "Hibernate"))
              return aws::refuse(
                  "UnsupportedHibernationConfiguration",
                  fmt::format("The instance '{}' is not enabled for hibernation: machines of this driver cannot be.", named.front().id));
            for (const auto& each : named)
              if (auto refused = instances.refusal(*call.txn, each, "StopInstances", force, "api"))
                return std::unexpected(std::move(*refused));
            if (flag(call.input, "DryRun")) return dryRun();
            json::Array changes;
            for (const auto& before : named) {
              SP_TRY(const auto after, instances.stop(*call.txn, before.id, force, "api"));
              instances.tellPersonPower(*call.txn, after, "stop", call.principal);
              changes.push_back(stateChange(before, after));
            }
            return json::Object{{"instancesSet", std::move(changes)}};
          },
          {},
          false};
}

}  // namespace sp::services::ec2
