#include "services/s3/call.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "services/s3/service.h"
#include "services/s3/wire/conditions.h"

namespace sp::services::s3 {
namespace {

constexpr std::size_t kMetadataMax = 2048;
constexpr std::array<std::string_view, 6> kKeptHeaders = {"content-type",     "cache-control",    "content-disposition",
                                                          "content-encoding", "content-language", "expires"};
constexpr std::string_view kMetaPrefix = "x-amz-meta-";

std::unexpected<aws::ApiError> refuseWith(aws::ApiError error) { return std::unexpected(std::move(error)); }

// aws-chunked is how the body travelled, not what it is.
std::string withoutAwsChunked(std::string_view encoding) {
  std::vector<std::string> kept;
  for (const auto& part : split(encoding, ','))
    if (!equalsIgnoreCase(trim(part), "aws-chunked") && !trim(part).empty()) kept.emplace_back(trim(part));
  return join(kept, ",");
}

bool isVisibleAscii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= 0x20 && c < 0x7f) || c == '\t'; });
}

}  // namespace

std::optional<std::string_view> findHeader(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers)
    if (equalsIgnoreCase(key, name)) return std::string_view(value);
  return std::nullopt;
}

std::optional<Query> Query::parse(std::string_view raw) {
  Query query;
  if (raw.empty()) return query;
  for (const auto& pair : split(raw, '&')) {
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    auto name = percentDecode(pair.substr(0, equals), true);
    auto value = percentDecode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!name || !value) return std::nullopt;
    query.entries_.emplace_back(std::move(*name), std::move(*value));
  }
  return query;
}

std::optional<std::string_view> Query::get(std::string_view name) const {
  for (const auto& [key, value] : entries_)
    if (key == name) return std::string_view(value);
  return std::nullopt;
}

aws::ApiError noSuchBucket(std::string_view bucket) {
  aws::ApiError error{"NoSuchBucket", "The specified bucket does not exist", 404, true, {}};
  error.extra["BucketName"] = bucket;
  return error;
}

aws::ApiError noSuchKey(std::string_view key) {
  aws::ApiError error{"NoSuchKey", "The specified key does not exist.", 404, true, {}};
  error.extra["Key"] = key;
  return error;
}

aws::ApiError noSuchUpload(std::string_view upload_id) {
  aws::ApiError error{
      "NoSuchUpload",
      "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
      404,
      true,
      {}};
  error.extra["UploadId"] = upload_id;
  return error;
}

aws::ApiError notImplemented(std::string_view header) {
  aws::ApiError error{"NotImplemented", "A header you provided implies functionality that is not implemented", 501, true, {}};
  error.extra["Header"] = header;
  return error;
}

aws::ApiError malformedXml(std::string_view why) {
  return {"MalformedXML",
          fmt::format("The XML you provided was not well-formed or did not validate against our published schema ({})", why),
          400,
          true,
          {}};
}

aws::ApiError invalidArgument(std::string message, std::string_view name, std::string_view value) {
  aws::ApiError error{"InvalidArgument", std::move(message), 400, true, {}};
  error.extra["ArgumentName"] = name;
  error.extra["ArgumentValue"] = value;
  return error;
}

std::expected<void, aws::ApiError> requireBucket(Rows& rows, std::string_view bucket) {
  if (!rows.bucket(bucket)) return refuseWith(noSuchBucket(bucket));
  return {};
}

aws::ApiError internalFailure(const Error& error) {
  if (error.code == "blob.full" || error.code == "store.full")
    return {"InsufficientStorage",
            fmt::format("The disk that holds the data directory is full ({}). Nothing stored before is harmed; free some space and repeat "
                        "the request.",
                        error.message),
            507,
            false,
            {}};
  if (error.code == "core.stopped") return {"ServiceUnavailable", "The server is shutting down. Please try again.", 503, false, {}};
  log::error("an S3 request failed inside", {{"error", error.text()}});
  return {"InternalError", "We encountered an internal error. Please try again.", 500, false, {}};
}

std::expected<void, aws::ApiError> refuseUnservedHeaders(const Headers& headers) {
  constexpr std::array<std::string_view, 6> kPrefixes = {"x-amz-server-side-encryption",
                                                         "x-amz-copy-source-server-side-encryption",
                                                         "x-amz-object-lock-",
                                                         "x-amz-grant-",
                                                         "x-amz-website-redirect-location",
                                                         "x-amz-write-offset-bytes"};
  for (const auto& [name, value] : headers) {
    const auto lower = toLower(name);
    if (std::ranges::any_of(kPrefixes, [&](std::string_view prefix) { return lower.starts_with(prefix); }))
      return refuseWith(notImplemented(name));
    if (lower == "x-amz-tagging" && !value.empty()) return refuseWith(notImplemented(name));
    // The owner has all rights anyway: these say what holds already.
    if (lower == "x-amz-acl" && value != "private" && value != "bucket-owner-full-control" && value != "bucket-owner-read")
      return refuseWith(notImplemented(name));
    if (lower == "x-amz-storage-class" && value != "STANDARD")
      return aws::refuse("InvalidStorageClass", "The storage class you specified is not valid");
  }
  return {};
}

