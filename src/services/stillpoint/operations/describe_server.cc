// DescribeServer: docs/api/stillpoint.md.
#include "services/stillpoint/operations.h"

namespace sp::services::stillpoint {

aws::Operation describeServer(StatusKeeper& keeper) {
  return {"DescribeServer", [&keeper](const aws::Call& call) -> aws::Outcome { return shapeOf(keeper.look(*call.txn)); }, {}, false};
}

}  // namespace sp::services::stillpoint
