// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RebootInstances.html
#include "services/ec2/operations.h"

#include "services/ec2/input.h"

namespace sp::services::ec2 {

aws::Operation rebootInstances(Instances& instances) {
  return {"RebootInstances",
          [&instances](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto named, namedInstances(call, instances));
            for (const auto& each : named)
              if (auto refused = instances.refusal(*call.txn, each, "RebootInstances", false, "api"))
                return std::unexpected(std::move(*refused));
            if (flag(call.input, "DryRun")) return dryRun();
            for (const auto& each : named) {
              SP_TRY(const auto after, instances.reboot(*call.txn, each.id, "api"));
              instances.tellPersonPower(*call.txn, after, "reboot", call.principal);
            }
            return json::Object{{"return", true}};
          },
          {},
          false};
}

}  // namespace sp::services::ec2
