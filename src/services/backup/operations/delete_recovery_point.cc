#include "services/backup/operations/service.h"

namespace sp::services::backup {

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DeleteRecoveryPoint.html
aws::Outcome deleteRecoveryPoint(Service& service, const aws::Call& call) {
  auto point = namedPoint(service, call);
  if (!point) return std::unexpected(point.error());
  // Asked again while its snapshot is being forgotten: it is on its way out already.
  if (point->status != "DELETING") service.points.remove(*call.txn, std::move(*point), false);
  return json::Object();
}

}  // namespace sp::services::backup
