#include "services/s3/multipart/parts.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "base/strings.h"

namespace sp::services::s3 {

std::expected<int, aws::ApiError> partNumber(const Call& call) {
  const auto text = call.query.get("partNumber").value_or("");
  const auto number = parseInt(text);
  if (!number || *number < 1 || *number > static_cast<std::int64_t>(kPartNumberMax))
    return std::unexpected(invalidArgument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", text));
  return static_cast<int>(*number);
}

std::expected<Upload, aws::ApiError> requireUpload(Rows& rows, const Call& call) {
  SP_CHECK_OK(requireBucket(rows, call.bucket));
  const auto id = call.query.get("uploadId").value_or("");
  auto upload = rows.upload(call.bucket, call.key, id);
  if (!upload) return std::unexpected(noSuchUpload(id));
  return std::move(*upload);
}

Checksum checksumOfParts(const Upload& upload, const std::vector<Part>& parts) {
  const auto kind = upload.asked.value_or(ChecksumKind::crc64nvme);
  const auto rawOf = [&](const Part& part) { return fromBase64(upload.asked ? part.checksum.value : part.crc64nvme).value_or(""); };
  if (upload.composite) {
    RunningChecksum running(kind);
    for (const auto& part : parts) running.update(rawOf(part));
    return {kind, fmt::format("{}-{}", toBase64(running.finish()), parts.size()), true};
  }
  std::string whole = rawOf(parts.front());
  for (std::size_t i = 1; i < parts.size(); ++i) whole = combineCrc(kind, whole, rawOf(parts[i]), parts[i].size);
  return {kind, toBase64(whole), false};
}

}  // namespace sp::services::s3
