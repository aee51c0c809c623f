// Amazon DynamoDB: tables and items. https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/
#pragma once
#include "aws/operation.h"
#include "services/context.h"

namespace sp::services {

/// The service's operations. `context` outlives the table.
aws::ServiceTable makeDynamoDb(Context& context);

}  // namespace sp::services
