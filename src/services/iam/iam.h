// AWS IAM: roles as records. Their policies are kept and told, and not enforced: the root key may do everything.
// https://docs.aws.amazon.com/IAM/latest/APIReference/welcome.html
#pragma once
#include "aws/operation.h"
#include "services/context.h"

namespace sp::services::iam {

/// `context` outlives the table.
aws::ServiceTable makeIam(Context& context);

}  // namespace sp::services::iam
