// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TerminateInstances.html
#include "services/ec2/operations.h"

#include "services/ec2/input.h"

namespace sp::services::ec2 {

aws::Operation terminateInstances(Instances& instances) {
  return {"TerminateInstances",
          [&instances](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto named, namedInstances(call, instances));
            const bool force = flag(call.input, "Force");
            for (const auto& each : named)
              if (auto refused = instances.refusal(*call.txn, each, "TerminateInstances", force, "api"))
                return std::unexpected(std::move(*refused));
            if (flag(call.input, "DryRun")) return dryRun();
            json::Array changes;
            for (const auto& before : named) {
              SP_TRY(const auto after, instances.terminate(*call.txn, before.id, force, "api"));
              instances.tellPersonPower(*call.txn, after, "terminate", call.principal);
              changes.push_back(stateChange(before, after));
            }
            return json::Object{{"instancesSet", std::move(changes)}};
          },
          {},
          false};
}

}  // namespace sp::services::ec2
