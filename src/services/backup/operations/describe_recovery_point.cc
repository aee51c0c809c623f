#include "services/backup/operations/service.h"

namespace sp::services::backup {

// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeRecoveryPoint.html
aws::Outcome describeRecoveryPoint(Service& service, const aws::Call& call) {
  const auto point = namedPoint(service, call);
  if (!point) return std::unexpected(point.error());
  auto out = pointShape(*point, call.realm, service.points);
  out["StorageClass"] = "WARM";
  return out;
}

}  // namespace sp::services::backup
