// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html
#include <fmt/format.h>

#include "services/s3/object/copy_source.h"
#include "services/s3/operations.h"
#include "services/s3/service.h"
#include "services/s3/wire/xml.h"

namespace sp::services::s3 {
namespace {

bool isCrc(ChecksumKind kind) { return kind != ChecksumKind::sha1 && kind != ChecksumKind::sha256; }

// Which checksum the object will have: CRC64NVME always of the whole, SHA always of the parts, the other CRCs as asked.
std::expected<void, aws::ApiError> chooseChecksum(const Call& call, Upload& upload) {
  SP_TRY(upload.asked, askedAlgorithm(call));
  const auto type = call.header("x-amz-checksum-type");
  if (type && *type != "COMPOSITE" && *type != "FULL_OBJECT")
    return aws::refuse("InvalidRequest", "Value for x-amz-checksum-type header is invalid.");
  if (!upload.asked) {
    if (type)
      return aws::refuse("InvalidRequest", "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.");
    return {};
  }
  upload.composite = type ? *type == "COMPOSITE" : *upload.asked != ChecksumKind::crc64nvme;
  const bool possible = upload.composite ? *upload.asked != ChecksumKind::crc64nvme : isCrc(*upload.asked);
  if (possible) return {};
  return aws::refuse("InvalidRequest", fmt::format("The {} checksum type cannot be used with the {} checksum algorithm.",
                                                   upload.composite ? "COMPOSITE" : "FULL_OBJECT", algorithmOf(*upload.asked)));
}

}  // namespace

Answer createMultipartUpload(Rows& rows, const Call& call) {
  SP_CHECK_OK(refuseUnservedHeaders(call.request.headers));
  SP_CHECK_OK(requireBucket(rows, call.bucket));
  Upload upload;
  upload.bucket = call.bucket;
  upload.key = call.key;
  upload.initiated = rows.txn().now();
  // Ids of one key are listed in the order the uploads began.
  upload.id = fmt::format("{:016x}{}", toMicros(upload.initiated), call.service.context().random.hex(32));
  SP_TRY(upload.description, describe(call.request.headers));
  SP_CHECK_OK(chooseChecksum(call, upload));
  rows.putUpload(upload);
  XmlWriter xml("InitiateMultipartUploadResult");
  auto response = xmlResponse(xml.text("Bucket", call.bucket).text("Key", call.key).text("UploadId", upload.id).finish());
  if (upload.asked) {
    response.headers.emplace_back("x-amz-checksum-algorithm", algorithmOf(*upload.asked));
    response.headers.emplace_back("x-amz-checksum-type", upload.composite ? "COMPOSITE" : "FULL_OBJECT");
  }
  return response;
}

}  // namespace sp::services::s3
