// A part that is a range of an object shares its blobs; the bytes are read through once for its ETag.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
#include <fmt/format.h>

#include "base/time_format.h"
#include "services/s3/data/receiver.h"
#include "services/s3/multipart/parts.h"
#include "services/s3/object/copy_source.h"
#include "services/s3/operations.h"
#include "services/s3/service.h"
#include "services/s3/wire/conditions.h"
#include "services/s3/wire/xml.h"

namespace sp::services::s3 {
namespace {

constexpr std::uint64_t kLargestPart = 5ULL << 30U;

struct Plan {
  std::shared_ptr<Call> call;
  CopySource source;
  int number = 0;
  std::function<void(Response)> reply;
  int attempts = 0;
  // What the first look found.
  Upload upload;
  Object object;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::shared_ptr<ObjectReader> reader;
};

void look(const std::shared_ptr<Plan>& plan);

// "bytes=first-last", both given and inside the source.
std::expected<void, aws::ApiError> chooseRange(const Call& call, Plan& plan) {
  plan.offset = 0;
  plan.size = plan.object.size;
  if (const auto header = call.header("x-amz-copy-source-range")) {
    const auto range = parseRange(*header, plan.object.size);
    const auto* bytes = std::get_if<ByteRange>(&range);
    const bool whole = bytes != nullptr && *header == fmt::format("bytes={}-{}", bytes->first, bytes->last);
    if (!whole)
      return std::unexpected(invalidArgument(
          fmt::format("The x-amz-copy-source-range value must be of the form bytes=first-last inside the source of {} bytes",
                      plan.object.size),
          "x-amz-copy-source-range", *header));
    plan.offset = bytes->first;
    plan.size = bytes->last - bytes->first + 1;
  }
  if (plan.size > kLargestPart)
    return aws::refuse(
        "InvalidRequest",
        fmt::format("The specified copy source is larger than the maximum allowable size for a copy source: {}", kLargestPart));
  return {};
}

Answer writePart(Rows& rows, const Plan& plan, const Digests& digests) {
  Part part;
  part.number = plan.number;
  part.size = plan.size;
  part.etag = digests.md5_hex;
  part.modified = rows.txn().now();
  part.crc64nvme = digests.crc64nvme;
  part.checksum =
      plan.upload.asked ? Checksum{*plan.upload.asked, digests.asked, false} : Checksum{ChecksumKind::crc64nvme, digests.crc64nvme, false};
  if (plan.size > 0) part.segments = rows.segmentsOf(plan.object, plan.offset, plan.size);
  rows.putPart(plan.upload.id, part);
  XmlWriter xml("CopyPartResult");
  xml.text("LastModified", toIso8601Millis(std::chrono::floor<std::chrono::seconds>(part.modified))).text("ETag", quoted(part.etag));
  return xmlResponse(xml.text(elementOf(part.checksum.kind), part.checksum.value).finish());
}

void readThenWrite(const std::shared_ptr<Plan>& plan) {
  auto digests = readThrough(*plan->reader, plan->upload.asked);
  plan->reader.reset();
  if (!digests) return plan->reply(Service::finished(plan->call->request, std::unexpected(internalFailure(digests.error()))));
  auto changed = std::make_shared<bool>(false);
  plan->call->service.runJob(
      plan->call,
      [plan, changed, digests = std::move(*digests)](Rows& rows, const Call& call) -> Answer {
        SP_TRY(plan->upload, requireUpload(rows, call));
        SP_TRY(const auto now, sourceObject(rows, call, plan->source));
        *changed = now.blob != plan->object.blob || now.manifest != plan->object.manifest;
        if (*changed) return std::unexpected(sourceKeepsChanging());
        return writePart(rows, *plan, digests);
      },
      [plan, changed](Response response) {
        if (*changed && ++plan->attempts < kCopyAttempts) look(plan);
        else plan->reply(std::move(response));
      });
}

void look(const std::shared_ptr<Plan>& plan) {
  plan->call->service.runJob(
      plan->call,
      [plan](Rows& rows, const Call& call) -> Answer {
        SP_TRY(plan->upload, requireUpload(rows, call));
        SP_TRY(plan->object, sourceObject(rows, call, plan->source));
        SP_CHECK_OK(chooseRange(call, *plan));
        plan->reader = rows.blobs().reader(rows.segmentsOf(plan->object, plan->offset, plan->size));
        return Response{.status = Service::kLooked, .headers = {}, .body = {}, .source = nullptr, .head_length = {}};
      },
      [plan](Response response) {
        if (plan->reader == nullptr) return plan->reply(std::move(response));
        plan->call->service.pool().post([plan] { readThenWrite(plan); });
      });
}

class PartCopyRun final : public Run {
 public:
  explicit PartCopyRun(std::shared_ptr<Plan> plan) : plan_(std::move(plan)) {}
  std::optional<Response> answerEarly() override { return std::nullopt; }
  std::optional<Response> body(std::string_view /*bytes*/) override { return std::nullopt; }
  void finish(const Headers& /*trailers*/, std::function<void(Response)> reply) override {
    plan_->reply = std::move(reply);
    look(plan_);
  }

 private:
  std::shared_ptr<Plan> plan_;
};

std::expected<std::shared_ptr<Plan>, aws::ApiError> makePlan(const std::shared_ptr<Call>& call) {
  SP_CHECK_OK(refuseUnservedHeaders(call->request.headers));
  auto plan = std::make_shared<Plan>();
  plan->call = call;
  SP_TRY(plan->source, copySource(*call));
  SP_TRY(plan->number, partNumber(*call));
  return plan;
}

}  // namespace

std::unique_ptr<Run> uploadPartCopy(std::shared_ptr<Call> call) {
  auto plan = makePlan(call);
  if (!plan) return refusedRun(call, std::move(plan.error()));
  return std::make_unique<PartCopyRun>(std::move(*plan));
}

}  // namespace sp::services::s3
