// What DescribeInstanceAttribute, ModifyInstanceAttribute and RunInstances have in common.
#pragma once
#include <optional>
#include <string_view>

#include "aws/api_error.h"

namespace sp::services::ec2 {

/// What a machine does that shuts itself down: it stays, stopped.
inline constexpr std::string_view kShutdownBehavior = "stop";
/// UnsupportedOperation for "terminate", InvalidParameterValue for what EC2 does not know either; nullopt for "stop".
std::optional<aws::ApiError> refuseShutdownBehavior(std::string_view behavior);

/// InvalidParameterValue for an attribute that EC2 does not know.
aws::ApiError unknownAttribute(std::string_view name);

}  // namespace sp::services::ec2
