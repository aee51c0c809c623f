// What is allowed in a definition but hardly meant so.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinitionDiagnostic.html
#pragma once
#include <string_view>
#include <vector>

#include "asl/definition.h"

namespace sp::asl {

/// NO_DOLLAR: a payload's member that looks like a path or an intrinsic and is taken as written; NO_PATH: a state's member
/// that looks like a path where a value is wanted; PASS_RESULT_IS_STATIC: the same in the Result of a Pass;
/// DUPLICATE_FIELD: a member given twice in one object, of which the last counts. Nothing for what is no JSON.
std::vector<Diagnostic> warningsOf(std::string_view definition);

}  // namespace sp::asl
