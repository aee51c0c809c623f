// What Parameters of a task may hold, by the members that the inputs of operations have. Pure.
// https://docs.aws.amazon.com/step-functions/latest/dg/connect-parameters.html
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"
#include "tasks/naming.h"

namespace sp::asl {
class Template;
}

namespace sp::tasks {

/// Members that the operation's input does not have, or the structures in it. `service`: its signing name. `written`: as a definition has
/// them, where "Foo.$" is Foo.
std::vector<std::string> unknownMembers(std::string_view service, std::string_view operation, const json::Object& parameters,
                                        bool written = false);
/// Those of them that were refused always, also before all structures were looked at: at the top, and in the events of PutEvents. For
/// parameters that were accepted once.
std::vector<std::string> unknownOfStored(std::string_view service, std::string_view operation, const json::Object& parameters);
/// What is wrong with the Parameters that a definition writes for a resource that is served, a sentence each; null: it writes none.
/// `arn`: the resource as written.
std::vector<std::string> refusedParameters(std::string_view arn, const Resource& resource, const json::Object* parameters);

/// What is wrong with the parameters that a task starts with, a sentence each. `written`: as the definition has them; null: it writes
/// none. Members of structures that it says itself may be unknown: definitions from before these were looked at run on.
std::vector<std::string> unusableParameters(const Resource& resource, const json::Object& parameters, const asl::Template* written);
/// The cause of the States.Runtime that tells so of the task of a state.
std::string unusableCause(std::string_view state, std::int64_t entered, const json::Value& parameters, std::string_view why);

}  // namespace sp::tasks