std::expected<Description, aws::ApiError> describe(const Headers& headers) {
  Description description;
  std::size_t meta_size = 0;
  for (const auto& [name, value] : headers) {
    const auto lower = toLower(name);
    if (std::ranges::find(kKeptHeaders, lower) != kKeptHeaders.end()) {
      auto kept = lower == "content-encoding" ? withoutAwsChunked(value) : value;
      if (!kept.empty()) description.headers[lower] = std::move(kept);
    } else if (lower.starts_with(kMetaPrefix)) {
      if (!isVisibleAscii(value))
        return refuseWith(invalidArgument("User metadata must be US-ASCII; encode other characters, for example as RFC 2047", name, value));
      auto& slot = description.metadata[lower.substr(kMetaPrefix.size())];
      slot = slot.empty() ? value : slot + "," + value;
    }
  }
  for (const auto& [name, value] : description.metadata) meta_size += name.size() + value.size();
  if (meta_size > kMetadataMax) {
    aws::ApiError error{"MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size.", 400, true, {}};
    error.extra["Size"] = std::to_string(meta_size);
    error.extra["MaxSizeAllowed"] = std::to_string(kMetadataMax);
    return refuseWith(std::move(error));
  }
  description.headers.try_emplace("content-type", "binary/octet-stream");
  return description;
}

std::expected<void, aws::ApiError> checkWriteConditions(Rows& rows, const Call& call) {
  const auto none_match = call.header("if-none-match");
  const auto match = call.header("if-match");
  if (none_match && trim(*none_match) != "*") return refuseWith(notImplemented("If-None-Match"));
  if (!none_match && !match) return {};
  const auto object = rows.object(call.bucket, call.key);
  if (none_match && object) return refuseWith(preconditionFailed("If-None-Match"));
  if (match && !object) return refuseWith(noSuchKey(call.key));
  if (match && !matchesEtag(*match, object->etag)) return refuseWith(preconditionFailed("If-Match"));
  return {};
}

std::expected<void, aws::ApiError> checkVersion(const Call& call) {
  const auto version = call.query.get("versionId");
  if (!version || *version == "null") return {};
  return refuseWith(invalidArgument("Invalid version id specified", "versionId", *version));
}

std::expected<std::size_t, aws::ApiError> numberIn(const Call& call, std::string_view name, std::size_t otherwise, std::size_t least,
                                                   std::size_t most) {
  const auto text = call.query.get(name);
  if (!text || text->empty()) return otherwise;
  const auto number = parseInt(*text);
  if (!number || *number < static_cast<std::int64_t>(least) || *number > INT32_MAX)
    return refuseWith(
        invalidArgument(fmt::format("Argument {} must be an integer between {} and {}", name, least, INT32_MAX), name, *text));
  return std::min(most, static_cast<std::size_t>(*number));
}

Response xmlResponse(std::string document, int status) {
  Response response;
  response.status = status;
  response.headers.emplace_back("Content-Type", "application/xml");
  response.body = std::move(document);
  return response;
}

std::string quoted(std::string_view etag) { return fmt::format("\"{}\"", etag); }

void addChecksumHeaders(Headers& headers, const Checksum& checksum) {
  if (checksum.value.empty()) return;
  headers.emplace_back(fmt::format("x-amz-checksum-{}", wordOf(checksum.kind)), checksum.value);
  headers.emplace_back("x-amz-checksum-type", checksum.composite ? "COMPOSITE" : "FULL_OBJECT");
}

std::string ownerId(const Call& call) { return sha256Hex(call.service.context().realm.account); }

std::string encodedFor(const Call& call, std::string_view text) {
  return call.query.get("encoding-type") ? percentEncode(text, true) : std::string(text);
}

std::expected<void, aws::ApiError> checkEncodingType(const Call& call) {
  const auto type = call.query.get("encoding-type");
  if (!type || *type == "url") return {};
  return refuseWith(invalidArgument("Invalid Encoding Method specified in Request", "encoding-type", *type));
}

}  // namespace sp::services::s3
