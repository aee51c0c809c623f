// Rows of the table; a file each.
#pragma once
#include "aws/operation.h"

namespace sp::services::sts {

aws::Operation getCallerIdentity();

}  // namespace sp::services::sts
