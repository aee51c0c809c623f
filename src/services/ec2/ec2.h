// EC2's API: the operations about machines and their tags.
#pragma once
#include "aws/operation.h"
#include "services/ec2/instances.h"

namespace sp::services::ec2 {

/// Signing name "ec2", protocol ec2, version 2016-11-15. Both outlive the table.
aws::ServiceTable makeEc2(Context& context, Instances& instances);

}  // namespace sp::services::ec2
