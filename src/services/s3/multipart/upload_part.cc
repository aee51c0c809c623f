// https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html
#include <fmt/format.h>

#include "services/s3/data/receiver.h"
#include "services/s3/multipart/parts.h"
#include "services/s3/operations.h"

namespace sp::services::s3 {
namespace {

Answer writePart(Rows& rows, const Call& call, const Received& received, const std::string& blob) {
  SP_TRY(const auto upload, requireUpload(rows, call));
  SP_TRY(const auto number, partNumber(call));
  // An upload begun with an algorithm takes parts with that one only: the object's checksum is made of theirs.
  const bool fits = !upload.asked || (received.asked && received.checksum.kind == *upload.asked) ||
                    (!upload.composite && *upload.asked == ChecksumKind::crc64nvme && !received.asked);
  if (!fits)
    return aws::refuse("InvalidRequest",
                       fmt::format("Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                                   wordOf(*upload.asked), received.asked ? wordOf(received.checksum.kind) : "null"));
  Part part;
  part.number = number;
  part.size = received.size;
  part.etag = received.etag;
  part.modified = rows.txn().now();
  part.checksum = received.checksum;
  part.crc64nvme = received.crc64nvme;
  if (!blob.empty()) part.segments.push_back({blob, 0, received.size});
  rows.putPart(upload.id, part);
  Response response;
  response.headers.emplace_back("ETag", quoted(part.etag));
  response.headers.emplace_back(fmt::format("x-amz-checksum-{}", wordOf(part.checksum.kind)), part.checksum.value);
  return response;
}

}  // namespace

std::unique_ptr<Run> uploadPart(std::shared_ptr<Call> call) {
  if (const auto number = partNumber(*call); !number) return refusedRun(call, number.error());
  return receive(std::move(call), true, writePart);
}

}  // namespace sp::services::s3
