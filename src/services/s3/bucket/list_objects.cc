// Both versions of listing a bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html
#include <fmt/format.h>

#include "aws/operation.h"
#include "base/time_format.h"
#include "services/s3/operations.h"
#include "services/s3/service.h"
#include "services/s3/wire/listing.h"
#include "services/s3/wire/xml.h"

namespace sp::services::s3 {
namespace {

constexpr std::size_t kMost = 1000;

std::expected<ListAsk, aws::ApiError> readAsk(const Call& call) {
  SP_CHECK_OK(checkEncodingType(call));
  ListAsk ask;
  SP_TRY(ask.limit, numberIn(call, "max-keys", kMost, 0, kMost));
  ask.prefix = call.query.get("prefix").value_or("");
  ask.delimiter = call.query.get("delimiter").value_or("");
  return ask;
}

ListPage pageOf(Rows& rows, const Call& call, const ListAsk& ask) {
  return listPage(
      ask, [&](std::string_view from, std::size_t limit) { return rows.txn().objects().scan(call.bucket, ask.prefix, from, limit); });
}

void writeHead(XmlWriter& xml, const Call& call, const ListAsk& ask) {
  xml.text("Name", call.bucket).text("Prefix", encodedFor(call, ask.prefix));
  if (!ask.delimiter.empty()) xml.text("Delimiter", encodedFor(call, ask.delimiter));
  xml.number("MaxKeys", ask.limit);
  if (const auto encoding = call.query.get("encoding-type")) xml.text("EncodingType", *encoding);
}

void writeItems(XmlWriter& xml, const Call& call, const ListPage& page, bool owner) {
  for (const auto& record : page.records) {
    const auto object = decodeObject(record.body);
    xml.open("Contents").text("Key", encodedFor(call, record.key));
    xml.text("LastModified", toIso8601Millis(std::chrono::floor<std::chrono::seconds>(object.modified)));
    xml.text("ETag", quoted(object.etag));
    if (!object.checksum.value.empty()) {
      xml.text("ChecksumAlgorithm", algorithmOf(object.checksum.kind));
      xml.text("ChecksumType", object.checksum.composite ? "COMPOSITE" : "FULL_OBJECT");
    }
    xml.number("Size", object.size);
    if (owner) xml.open("Owner").text("ID", ownerId(call)).text("DisplayName", call.service.context().realm.account).close();
    xml.text("StorageClass", "STANDARD").close();
  }
  for (const auto& prefix : page.common_prefixes) xml.open("CommonPrefixes").text("Prefix", encodedFor(call, prefix)).close();
}

}  // namespace

Answer listObjects(Rows& rows, const Call& call) {
  SP_CHECK_OK(requireBucket(rows, call.bucket));
  SP_TRY(auto ask, readAsk(call));
  ask.after = call.query.get("marker").value_or("");
  const auto page = pageOf(rows, call, ask);
  XmlWriter xml("ListBucketResult");
  writeHead(xml, call, ask);
  xml.text("Marker", encodedFor(call, ask.after));
  xml.boolean("IsTruncated", page.truncated);
  // Without a delimiter the caller goes on from the last key.
  if (page.truncated && !ask.delimiter.empty()) xml.text("NextMarker", encodedFor(call, page.last));
  writeItems(xml, call, page, true);
  return xmlResponse(xml.finish());
}

Answer listObjectsV2(Rows& rows, const Call& call) {
  SP_CHECK_OK(requireBucket(rows, call.bucket));
  SP_TRY(auto ask, readAsk(call));
  const auto start_after = call.query.get("start-after");
  const auto token = call.query.get("continuation-token");
  const auto bound_to = fmt::format("s3.ListObjectsV2 {} {} {}", call.bucket, ask.prefix, ask.delimiter);
  if (token) {
    const auto position = aws::readPageToken(bound_to, *token);
    if (!position) return std::unexpected(invalidArgument("The continuation token provided is incorrect", "continuation-token", *token));
    ask.after = *position;
  } else if (start_after) {
    ask.after = *start_after;
  }
  const auto page = pageOf(rows, call, ask);
  XmlWriter xml("ListBucketResult");
  writeHead(xml, call, ask);
  if (token) xml.text("ContinuationToken", *token);
  if (start_after) xml.text("StartAfter", encodedFor(call, *start_after));
  xml.number("KeyCount", page.records.size() + page.common_prefixes.size());
  xml.boolean("IsTruncated", page.truncated);
  if (page.truncated) xml.text("NextContinuationToken", aws::makePageToken(bound_to, page.last));
  writeItems(xml, call, page, call.query.get("fetch-owner") == "true");
  return xmlResponse(xml.finish());
}

}  // namespace sp::services::s3
