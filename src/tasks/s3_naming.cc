#include "tasks/s3_naming.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "json/big_integer.h"
#include "services/s3/wire/xml.h"

namespace sp::tasks {
namespace {

namespace s3 = services::s3;

// Operations that share members.
enum Group : std::uint32_t {
  kBuckets = 1U << 0U,
  kMake = 1U << 1U,
  kBucket = 1U << 2U,
  kList1 = 1U << 3U,
  kList2 = 1U << 4U,
  kUploads = 1U << 5U,
  kDeletes = 1U << 6U,
  kPut = 1U << 7U,
  kCopy = 1U << 8U,
  kGet = 1U << 9U,
  kHead = 1U << 10U,
  kDelete = 1U << 11U,
  kAbout = 1U << 12U,
  kCreate = 1U << 13U,
  kPart = 1U << 14U,
  kPartCopy = 1U << 15U,
  kComplete = 1U << 16U,
  kAbort = 1U << 17U,
  kParts = 1U << 18U,
};
constexpr std::uint32_t kNewObject = kPut | kCopy | kCreate;
constexpr std::uint32_t kOfUpload = kPart | kPartCopy | kComplete | kAbort | kParts;
constexpr std::uint32_t kOfObject = kPut | kCopy | kGet | kHead | kDelete | kAbout | kCreate | kOfUpload;
constexpr std::uint32_t kOfBucket = kMake | kBucket | kList1 | kList2 | kUploads | kDeletes | kOfObject;
constexpr std::uint32_t kReads = kGet | kHead;
constexpr std::uint32_t kStreams = kPut | kCopy | kGet | kPart | kPartCopy;
constexpr std::uint32_t kEncrypts = kNewObject | kReads | kPart | kPartCopy | kParts | kComplete;

struct Operation {
  std::string_view name;
  std::string_view method;
  Group group;
  /// What chooses it in the query.
  std::string_view query = "";
};
constexpr std::array kOperations = {Operation{"AbortMultipartUpload", "DELETE", kAbort},
                                    Operation{"CompleteMultipartUpload", "POST", kComplete},
                                    Operation{"CopyObject", "PUT", kCopy},
                                    Operation{"CreateBucket", "PUT", kMake},
                                    Operation{"CreateMultipartUpload", "POST", kCreate, "uploads"},
                                    Operation{"DeleteBucket", "DELETE", kBucket},
                                    Operation{"DeleteObject", "DELETE", kDelete},
                                    Operation{"DeleteObjects", "POST", kDeletes, "delete"},
                                    Operation{"GetBucketAccelerateConfiguration", "GET", kBucket, "accelerate"},
                                    Operation{"GetBucketAcl", "GET", kBucket, "acl"},
                                    Operation{"GetBucketCors", "GET", kBucket, "cors"},
                                    Operation{"GetBucketEncryption", "GET", kBucket, "encryption"},
                                    Operation{"GetBucketLifecycleConfiguration", "GET", kBucket, "lifecycle"},
                                    Operation{"GetBucketLocation", "GET", kBucket, "location"},
                                    Operation{"GetBucketLogging", "GET", kBucket, "logging"},
                                    Operation{"GetBucketNotificationConfiguration", "GET", kBucket, "notification"},
                                    Operation{"GetBucketOwnershipControls", "GET", kBucket, "ownershipControls"},
                                    Operation{"GetBucketPolicy", "GET", kBucket, "policy"},
                                    Operation{"GetBucketPolicyStatus", "GET", kBucket, "policyStatus"},
                                    Operation{"GetBucketReplication", "GET", kBucket, "replication"},
                                    Operation{"GetBucketRequestPayment", "GET", kBucket, "requestPayment"},
                                    Operation{"GetBucketTagging", "GET", kBucket, "tagging"},
                                    Operation{"GetBucketVersioning", "GET", kBucket, "versioning"},
                                    Operation{"GetBucketWebsite", "GET", kBucket, "website"},
                                    Operation{"GetObject", "GET", kGet},
                                    Operation{"GetObjectAcl", "GET", kAbout, "acl"},
                                    Operation{"GetObjectLockConfiguration", "GET", kBucket, "object-lock"},
                                    Operation{"GetObjectTagging", "GET", kAbout, "tagging"},
                                    Operation{"GetPublicAccessBlock", "GET", kBucket, "publicAccessBlock"},
                                    Operation{"HeadBucket", "HEAD", kBucket},
                                    Operation{"HeadObject", "HEAD", kHead},
                                    Operation{"ListBuckets", "GET", kBuckets},
                                    Operation{"ListMultipartUploads", "GET", kUploads, "uploads"},
                                    Operation{"ListObjects", "GET", kList1},
                                    Operation{"ListObjectsV2", "GET", kList2, "list-type=2"},
                                    Operation{"ListParts", "GET", kParts},
                                    Operation{"PutObject", "PUT", kPut},
                                    Operation{"UploadPart", "PUT", kPart},
                                    Operation{"UploadPartCopy", "PUT", kPartCopy}};

// Where a member travels.
enum class Where { path, query, header, time, metadata, body };
struct Member {
  std::string_view name;
  Where where;
  std::string_view wire;
  std::uint32_t groups;
  /// Of these groups it is required.
  std::uint32_t required = 0;
};
constexpr std::array kMembers = {
    Member{"Bucket", Where::path, "", kOfBucket, kOfBucket},
    Member{"Key", Where::path, "", kOfObject, kOfObject},
    Member{"Body", Where::body, "", kPut | kPart},
    Member{"CreateBucketConfiguration", Where::body, "", kMake},
    Member{"Delete", Where::body, "", kDeletes, kDeletes},
    Member{"MultipartUpload", Where::body, "", kComplete},
    Member{"Metadata", Where::metadata, "x-amz-meta-", kNewObject},
    Member{"BucketRegion", Where::query, "bucket-region", kBuckets},
    Member{"ContinuationToken", Where::query, "continuation-token", kBuckets | kList2},
    Member{"Delimiter", Where::query, "delimiter", kUploads | kList1 | kList2},
    Member{"EncodingType", Where::query, "encoding-type", kUploads | kList1 | kList2},
    Member{"FetchOwner", Where::query, "fetch-owner", kList2},
    Member{"KeyMarker", Where::query, "key-marker", kUploads},
    Member{"Marker", Where::query, "marker", kList1},
    Member{"MaxBuckets", Where::query, "max-buckets", kBuckets},
    Member{"MaxKeys", Where::query, "max-keys", kList1 | kList2},
    Member{"MaxParts", Where::query, "max-parts", kParts},
    Member{"MaxUploads", Where::query, "max-uploads", kUploads},
    Member{"PartNumber", Where::query, "partNumber", kReads | kPart | kPartCopy, kPart | kPartCopy},
    Member{"PartNumberMarker", Where::query, "part-number-marker", kParts},
    Member{"Prefix", Where::query, "prefix", kBuckets | kUploads | kList1 | kList2},
    Member{"ResponseCacheControl", Where::query, "response-cache-control", kReads},
    Member{"ResponseContentDisposition", Where::query, "response-content-disposition", kReads},
    Member{"ResponseContentEncoding", Where::query, "response-content-encoding", kReads},
    Member{"ResponseContentLanguage", Where::query, "response-content-language", kReads},
    Member{"ResponseContentType", Where::query, "response-content-type", kReads},
    Member{"ResponseExpires", Where::query, "response-expires", kReads},
    Member{"StartAfter", Where::query, "start-after", kList2},
    Member{"UploadId", Where::query, "uploadId", kOfUpload, kOfUpload},
    Member{"UploadIdMarker", Where::query, "upload-id-marker", kUploads},
    Member{"VersionId", Where::query, "versionId", kReads | kDelete | kAbout},
    Member{"ACL", Where::header, "x-amz-acl", kNewObject | kMake},
    Member{"BucketKeyEnabled", Where::header, "x-amz-server-side-encryption-bucket-key-enabled", kNewObject},
    Member{"CacheControl", Where::header, "Cache-Control", kNewObject},
    Member{"ChecksumAlgorithm", Where::header, "x-amz-checksum-algorithm", kCopy | kCreate},
    Member{"ChecksumCRC32", Where::header, "x-amz-checksum-crc32", kPut | kPart | kComplete},
    Member{"ChecksumCRC32C", Where::header, "x-amz-checksum-crc32c", kPut | kPart | kComplete},
    Member{"ChecksumCRC64NVME", Where::header, "x-amz-checksum-crc64nvme", kPut | kPart | kComplete},
    Member{"ChecksumMode", Where::header, "x-amz-checksum-mode", kReads},
    Member{"ChecksumSHA1", Where::header, "x-amz-checksum-sha1", kPut | kPart | kComplete},
    Member{"ChecksumSHA256", Where::header, "x-amz-checksum-sha256", kPut | kPart | kComplete},
    Member{"ChecksumType", Where::header, "x-amz-checksum-type", kCreate | kComplete},
    Member{"ContentDisposition", Where::header, "Content-Disposition", kNewObject},
    Member{"ContentEncoding", Where::header, "Content-Encoding", kNewObject},
    Member{"ContentLanguage", Where::header, "Content-Language", kNewObject},
    Member{"ContentMD5", Where::header, "Content-MD5", kPut | kPart},
    Member{"ContentType", Where::header, "Content-Type", kNewObject},
    Member{"CopySource", Where::header, "x-amz-copy-source", kCopy | kPartCopy, kCopy | kPartCopy},
    Member{"CopySourceIfMatch", Where::header, "x-amz-copy-source-if-match", kCopy | kPartCopy},
    Member{"CopySourceIfModifiedSince", Where::time, "x-amz-copy-source-if-modified-since", kCopy | kPartCopy},
    Member{"CopySourceIfNoneMatch", Where::header, "x-amz-copy-source-if-none-match", kCopy | kPartCopy},
    Member{"CopySourceIfUnmodifiedSince", Where::time, "x-amz-copy-source-if-unmodified-since", kCopy | kPartCopy},
    Member{"CopySourceRange", Where::header, "x-amz-copy-source-range", kPartCopy},
    Member{"ExpectedBucketOwner", Where::header, "x-amz-expected-bucket-owner", kOfBucket & ~kMake},
    Member{"ExpectedSourceBucketOwner", Where::header, "x-amz-source-expected-bucket-owner", kCopy | kPartCopy},
    Member{"Expires", Where::time, "Expires", kNewObject},
    Member{"GrantFullControl", Where::header, "x-amz-grant-full-control", kNewObject | kMake},
    Member{"GrantRead", Where::header, "x-amz-grant-read", kNewObject | kMake},
    Member{"GrantReadACP", Where::header, "x-amz-grant-read-acp", kNewObject | kMake},
    Member{"GrantWrite", Where::header, "x-amz-grant-write", kMake},
    Member{"GrantWriteACP", Where::header, "x-amz-grant-write-acp", kNewObject | kMake},
    Member{"IfMatch", Where::header, "If-Match", kReads | kPut | kComplete | kDelete},
    Member{"IfModifiedSince", Where::time, "If-Modified-Since", kReads},
    Member{"IfNoneMatch", Where::header, "If-None-Match", kReads | kPut | kComplete},
    Member{"IfUnmodifiedSince", Where::time, "If-Unmodified-Since", kReads},
    Member{"MetadataDirective", Where::header, "x-amz-metadata-directive", kCopy},
    Member{"MpuObjectSize", Where::header, "x-amz-mp-object-size", kComplete},
    Member{"ObjectLockEnabledForBucket", Where::header, "x-amz-bucket-object-lock-enabled", kMake},
    Member{"ObjectLockLegalHoldStatus", Where::header, "x-amz-object-lock-legal-hold", kNewObject},
    Member{"ObjectLockMode", Where::header, "x-amz-object-lock-mode", kNewObject},
    Member{"ObjectLockRetainUntilDate", Where::header, "x-amz-object-lock-retain-until-date", kNewObject},
    Member{"ObjectOwnership", Where::header, "x-amz-object-ownership", kMake},
    Member{"Range", Where::header, "Range", kReads},
    Member{"RequestPayer", Where::header, "x-amz-request-payer", kOfObject | kList1 | kList2 | kUploads | kDeletes},
    Member{"ServerSideEncryption", Where::header, "x-amz-server-side-encryption", kNewObject},
    Member{"SSECustomerAlgorithm", Where::header, "x-amz-server-side-encryption-customer-algorithm", kEncrypts},
    Member{"SSECustomerKey", Where::header, "x-amz-server-side-encryption-customer-key", kEncrypts},
    Member{"SSECustomerKeyMD5", Where::header, "x-amz-server-side-encryption-customer-key-MD5", kEncrypts},
    Member{"SSEKMSKeyId", Where::header, "x-amz-server-side-encryption-aws-kms-key-id", kNewObject},
    Member{"StorageClass", Where::header, "x-amz-storage-class", kNewObject},
    Member{"Tagging", Where::header, "x-amz-tagging", kNewObject},
    Member{"TaggingDirective", Where::header, "x-amz-tagging-directive", kCopy},
    Member{"WebsiteRedirectLocation", Where::header, "x-amz-website-redirect-location", kNewObject}};

// Headers of answers that are members of results.
enum class Kind { text, number, time };
struct Told {
  std::string_view header;
  std::string_view name;
  std::uint32_t groups;
  Kind kind = Kind::text;
};
constexpr std::uint32_t kSums = kReads | kPut | kPart;
constexpr std::array kTold = {Told{"Accept-Ranges", "AcceptRanges", kReads},
                              Told{"Cache-Control", "CacheControl", kReads},
                              Told{"x-amz-checksum-crc32", "ChecksumCRC32", kSums},
                              Told{"x-amz-checksum-crc32c", "ChecksumCRC32C", kSums},
                              Told{"x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", kSums},
                              Told{"x-amz-checksum-sha1", "ChecksumSHA1", kSums},
                              Told{"x-amz-checksum-sha256", "ChecksumSHA256", kSums},
                              Told{"x-amz-checksum-type", "ChecksumType", kSums | kCreate},
                              Told{"x-amz-checksum-algorithm", "ChecksumAlgorithm", kCreate},
                              Told{"Content-Disposition", "ContentDisposition", kReads},
                              Told{"Content-Encoding", "ContentEncoding", kReads},
                              Told{"Content-Language", "ContentLanguage", kReads},
                              Told{"Content-Range", "ContentRange", kReads},
                              Told{"Content-Type", "ContentType", kReads},
                              Told{"ETag", "ETag", kSums},
                              Told{"Expires", "Expires", kReads, Kind::time},
                              Told{"Last-Modified", "LastModified", kReads, Kind::time},
                              Told{"Location", "Location", kMake},
                              Told{"x-amz-mp-parts-count", "PartsCount", kReads, Kind::number}};

// Elements that are lists, by the member they make; those with `inner` hold their elements inside.
struct Listed {
  std::string_view element;
  std::string_view name;
  std::string_view inner = "";
};
constexpr std::array kListed = {Listed{"AccessControlList", "Grants", "Grant"},
                                Listed{"Buckets", "Buckets", "Bucket"},
                                Listed{"CommonPrefixes", "CommonPrefixes"},
                                Listed{"Contents", "Contents"},
                                Listed{"Deleted", "Deleted"},
                                Listed{"Error", "Errors"},
                                Listed{"Part", "Parts"},
                                Listed{"TagSet", "TagSet", "Tag"},
                                Listed{"Upload", "Uploads"}};
constexpr std::array<std::string_view, 8> kNumbers = {
    "KeyCount", "MaxKeys", "MaxParts", "MaxUploads", "PartNumber", "PartNumberMarker", "NextPartNumberMarker", "Size"};

// The SDK's exceptions of S3; everything else is its S3Exception.
constexpr std::array<std::string_view, 11> kExceptions = {"BucketAlreadyExists",
                                                          "BucketAlreadyOwnedByYou",
                                                          "EncryptionTypeMismatch",
                                                          "IdempotencyParameterMismatch",
                                                          "InvalidObjectState",
                                                          "InvalidWriteOffset",
                                                          "NoSuchBucket",
                                                          "NoSuchKey",
                                                          "NoSuchUpload",
                                                          "ObjectNotInActiveTierError",
                                                          "TooManyParts"};

const Operation* find(std::string_view name) {
  const auto* found = std::ranges::lower_bound(kOperations, name, {}, &Operation::name);
  return found != kOperations.end() && found->name == name ? found : nullptr;
}

std::string badFormat(std::string_view field) { return fmt::format("The value of the field '{}' has an invalid format", field); }

std::optional<std::string> scalar(const json::Value& value) {
  if (json::isText(value)) return json::toStd(value.get_string());
  if (value.is_bool()) return value.get_bool() ? "true" : "false";
  if (json::isNumber(value)) return json::toText(value);
  return std::nullopt;
}

// The SDK takes moments as ISO 8601 and sends them as HTTP does.
std::string httpTime(const std::string& text) {
  const auto moment = parseIso8601(text);
  return moment ? toHttpDate(*moment) : text;
}

std::string isoTime(std::string_view text) {
  const auto moment = parseHttpDate(text);
  return moment ? toIso8601Seconds(*moment) : std::string(text);
}

bool writeElement(s3::XmlWriter& xml, std::string_view name, const json::Value& value) {
  const auto text = scalar(value);
  if (text) xml.text(name, *text);
  return text.has_value();
}

/// The XML of "Objects": [{…}] and what stands beside it; nullopt if it is of another form.
std::optional<std::string> listBody(std::string_view root, const json::Value& given, std::string_view list, std::string_view element) {
  if (!given.is_object()) return std::nullopt;
  s3::XmlWriter xml(root);
  for (const auto& member : given.get_object()) {
    if (member.key() != list) {
      if (!writeElement(xml, member.key(), member.value())) return std::nullopt;
      continue;
    }
    if (!member.value().is_array()) return std::nullopt;
    for (const auto& one : member.value().get_array()) {
      if (!one.is_object()) return std::nullopt;
      xml.open(element);
      for (const auto& inner : one.get_object())
        if (!writeElement(xml, inner.key(), inner.value())) return std::nullopt;
      xml.close();
    }
  }
  return xml.finish();
}

std::optional<std::string> bodyOf(const Operation& operation, const json::Value& given) {
  switch (operation.group) {
    case kMake: return listBody("CreateBucketConfiguration", given, "", "");
    case kDeletes: return listBody("Delete", given, "Objects", "Object");
    case kComplete: return listBody("CompleteMultipartUpload", given, "Parts", "Part");
    default: break;
  }
  return json::isText(given) ? json::toStd(given.get_string()) : json::toText(given);
}

std::optional<std::string> take(const Operation& operation, const Member& member, const json::Value& value, S3Call& call) {
  auto& request = call.request;
  auto refused = badFormat(member.name);
  if (member.where == Where::body) {
    auto body = bodyOf(operation, value);
    if (!body) return refused;
    call.body = std::move(*body);
    return std::nullopt;
  }
  if (member.where == Where::metadata) {
    if (!value.is_object()) return refused;
    for (const auto& one : value.get_object()) {
      if (!json::isText(one.value())) return refused;
      request.headers.emplace_back(fmt::format("{}{}", member.wire, std::string_view(one.key())), json::toStd(one.value().get_string()));
    }
    return std::nullopt;
  }
  const auto text = scalar(value);
  // Without its key a request would be one for the bucket.
  if (!text || (member.where == Where::path && text->empty())) return refused;
  switch (member.where) {
    case Where::path: request.path += "/" + percentEncode(*text, member.name == "Key"); break;
    case Where::query: request.query += fmt::format("{}{}={}", request.query.empty() ? "" : "&", member.wire, percentEncode(*text)); break;
    case Where::time: request.headers.emplace_back(member.wire, httpTime(*text)); break;
    default: request.headers.emplace_back(member.wire, *text); break;
  }
  return std::nullopt;
}

json::Value valueOf(const s3::XmlElement& element);

json::Object membersOf(const s3::XmlElement& element) {
  json::Object out;
  for (const auto& child : element.children) {
    const auto* listed = std::ranges::find(kListed, child.name, &Listed::element);
    if (listed == kListed.end()) {
      // An object's algorithms are a list, an upload's is one.
      if (child.name == "ChecksumAlgorithm" && element.name == "Contents") out[child.name] = json::Array{json::Value(child.text)};
      else out[child.name] = valueOf(child);
      continue;
    }
    auto& place = out[listed->name];
    if (!place.is_array()) place = json::Array();
    if (listed->inner.empty()) place.get_array().push_back(valueOf(child));
    for (const auto& inner : child.children)
      if (!listed->inner.empty() && inner.name == listed->inner) place.get_array().push_back(valueOf(inner));
  }
  // An attribute in XML.
  if (element.name == "Grantee" && element.child("ID") != nullptr) out["Type"] = "CanonicalUser";
  return out;
}

json::Value valueOf(const s3::XmlElement& element) {
  if (!element.children.empty()) return membersOf(element);
  if (element.name == "IsTruncated") return json::Value(element.text == "true");
  if (std::ranges::find(kNumbers, element.name) != kNumbers.end())
    if (const auto number = parseInt(element.text)) return json::Value(*number);
  // Moments have whole seconds: the SDK writes no fraction.
  constexpr std::string_view kNoFraction = ".000Z";
  if (element.text.ends_with(kNoFraction)) return json::Value(element.text.substr(0, element.text.size() - kNoFraction.size()) + "Z");
  return json::Value(element.text);
}

// Bytes as text: what is not UTF-8 becomes U+FFFD, a byte at a time.
std::string readable(std::string_view bytes) {
  if (isUtf8(bytes)) return std::string(bytes);
  std::string out;
  while (!bytes.empty()) {
    std::size_t good = 0;
    for (std::size_t length = 1; length <= std::min<std::size_t>(4, bytes.size()) && good == 0; ++length)
      if (isUtf8(bytes.substr(0, length))) good = length;
    if (good == 0) out += "\xEF\xBF\xBD";
    else out += bytes.substr(0, good);
    bytes.remove_prefix(std::max<std::size_t>(1, good));
  }
  return out;
}

void addHeaders(json::Object& out, const Operation& operation, const s3::Response& response, std::size_t length) {
  for (const auto& told : kTold) {
    if ((told.groups & operation.group) == 0) continue;
    const auto value = s3::findHeader(response.headers, told.header);
    if (!value) continue;
    switch (told.kind) {
      case Kind::text: out[told.name] = *value; break;
      case Kind::number: out[told.name] = parseInt(*value).value_or(0); break;
      case Kind::time: out[told.name] = isoTime(*value); break;
    }
  }
  if ((operation.group & kReads) == 0) return;
  constexpr std::string_view kMeta = "x-amz-meta-";
  json::Object metadata;
  for (const auto& [name, value] : response.headers)
    if (name.starts_with(kMeta)) metadata[name.substr(kMeta.size())] = value;
  out["Metadata"] = std::move(metadata);
  out["ContentLength"] = response.head_length.value_or(length);
}

}  // namespace

bool s3Serves(std::string_view operation) { return find(operation) != nullptr; }

bool s3Takes(std::string_view operation, std::string_view member) {
  const auto* served = find(operation);
  const auto* found = std::ranges::find(kMembers, member, &Member::name);
  return served == nullptr || (found != kMembers.end() && (found->groups & served->group) != 0);
}

bool s3Streams(std::string_view name) {
  const auto* operation = find(name);
  return operation != nullptr && (operation->group & kStreams) != 0;
}

std::expected<S3Call, std::string> s3Request(std::string_view name, const json::Object& parameters) {
  const auto* operation = find(name);
  if (operation == nullptr) return std::unexpected(fmt::format("S3 has no operation {} here", name));
  S3Call call;
  call.request.method = operation->method;
  call.request.query = operation->query;
  for (const auto& given : parameters) {
    const std::string_view key = given.key();
    if (!s3Takes(name, key)) return std::unexpected(fmt::format("The field \"{}\" is not supported by Step Functions", key));
  }
  // In the table's order, so that the bucket comes before the key.
  for (const auto& member : kMembers) {
    const auto* value = json::find(parameters, member.name);
    if (value != nullptr && !value->is_null()) {
      if (auto wrong = take(*operation, member, *value, call)) return std::unexpected(std::move(*wrong));
    } else if ((member.required & operation->group) != 0) {
      return std::unexpected(fmt::format("The field '{}' is required but was missing", member.name));
    }
  }
  if (call.request.path.empty()) call.request.path = "/";
  if (operation->group == kDeletes) call.request.headers.emplace_back("Content-MD5", toBase64(md5(call.body)));
  call.request.content_length = call.body.size();
  return call;
}

json::Object s3Result(std::string_view name, const s3::Response& response, std::string_view body) {
  const auto* operation = find(name);
  json::Object out;
  if (operation == nullptr) return out;
  addHeaders(out, *operation, response, body.size());
  if (operation->group == kGet) {
    out["Body"] = readable(body);
    return out;
  }
  if (body.empty()) return out;
  const auto root = s3::parseXml(body);
  if (!root) return out;
  if (name == "GetBucketLocation") {
    out["LocationConstraint"] = root->text;
    return out;
  }
  auto members = membersOf(*root);
  if (name == "CopyObject") out["CopyObjectResult"] = std::move(members);
  else if (name == "UploadPartCopy") out["CopyPartResult"] = std::move(members);
  else
    for (auto& member : members) out[member.key()] = std::move(member.value());
  return out;
}

TaskError s3Error(std::string_view name, const s3::Response& response) {
  std::string code;
  // The SDK writes a message that did not come as "null".
  std::string message = "null";
  if (const auto root = s3::parseXml(response.body); root) {
    if (const auto* element = root->child("Code")) code = element->text;
    if (const auto* element = root->child("Message")) message = element->text;
  }
  // What HEAD refuses has no body.
  if (code.empty() && response.status == 404) code = name == "HeadBucket" ? "NoSuchBucket" : "NoSuchKey";
  const bool own = std::ranges::find(kExceptions, code) != kExceptions.end();
  return {fmt::format("S3.{}", own ? code + (code.ends_with("Exception") ? "" : "Exception") : "S3Exception"),
          fmt::format("{} (Service: S3, Status Code: {}, Request ID: {}, Extended Request ID: {})", message, response.status,
                      s3::findHeader(response.headers, "x-amz-request-id").value_or(""),
                      s3::findHeader(response.headers, "x-amz-id-2").value_or(""))};
}

}  // namespace sp::tasks
