#include "services/s3/object/copy_source.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "base/strings.h"
#include "services/s3/wire/conditions.h"

namespace sp::services::s3 {
namespace {
constexpr std::size_t kPiece = 256UL << 10U;
}

std::expected<CopySource, aws::ApiError> copySource(const Call& call) {
  const std::string_view header = *call.header("x-amz-copy-source");
  auto path = header;
  if (const auto question = path.find("?versionId="); question != std::string_view::npos) {
    const auto version = path.substr(question + std::string_view("?versionId=").size());
    if (version != "null") return std::unexpected(invalidArgument("Invalid version id specified", "x-amz-copy-source", header));
    path = path.substr(0, question);
  }
  const auto decoded = percentDecode(path);
  std::string_view text = decoded ? std::string_view(*decoded) : std::string_view();
  if (text.starts_with('/')) text.remove_prefix(1);
  const auto slash = text.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == text.size() || !isUtf8(text))
    return std::unexpected(
        invalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey", "x-amz-copy-source", header));
  return CopySource{std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
}

std::expected<Object, aws::ApiError> sourceObject(Rows& rows, const Call& call, const CopySource& source) {
  SP_CHECK_OK(requireBucket(rows, source.bucket));
  auto object = rows.object(source.bucket, source.key);
  if (!object) return std::unexpected(noSuchKey(source.key));
  const auto judged = judge(Conditions::of(call.request.headers, "x-amz-copy-source-"), object->etag, object->modified);
  if (judged.verdict != Verdict::go) return std::unexpected(preconditionFailed(fmt::format("x-amz-copy-source-{}", judged.condition)));
  return std::move(*object);
}

Result<Digests> readThrough(ObjectReader& reader, std::optional<ChecksumKind> asked) {
  Hasher md5(HashKind::md5);
  RunningChecksum crc64(ChecksumKind::crc64nvme);
  std::optional<RunningChecksum> other;
  if (asked) other.emplace(*asked);
  while (true) {
    SP_TRY(const auto bytes, reader.read(kPiece));
    if (bytes.empty()) break;
    md5.update(bytes);
    crc64.update(bytes);
    if (other) other->update(bytes);
  }
  return Digests{toHex(md5.finish()), other ? toBase64(other->finish()) : "", toBase64(crc64.finish())};
}

std::expected<std::optional<ChecksumKind>, aws::ApiError> askedAlgorithm(const Call& call) {
  const auto header = call.header("x-amz-checksum-algorithm");
  if (!header) return std::nullopt;
  const auto kind = checksumKind(*header);
  if (!kind)
    return aws::refuse("InvalidRequest",
                       "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
                       "[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
  return kind;
}

aws::ApiError sourceKeepsChanging() {
  return {"OperationAborted",
          "A conflicting conditional operation is currently in progress against this resource. Please try again.",
          409,
          true,
          {}};
}

}  // namespace sp::services::s3
