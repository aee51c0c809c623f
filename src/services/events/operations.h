// Rows of the table, grouped as in EventBridge's documentation.
#pragma once
#include "aws/operation.h"
#include "services/events/events.h"

namespace sp::services::events {

inline aws::Operation row(std::string name, aws::OperationHandler handler) { return {std::move(name), std::move(handler), {}, false}; }

std::vector<aws::Operation> busOperations();
std::vector<aws::Operation> ruleOperations(Events& events);
std::vector<aws::Operation> targetOperations(Events& events);
std::vector<aws::Operation> tagOperations(Events& events);
std::vector<aws::Operation> connectionOperations(Hooks& hooks, Context& context);
std::vector<aws::Operation> destinationOperations(Hooks& hooks, Context& context);

}  // namespace sp::services::events
