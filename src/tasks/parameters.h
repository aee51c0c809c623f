// What Parameters of a task may hold, by the members that the inputs of operations have. Pure.
// https://docs.aws.amazon.com/step-functions/latest/dg/connect-parameters.html
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"
#include "tasks/naming.h"

namespace sp::tasks {

/// Members that the operation's input does not have, or an event that it sends. `service`: its signing name. `written`: as a definition
/// has them, where "Foo.$" is Foo; then those of all structures in the input too.
std::vector<std::string> unknownMembers(std::string_view service, std::string_view operation, const json::Object& parameters,
                                        bool written = false);
/// "The field "Foo" is not supported by Step Functions".
std::string unsupportedField(std::string_view member);

/// What is wrong with the Parameters that a definition writes for a resource that is served, a sentence each; null: it writes none.
/// `arn`: the resource as written.
std::vector<std::string> refusedParameters(std::string_view arn, const Resource& resource, const json::Object* parameters);

}  // namespace sp::tasks
