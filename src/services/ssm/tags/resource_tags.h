// Tags of what Systems Manager names: documents, parameters, and machines, whose tags are EC2's.
#pragma once
#include <expected>
#include <map>
#include <string>

#include "aws/operation.h"
#include "services/ec2/instances.h"

namespace sp::services::ssm {

inline constexpr std::size_t kResourceTagsMax = 50;

/// What ResourceType and ResourceId of an input name. InvalidResourceType, InvalidResourceId.
class TaggedResource {
 public:
  using Tags = std::map<std::string, std::string>;
  static std::expected<TaggedResource, aws::ApiError> find(const aws::Call& call, ec2::Instances& instances);

  const Tags& tags() const { return tags_; }
  /// Replaces them. InvalidResourceId for documents of AWS.
  std::expected<void, aws::ApiError> setTags(const aws::Call& call, ec2::Instances& instances, Tags tags) const;

 private:
  enum class Kind { machine, document, parameter };
  Kind kind_ = Kind::machine;
  std::string id_;
  Tags tags_;
};

}  // namespace sp::services::ssm
