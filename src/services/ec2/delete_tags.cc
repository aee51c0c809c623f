// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteTags.html
#include "services/ec2/operations.h"

#include "services/ec2/input.h"

namespace sp::services::ec2 {

aws::Operation deleteTags(Instances& instances) {
  return {"DeleteTags",
          [&instances](const aws::Call& call) -> aws::Outcome {
            SP_TRY(auto tagged, taggedInstances(call, instances));
            if (flag(call.input, "DryRun")) return dryRun();
            const auto* list = json::find(call.input, "Tag");
            for (auto& instance : tagged) {
              if (list == nullptr || !list->is_array()) {
                instance.tags.clear();
              } else {
                for (const auto& each : list->get_array()) {
                  if (!each.is_object()) continue;
                  const auto found = instance.tags.find(json::textOr(each.get_object(), "Key"));
                  const auto* value = json::find(each.get_object(), "Value");
                  // With a value, only that value is deleted; without one, whatever it is.
                  if (found != instance.tags.end() && (value == nullptr || json::textOr(each.get_object(), "Value") == found->second))
                    instance.tags.erase(found);
                }
              }
              instances.setTags(*call.txn, instance.id, std::move(instance.tags));
            }
            return json::Object{{"return", true}};
          },
          {},
          false};
}

}  // namespace sp::services::ec2
