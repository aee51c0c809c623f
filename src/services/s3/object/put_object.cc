// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
#include "services/s3/data/receiver.h"
#include "services/s3/operations.h"

namespace sp::services::s3 {
namespace {

Answer writeRow(Rows& rows, const Call& call, const Received& received, const std::string& blob) {
  SP_CHECK_OK(requireBucket(rows, call.bucket));
  SP_CHECK_OK(checkWriteConditions(rows, call));
  Object object;
  SP_TRY(object.description, describe(call.request.headers));
  object.size = received.size;
  object.etag = received.etag;
  object.modified = rows.txn().now();
  object.checksum = received.checksum;
  object.blob = blob;
  rows.putObject(call.bucket, call.key, object);
  Response response;
  response.headers.emplace_back("ETag", quoted(object.etag));
  addChecksumHeaders(response.headers, object.checksum);
  return response;
}

}  // namespace

std::unique_ptr<Run> putObject(std::shared_ptr<Call> call) {
  // What the head alone decides is refused before the body travels.
  if (const auto description = describe(call->request.headers); !description) return refusedRun(call, description.error());
  return receive(std::move(call), false, writeRow);
}

}  // namespace sp::services::s3
