// Systems Manager's API: Run Command and the managed machines it can reach.
#pragma once
#include "aws/operation.h"
#include "base/secret_box.h"
#include "services/ssm/commands.h"
#include "services/ssm/nodes/nodes.h"

namespace sp::services::ssm {

/// Signing name "ssm", JSON 1.1, target prefix "AmazonSSM". SecureStrings are sealed with `secrets`. All outlive the table.
aws::ServiceTable makeSsm(Context& context, Commands& commands, ec2::Instances& instances, Nodes& nodes, const SecretBox& secrets);

}  // namespace sp::services::ssm
