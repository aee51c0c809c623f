// AWS STS: who calls. https://docs.aws.amazon.com/STS/latest/APIReference/Welcome.html
#pragma once
#include "aws/operation.h"

namespace sp::services::sts {

/// All of STS that is served. Needs neither store nor core.
aws::ServiceTable makeSts();

}  // namespace sp::services::sts
