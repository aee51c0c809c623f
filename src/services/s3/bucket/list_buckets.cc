// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html
#include <fmt/format.h>

#include "aws/operation.h"
#include "base/time_format.h"
#include "services/s3/operations.h"
#include "services/s3/service.h"
#include "services/s3/wire/xml.h"

namespace sp::services::s3 {

Answer listBuckets(Rows& rows, const Call& call) {
  constexpr std::size_t kMost = 10'000;
  SP_TRY(const auto limit, numberIn(call, "max-buckets", kMost, 1, kMost));
  const auto& region = call.service.context().realm.region;
  const std::string prefix(call.query.get("prefix").value_or(""));
  const auto bound_to = "s3.ListBuckets " + prefix;
  std::string after;
  if (const auto token = call.query.get("continuation-token")) {
    const auto position = aws::readPageToken(bound_to, *token);
    if (!position) return std::unexpected(invalidArgument("The continuation token provided is incorrect", "continuation-token", *token));
    after = *position;
  }
  const auto asked_region = call.query.get("bucket-region");
  auto buckets = asked_region.value_or(region) == region ? rows.buckets(prefix, after, limit + 1) : std::vector<Bucket>();
  const bool more = buckets.size() > limit;
  if (more) buckets.pop_back();
  XmlWriter xml("ListAllMyBucketsResult");
  xml.open("Owner").text("ID", ownerId(call)).text("DisplayName", call.service.context().realm.account).close();
  xml.open("Buckets");
  for (const auto& bucket : buckets) {
    xml.open("Bucket").text("Name", bucket.name).text("CreationDate", toIso8601Millis(bucket.created));
    xml.text("BucketRegion", region).close();
  }
  xml.close();
  if (more) xml.text("ContinuationToken", aws::makePageToken(bound_to, buckets.back().name));
  if (!prefix.empty()) xml.text("Prefix", prefix);
  return xmlResponse(xml.finish());
}

}  // namespace sp::services::s3
