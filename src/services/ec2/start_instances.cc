// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StartInstances.html
#include "services/ec2/operations.h"

#include "services/ec2/input.h"

namespace sp::services::ec2 {

aws::Operation startInstances(Instances& instances) {
  return {"StartInstances",
          [&instances](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto named, namedInstances(call, instances));
            for (const auto& each : named)
              if (auto refused = instances.refusal(*call.txn, each, "StartInstances", false, "api"))
                return std::unexpected(std::move(*refused));
            if (flag(call.input, "DryRun")) return dryRun();
            json::Array changes;
            for (const auto& before : named) {
              SP_TRY(const auto after, instances.start(*call.txn, before.id, "api"));
              instances.tellPersonPower(*call.txn, after, "start", call.principal);
              changes.push_back(stateChange(before, after));
            }
            return json::Object{{"instancesSet", std::move(changes)}};
          },
          {},
          false};
}

}  // namespace sp::services::ec2
