// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ListTagsForResource.html
#include "services/ssm/documents/views.h"
#include "services/ssm/operations.h"
#include "services/ssm/tags/resource_tags.h"

namespace sp::services::ssm {

aws::Operation listTagsForResource(ec2::Instances& instances) {
  return {"ListTagsForResource",
          [&instances](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto resource, TaggedResource::find(call, instances));
            return json::Object{{"TagList", tagsView(resource.tags())}};
          },
          {},
          false};
}

}  // namespace sp::services::ssm
