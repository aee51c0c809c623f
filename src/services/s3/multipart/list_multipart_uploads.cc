// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
#include "base/time_format.h"
#include "services/s3/operations.h"
#include "services/s3/service.h"
#include "services/s3/wire/listing.h"
#include "services/s3/wire/xml.h"

namespace sp::services::s3 {
namespace {

// Uploads are listed like keys that are followed by NUL and the upload's id: ordered by key, then by when they began.
ListPage pageOf(Rows& rows, const Call& call, const ListAsk& ask) {
  const auto bucket = call.bucket + "/";
  return listPage(ask, [&](std::string_view from, std::size_t limit) {
    // Records strictly after `from` are those at or after it: no record ends where a key does.
    const auto after = from.empty() ? std::string() : bucket + std::string(from);
    auto records = rows.txn().records().scan(kUploadKind, bucket + ask.prefix, after, limit);
    for (auto& record : records) record.key.erase(0, bucket.size());
    return records;
  });
}

// "key NUL id" or a common prefix, as the two markers.
std::pair<std::string, std::string> markersOf(const std::string& item) {
  const auto nul = item.find('\0');
  if (nul == std::string::npos) return {item, ""};
  return {item.substr(0, nul), item.substr(nul + 1)};
}

}  // namespace

Answer listMultipartUploads(Rows& rows, const Call& call) {
  constexpr std::size_t kMost = 1000;
  SP_CHECK_OK(checkEncodingType(call));
  SP_CHECK_OK(requireBucket(rows, call.bucket));
  ListAsk ask;
  SP_TRY(ask.limit, numberIn(call, "max-uploads", kMost, 1, kMost));
  ask.prefix = call.query.get("prefix").value_or("");
  ask.delimiter = call.query.get("delimiter").value_or("");
  const std::string key_marker(call.query.get("key-marker").value_or(""));
  const std::string id_marker(call.query.get("upload-id-marker").value_or(""));
  if (!key_marker.empty()) {
    ask.after = key_marker;
    ask.after += '\0';
    // Without an id all uploads of the marker's key are past.
    ask.after += id_marker.empty() ? "\xff" : id_marker;
  }
  const auto page = pageOf(rows, call, ask);
  XmlWriter xml("ListMultipartUploadsResult");
  xml.text("Bucket", call.bucket).text("KeyMarker", encodedFor(call, key_marker)).text("UploadIdMarker", id_marker);
  if (page.truncated) {
    const auto [next_key, next_id] = markersOf(page.last);
    xml.text("NextKeyMarker", encodedFor(call, next_key)).text("NextUploadIdMarker", next_id);
  }
  xml.text("Prefix", encodedFor(call, ask.prefix));
  if (!ask.delimiter.empty()) xml.text("Delimiter", encodedFor(call, ask.delimiter));
  xml.number("MaxUploads", ask.limit).boolean("IsTruncated", page.truncated);
  if (const auto encoding = call.query.get("encoding-type")) xml.text("EncodingType", *encoding);
  const auto& account = call.service.context().realm.account;
  for (const auto& record : page.records) {
    const auto upload = decodeUpload(record.body);
    xml.open("Upload").text("Key", encodedFor(call, upload.key)).text("UploadId", upload.id);
    xml.open("Initiator").text("ID", ownerId(call)).text("DisplayName", account).close();
    xml.open("Owner").text("ID", ownerId(call)).text("DisplayName", account).close();
    xml.text("StorageClass", "STANDARD");
    xml.text("Initiated", toIso8601Millis(std::chrono::floor<std::chrono::seconds>(upload.initiated)));
    if (upload.asked) xml.text("ChecksumAlgorithm", algorithmOf(*upload.asked));
    xml.close();
  }
  for (const auto& prefix : page.common_prefixes) xml.open("CommonPrefixes").text("Prefix", encodedFor(call, prefix)).close();
  return xmlResponse(xml.finish());
}

}  // namespace sp::services::s3
