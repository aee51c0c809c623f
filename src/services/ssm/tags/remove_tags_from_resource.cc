// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_RemoveTagsFromResource.html
#include "services/ssm/operations.h"
#include "services/ssm/tags/resource_tags.h"

namespace sp::services::ssm {

aws::Operation removeTagsFromResource(ec2::Instances& instances) {
  return {"RemoveTagsFromResource",
          [&instances](const aws::Call& call) -> aws::Outcome {
            json::Reader reader(call.input);
            const auto keys = reader.textsIf("TagKeys");
            if (const auto right = reader.finish(); !right) return aws::refuse("SerializationException", right.error().message);
            SP_TRY(const auto resource, TaggedResource::find(call, instances));
            auto tags = resource.tags();
            for (const auto& key : keys) tags.erase(key);
            if (auto set = resource.setTags(call, instances, std::move(tags)); !set) return std::unexpected(std::move(set.error()));
            return json::Object{};
          },
          {},
          false};
}

}  // namespace sp::services::ssm
