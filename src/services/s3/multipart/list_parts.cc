// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
#include "base/time_format.h"
#include "services/s3/multipart/parts.h"
#include "services/s3/operations.h"
#include "services/s3/service.h"
#include "services/s3/wire/xml.h"

namespace sp::services::s3 {

Answer listParts(Rows& rows, const Call& call) {
  constexpr std::size_t kMost = 1000;
  SP_CHECK_OK(checkEncodingType(call));
  SP_TRY(const auto upload, requireUpload(rows, call));
  SP_TRY(const auto limit, numberIn(call, "max-parts", kMost, 0, kMost));
  SP_TRY(const auto marker, numberIn(call, "part-number-marker", 0, 0, kPartNumberMax));
  auto parts = rows.parts(upload.id, static_cast<int>(marker), limit + 1);
  const bool truncated = limit > 0 && parts.size() > limit;
  if (parts.size() > limit) parts.pop_back();
  const auto& account = call.service.context().realm.account;
  XmlWriter xml("ListPartsResult");
  xml.text("Bucket", call.bucket).text("Key", encodedFor(call, call.key)).text("UploadId", upload.id);
  xml.open("Initiator").text("ID", ownerId(call)).text("DisplayName", account).close();
  xml.open("Owner").text("ID", ownerId(call)).text("DisplayName", account).close();
  xml.text("StorageClass", "STANDARD").number("PartNumberMarker", marker);
  if (truncated) xml.number("NextPartNumberMarker", static_cast<std::uint64_t>(parts.back().number));
  xml.number("MaxParts", limit).boolean("IsTruncated", truncated);
  if (upload.asked) {
    xml.text("ChecksumAlgorithm", algorithmOf(*upload.asked));
    xml.text("ChecksumType", upload.composite ? "COMPOSITE" : "FULL_OBJECT");
  }
  for (const auto& part : parts) {
    xml.open("Part").number("PartNumber", static_cast<std::uint64_t>(part.number));
    xml.text("LastModified", toIso8601Millis(std::chrono::floor<std::chrono::seconds>(part.modified)));
    xml.text("ETag", quoted(part.etag)).number("Size", part.size);
    xml.text(elementOf(part.checksum.kind), part.checksum.value).close();
  }
  return xmlResponse(xml.finish());
}

}  // namespace sp::services::s3
