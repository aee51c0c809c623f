// A copy shares the source's blobs: no byte is written. Where its ETag or checksum cannot be the source's (a multipart
// source, another algorithm), the bytes are read through once on the pool.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
#include <fmt/format.h>

#include "base/time_format.h"
#include "services/s3/data/receiver.h"
#include "services/s3/object/copy_source.h"
#include "services/s3/operations.h"
#include "services/s3/service.h"
#include "services/s3/wire/xml.h"

namespace sp::services::s3 {
namespace {

constexpr std::uint64_t kLargestSource = 5ULL << 30U;

// What the first look finds out: enough to answer, or what has to be read first.
struct Look {
  Object source;
  std::shared_ptr<ObjectReader> reader;
};

struct Plan {
  std::shared_ptr<Call> call;
  CopySource source;
  bool replace = false;
  Description description;
  std::optional<ChecksumKind> algorithm;
  std::function<void(Response)> reply;
  int attempts = 0;
  Look look;
};

Answer writeCopy(Rows& rows, const Call& call, const Plan& plan, const Object& source, const Digests* digests) {
  SP_CHECK_OK(checkWriteConditions(rows, call));
  Object object = source;
  auto parts = source.manifest.empty() ? std::vector<Part>() : rows.partsOf(source);
  object.modified = rows.txn().now();
  object.parts = 0;
  if (!object.manifest.empty()) object.manifest = call.service.context().random.hex(32);
  if (plan.replace) object.description = plan.description;
  if (digests != nullptr) {
    object.etag = digests->md5_hex;
    object.checksum =
        plan.algorithm ? Checksum{*plan.algorithm, digests->asked, false} : Checksum{ChecksumKind::crc64nvme, digests->crc64nvme, false};
  }
  rows.putObject(call.bucket, call.key, object, parts);
  XmlWriter xml("CopyObjectResult");
  xml.text("LastModified", toIso8601Millis(std::chrono::floor<std::chrono::seconds>(object.modified)));
  xml.text("ETag", quoted(object.etag)).text(elementOf(object.checksum.kind), object.checksum.value).text("ChecksumType", "FULL_OBJECT");
  return xmlResponse(xml.finish());
}

bool isSame(const Object& a, const Object& b) { return a.blob == b.blob && a.manifest == b.manifest && a.modified == b.modified; }

void copyNow(const std::shared_ptr<Plan>& plan);

// On the pool: the digests of what the look found, then the row if it is still there.
void readThenWrite(const std::shared_ptr<Plan>& plan) {
  auto digests = readThrough(*plan->look.reader, plan->algorithm);
  plan->look.reader.reset();
  if (!digests) return plan->reply(Service::finished(plan->call->request, std::unexpected(internalFailure(digests.error()))));
  auto changed = std::make_shared<bool>(false);
  plan->call->service.runJob(
      plan->call,
      [plan, changed, digests = std::move(*digests)](Rows& rows, const Call& call) -> Answer {
        SP_CHECK_OK(requireBucket(rows, call.bucket));
        SP_TRY(const auto source, sourceObject(rows, call, plan->source));
        if (!isSame(source, plan->look.source)) {
          *changed = true;
          return std::unexpected(sourceKeepsChanging());
        }
        return writeCopy(rows, call, *plan, source, &digests);
      },
      [plan, changed](Response response) {
        if (*changed && ++plan->attempts < kCopyAttempts) copyNow(plan);
        else plan->reply(std::move(response));
      });
}

void copyNow(const std::shared_ptr<Plan>& plan) {
  plan->call->service.runJob(
      plan->call,
      [plan](Rows& rows, const Call& call) -> Answer {
        SP_CHECK_OK(requireBucket(rows, call.bucket));
        SP_TRY(auto source, sourceObject(rows, call, plan->source));
        if (source.size > kLargestSource)
          return aws::refuse("InvalidRequest", fmt::format("The specified copy source is larger than the maximum allowable size for a copy "
                                                           "source: {}",
                                                           kLargestSource));
        const bool keeps_digests = source.parts == 0 && (!plan->algorithm || *plan->algorithm == source.checksum.kind);
        if (keeps_digests) return writeCopy(rows, call, *plan, source, nullptr);
        plan->look.reader = rows.blobs().reader(rows.segmentsOf(source, 0, source.size));
        plan->look.source = std::move(source);
        return Response{.status = Service::kLooked, .headers = {}, .body = {}, .source = nullptr, .head_length = {}};
      },
      [plan](Response response) {
        if (plan->look.reader == nullptr) return plan->reply(std::move(response));
        plan->call->service.pool().post([plan] { readThenWrite(plan); });
      });
}

class CopyRun final : public Run {
 public:
  explicit CopyRun(std::shared_ptr<Plan> plan) : plan_(std::move(plan)) {}
  std::optional<Response> answerEarly() override { return std::nullopt; }
  std::optional<Response> body(std::string_view /*bytes*/) override { return std::nullopt; }
  void finish(const Headers& /*trailers*/, std::function<void(Response)> reply) override {
    plan_->reply = std::move(reply);
    copyNow(plan_);
  }

 private:
  std::shared_ptr<Plan> plan_;
};

std::expected<bool, aws::ApiError> isReplace(const Call& call, std::string_view header, std::string_view what) {
  const auto directive = call.header(header).value_or("COPY");
  if (directive != "COPY" && directive != "REPLACE")
    return std::unexpected(invalidArgument(fmt::format("Unknown {} directive.", what), header, directive));
  return directive == "REPLACE";
}

std::expected<std::shared_ptr<Plan>, aws::ApiError> makePlan(const std::shared_ptr<Call>& call) {
  SP_CHECK_OK(refuseUnservedHeaders(call->request.headers));
  auto plan = std::make_shared<Plan>();
  plan->call = call;
  SP_TRY(plan->source, copySource(*call));
  SP_TRY(plan->replace, isReplace(*call, "x-amz-metadata-directive", "metadata"));
  SP_TRY(const auto tags, isReplace(*call, "x-amz-tagging-directive", "tagging"));
  SP_TRY(plan->description, describe(call->request.headers));
  SP_TRY(plan->algorithm, askedAlgorithm(*call));
  const bool onto_itself = plan->source.bucket == call->bucket && plan->source.key == call->key;
  if (onto_itself && !plan->replace && !tags && !plan->algorithm)
    return aws::refuse("InvalidRequest",
                       "This copy request is illegal because it is trying to copy an object to itself without changing the "
                       "object's metadata, storage class, website redirect location or encryption attributes.");
  return plan;
}

}  // namespace

std::unique_ptr<Run> copyObject(std::shared_ptr<Call> call) {
  auto plan = makePlan(call);
  if (!plan) return refusedRun(call, std::move(plan.error()));
  return std::make_unique<CopyRun>(std::move(*plan));
}

}  // namespace sp::services::s3
