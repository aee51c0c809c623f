// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTags.html
#include "services/ec2/operations.h"

#include "services/ec2/input.h"

namespace sp::services::ec2 {

aws::Operation createTags(Instances& instances) {
  return {"CreateTags",
          [&instances](const aws::Call& call) -> aws::Outcome {
            SP_TRY(auto tagged, taggedInstances(call, instances));
            SP_TRY(const auto tags, readTags(call.input));
            if (tags.empty()) return missing("Tag");
            for (auto& instance : tagged) {
              for (const auto& [key, value] : tags) instance.tags[key] = value;
              if (auto refused = tooManyTags(instance.tags)) return std::unexpected(std::move(*refused));
            }
            if (flag(call.input, "DryRun")) return dryRun();
            for (auto& instance : tagged) instances.setTags(*call.txn, instance.id, std::move(instance.tags));
            return json::Object{{"return", true}};
          },
          {},
          false};
}

}  // namespace sp::services::ec2
