// The answer AWS gives to each way a request can fail to be authenticated.
#pragma once
#include "aws/api_error.h"
#include "aws/sigv4.h"

namespace sp::aws {

/// Code, status and words of that protocol (S3 is restXml).
ApiError authError(const AuthProblem& problem, Protocol protocol);

}  // namespace sp::aws
