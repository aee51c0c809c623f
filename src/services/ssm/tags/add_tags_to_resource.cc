// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_AddTagsToResource.html
#include <fmt/format.h>

#include "services/ssm/documents/views.h"
#include "services/ssm/operations.h"
#include "services/ssm/tags/resource_tags.h"

namespace sp::services::ssm {

aws::Operation addTagsToResource(ec2::Instances& instances) {
  return {"AddTagsToResource",
          [&instances](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto added, readTags(call.input));
            SP_TRY(const auto resource, TaggedResource::find(call, instances));
            auto tags = resource.tags();
            for (const auto& [key, value] : added) tags.insert_or_assign(key, value);
            if (tags.size() > kResourceTagsMax)
              return aws::refuse("TooManyTagsError", fmt::format("With these the resource would have {} tags; at most {} are allowed.",
                                                                 tags.size(), kResourceTagsMax));
            if (auto set = resource.setTags(call, instances, std::move(tags)); !set) return std::unexpected(std::move(set.error()));
            return json::Object{};
          },
          {},
          false};
}

}  // namespace sp::services::ssm
