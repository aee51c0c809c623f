#include "services/sts/sts.h"

#include "services/sts/operations.h"

namespace sp::services::sts {

aws::ServiceTable makeSts() {
  return {"sts", aws::Protocol::query, "https://sts.amazonaws.com/doc/2011-06-15/", "2011-06-15", {getCallerIdentity()}};
}

}  // namespace sp::services::sts
