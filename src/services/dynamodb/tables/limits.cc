// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeLimits.html and _DescribeContinuousBackups.html
#include <fmt/format.h>

#include "services/dynamodb/tables/tables.h"

namespace sp::dynamodb {
namespace {

// What clients read after they made a table. Tables have no backups of their own: the server's store is backed up whole.
json::Object noBackups() {
  return {{"ContinuousBackupsDescription",
           json::Object{{"ContinuousBackupsStatus", "DISABLED"},
                        {"PointInTimeRecoveryDescription", json::Object{{"PointInTimeRecoveryStatus", "DISABLED"}}}}}};
}

std::expected<void, aws::ApiError> checkThere(const aws::Call& call, std::string_view name) {
  if (!loadTable(*call.txn, name)) return aws::refuse("TableNotFoundException", fmt::format("Table not found: {}", name));
  return {};
}

}  // namespace

// AWS's own defaults of an account; nothing here is held to them.
aws::Outcome describeLimits(Service& /*service*/, const aws::Call& /*call*/) {
  return json::Object{{"AccountMaxReadCapacityUnits", 80000},
                      {"AccountMaxWriteCapacityUnits", 80000},
                      {"TableMaxReadCapacityUnits", 40000},
                      {"TableMaxWriteCapacityUnits", 40000}};
}

aws::Outcome describeContinuousBackups(Service& /*service*/, const aws::Call& call) {
  Request request(call.input);
  const auto name = request.tableName();
  SP_CHECK_OK(request.finish());
  SP_CHECK_OK(checkThere(call, name));
  return noBackups();
}

aws::Outcome updateContinuousBackups(Service& /*service*/, const aws::Call& call) {
  Request request(call.input);
  const auto name = request.tableName();
  const auto* specification = request.object("PointInTimeRecoverySpecification");
  SP_CHECK_OK(request.finish());
  Request inner(*specification, "pointInTimeRecoverySpecification.");
  inner.require("PointInTimeRecoveryEnabled");
  const bool enable = inner.boolean("PointInTimeRecoveryEnabled", false);
  SP_CHECK_OK(inner.finish());
  SP_CHECK_OK(checkThere(call, name));
  if (enable)
    return aws::refuse("ContinuousBackupsUnavailableException",
                       fmt::format("Point in time recovery is not served for table {}: back up the server's data directory instead", name));
  return noBackups();
}

}  // namespace sp::dynamodb
