#include "services/s3/data/receiver.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "services/s3/service.h"

namespace sp::services::s3 {
namespace {

aws::ApiError tooLarge(std::uint64_t size) {
  aws::ApiError error{"EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400, true, {}};
  error.extra["ProposedSize"] = std::to_string(size);
  error.extra["MaxSizeAllowed"] = std::to_string(Receiver::kLargest);
  return error;
}

class RefusedRun final : public Run {
 public:
  explicit RefusedRun(Response response) : response_(std::move(response)) {}
  std::optional<Response> answerEarly() override { return response_; }
  std::optional<Response> body(std::string_view /*bytes*/) override { return std::nullopt; }
  void finish(const Headers& /*trailers*/, std::function<void(Response)> reply) override { reply(response_); }

 private:
  Response response_;
};

class ReceiveRun final : public Run {
 public:
  ReceiveRun(std::shared_ptr<Call> call, bool always_crc64, RowWriter rows)
      : call_(std::move(call)), rows_(rows), receiver_(call_->service.blobs().files(), always_crc64) {}

  std::optional<Response> answerEarly() override {
    if (auto refused = refuseUnservedHeaders(call_->request.headers); !refused) return respond(std::move(refused.error()));
    if (auto promised = receiver_.promise(call_->request); !promised) return respond(std::move(promised.error()));
    return std::nullopt;
  }

  std::optional<Response> body(std::string_view bytes) override {
    if (auto written = receiver_.write(bytes); !written) return respond(std::move(written.error()));
    return std::nullopt;
  }

  void finish(const Headers& trailers, std::function<void(Response)> reply) override {
    auto complete = receiver_.complete(trailers);
    if (!complete) return reply(respond(std::move(complete.error())));
    auto received = std::make_shared<Received>(std::move(*complete));
    if (!received->writer) return writeRows(call_, rows_, received, "", std::move(reply));
    call_->service.pool().post([call = call_, rows = rows_, received, reply = std::move(reply)]() mutable {
      auto blob = received->writer->commit();
      received->writer.reset();
      if (!blob) return reply(Service::finished(call->request, std::unexpected(internalFailure(blob.error()))));
      writeRows(call, rows, received, *blob, std::move(reply));
    });
  }

 private:
  Response respond(aws::ApiError error) const { return Service::finished(call_->request, std::unexpected(std::move(error))); }

  static void writeRows(const std::shared_ptr<Call>& call, RowWriter rows, const std::shared_ptr<Received>& received, std::string blob,
                        std::function<void(Response)> reply) {
    auto& service = call->service;
    service.runJob(
        call, [rows, received, blob](Rows& r, const Call& c) { return rows(r, c, *received, blob); }, std::move(reply),
        [&service, blob] {
          if (!blob.empty()) service.blobs().removeLater(blob);
        });
  }

  std::shared_ptr<Call> call_;
  RowWriter rows_;
  Receiver receiver_;
};

}  // namespace

std::expected<std::optional<std::string>, aws::ApiError> promisedMd5(const Headers& headers) {
  const auto header = findHeader(headers, "content-md5");
  if (!header) return std::nullopt;
  auto raw = fromBase64(trim(*header));
  if (!raw || raw->size() != 16) return aws::refuse("InvalidDigest", "The Content-MD5 you specified was invalid.");
  return raw;
}

aws::ApiError badMd5(std::string_view promised_raw, std::string_view computed_raw) {
  aws::ApiError error{"BadDigest", "The Content-MD5 you specified did not match what we received.", 400, true, {}};
  error.extra["ExpectedDigest"] = toHex(promised_raw);
  error.extra["CalculatedDigest"] = toBase64(computed_raw);
  return error;
}

aws::ApiError badPayloadHash(std::string_view promised_hex, std::string_view computed_hex) {
  aws::ApiError error{
      "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.", 400, true, {}};
  error.extra["ClientComputedContentSHA256"] = promised_hex;
  error.extra["S3ComputedContentSHA256"] = computed_hex;
  return error;
}

Receiver::Receiver(store::BlobStore& blobs, bool always_crc64) : blobs_(blobs), always_crc64_(always_crc64) {}

std::expected<void, aws::ApiError> Receiver::promise(const Request& request) {
  promised_size_ = request.content_length;
  if (promised_size_ && *promised_size_ > kLargest) return std::unexpected(tooLarge(*promised_size_));
  SP_TRY(promised_md5_, promisedMd5(request.headers));
  SP_TRY(asked_, askedChecksum(request.headers));
  if (!request.payload_sha256.empty()) {
    promised_sha256_ = request.payload_sha256;
    sha256_.emplace(HashKind::sha256);
  }
  if (asked_) checksum_.emplace(asked_->kind);
  if (!asked_ || (always_crc64_ && asked_->kind != ChecksumKind::crc64nvme)) crc64_.emplace(ChecksumKind::crc64nvme);
  return {};
}

std::expected<void, aws::ApiError> Receiver::write(std::string_view bytes) {
  if (bytes.empty()) return {};
  size_ += bytes.size();
  if (size_ > kLargest) return std::unexpected(tooLarge(size_));
  if (!writer_) {
    auto writer = blobs_.create();
    if (!writer) return std::unexpected(internalFailure(writer.error()));
    writer_ = std::move(*writer);
  }
  if (auto written = writer_->write(bytes); !written) return std::unexpected(internalFailure(written.error()));
  md5_.update(bytes);
  if (sha256_) sha256_->update(bytes);
  if (checksum_) checksum_->update(bytes);
  if (crc64_) crc64_->update(bytes);
  return {};
}

std::expected<Received, aws::ApiError> Receiver::complete(const Headers& trailers) {
  if (promised_size_ && *promised_size_ != size_)
    return aws::refuse("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header");
  if (sha256_) {
    const auto computed = toHex(sha256_->finish());
    if (!equalsIgnoreCase(computed, promised_sha256_)) return std::unexpected(badPayloadHash(promised_sha256_, computed));
  }
  Received received;
  const auto md5_raw = md5_.finish();
  const auto checksum_raw = checksum_ ? checksum_->finish() : std::string();
  if (auto checked = checkDigests(md5_raw, checksum_raw, trailers); !checked) return std::unexpected(std::move(checked.error()));
  if (crc64_) received.crc64nvme = toBase64(crc64_->finish());
  if (checksum_) {
    received.checksum = {checksum_->kind(), toBase64(checksum_raw), false};
    received.asked = true;
    if (checksum_->kind() == ChecksumKind::crc64nvme) received.crc64nvme = received.checksum.value;
  } else {
    received.checksum = {ChecksumKind::crc64nvme, received.crc64nvme, false};
  }
  received.writer = std::move(writer_);
  received.size = size_;
  received.etag = toHex(md5_raw);
  return received;
}

std::expected<void, aws::ApiError> Receiver::checkDigests(const std::string& md5_raw, const std::string& checksum_raw,
                                                          const Headers& trailers) {
  if (promised_md5_ && *promised_md5_ != md5_raw) return std::unexpected(badMd5(*promised_md5_, md5_raw));
  if (!asked_) return {};
  SP_TRY(const auto expected, expectedChecksum(*asked_, trailers));
  if (expected != checksum_raw) return std::unexpected(checksumMismatch(asked_->kind));
  return {};
}

std::unique_ptr<Run> receive(std::shared_ptr<Call> call, bool always_crc64, RowWriter rows) {
  return std::make_unique<ReceiveRun>(std::move(call), always_crc64, rows);
}

std::unique_ptr<Run> refusedRun(const std::shared_ptr<Call>& call, aws::ApiError error) {
  return std::make_unique<RefusedRun>(Service::finished(call->request, std::unexpected(std::move(error))));
}

}  // namespace sp::services::s3
