// Amazon DynamoDB: tables and items. https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/
#pragma once
#include <functional>
#include <string>

#include "aws/operation.h"
#include "services/context.h"

namespace sp::services {

/// The service's operations. `context` outlives the table. `endpoint` tells HOST:PORT of the API: what DescribeEndpoints answers.
aws::ServiceTable makeDynamoDb(Context& context, std::function<std::string()> endpoint);

}  // namespace sp::services
