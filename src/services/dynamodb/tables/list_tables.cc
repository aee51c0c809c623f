// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListTables.html
#include "services/dynamodb/service.h"

namespace sp::dynamodb {

aws::Outcome listTables(Service&, const aws::Call& call) {
  Request request(call.input);
  const auto after = request.text("ExclusiveStartTableName").value_or("");
  const auto limit = static_cast<std::size_t>(request.integer("Limit", 1, 100).value_or(100));
  SP_CHECK_OK(request.finish());
  const auto found = call.txn->records().scan(kTableRecord, "", after, limit + 1);
  json::Array names;
  for (std::size_t i = 0; i < std::min(found.size(), limit); ++i) names.push_back(json::Value(found[i].key));
  json::Object out;
  if (found.size() > limit) out["LastEvaluatedTableName"] = names.back();
  out["TableNames"] = std::move(names);
  return out;
}

}  // namespace sp::dynamodb
