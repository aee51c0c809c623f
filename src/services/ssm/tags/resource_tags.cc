#include "services/ssm/tags/resource_tags.h"

#include <fmt/format.h>

#include "services/ssm/documents/library.h"
#include "services/ssm/parameters/parameter_store.h"

namespace sp::services::ssm {

std::expected<TaggedResource, aws::ApiError> TaggedResource::find(const aws::Call& call, ec2::Instances& instances) {
  const auto type = json::textOr(call.input, "ResourceType");
  TaggedResource resource;
  resource.id_ = json::textOr(call.input, "ResourceId");
  if (type == "Document") {
    const auto found = findDocument(*call.txn, resource.id_, "");
    if (!found) return aws::refuse("InvalidResourceId", fmt::format("There is no document '{}'.", resource.id_));
    resource.kind_ = Kind::document;
    resource.id_ = found->document.name;
    resource.tags_ = found->document.tags;
    return resource;
  }
  if (type == "ManagedInstance") {
    const auto found = instances.find(*call.txn, resource.id_);
    if (!found || found->isGone()) return aws::refuse("InvalidResourceId", fmt::format("There is no managed node '{}'.", resource.id_));
    resource.tags_ = found->tags;
    return resource;
  }
  if (type == "Parameter") {
    const auto found = storedParameter(*call.txn, resource.id_);
    if (!found) return aws::refuse("InvalidResourceId", fmt::format("There is no parameter '{}'.", resource.id_));
    resource.kind_ = Kind::parameter;
    resource.tags_ = found->tags;
    return resource;
  }
  return aws::refuse("InvalidResourceType",
                     fmt::format("Resources of type '{}' have no tags here: use Document, Parameter or ManagedInstance.", type));
}

std::expected<void, aws::ApiError> TaggedResource::setTags(const aws::Call& call, ec2::Instances& instances, Tags tags) const {
  if (kind_ == Kind::machine) {
    instances.setTags(*call.txn, id_, std::move(tags));
    return {};
  }
  if (kind_ == Kind::parameter) {
    if (auto parameter = storedParameter(*call.txn, id_)) {
      parameter->tags = std::move(tags);
      save(*call.txn, *parameter);
    }
    return {};
  }
  auto document = ownDocument(*call.txn, id_);
  if (!document) return aws::refuse("InvalidResourceId", document.error().message);
  document->tags = std::move(tags);
  save(*call.txn, *document);
  return {};
}

}  // namespace sp::services::ssm
