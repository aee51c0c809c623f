// One S3 request, taken apart, and what its operation works with.
#pragma once
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aws/api_error.h"
#include "services/s3/data/records.h"
#include "services/s3/s3.h"

namespace sp::services::s3 {

class Service;

using Answer = std::expected<Response, aws::ApiError>;

/// A query string, decoded, in order.
class Query {
 public:
  Query() = default;
  /// nullopt if a percent sequence is broken.
  static std::optional<Query> parse(std::string_view raw);
  /// First value of that name ("" for "?uploads"), or nullopt.
  std::optional<std::string_view> get(std::string_view name) const;
  bool has(std::string_view name) const { return get(name).has_value(); }
  const std::vector<std::pair<std::string, std::string>>& all() const { return entries_; }

 private:
  std::vector<std::pair<std::string, std::string>> entries_;
};

struct Call {
  Service& service;
  Request request;
  /// Decoded; empty at the service's own address.
  std::string bucket;
  /// Decoded; empty at a bucket.
  std::string key;
  Query query;
  /// The sub-resource that chose the operation ("tagging"), or "".
  std::string subresource;
  /// Of operations that read one.
  std::string body;
  /// Trailing headers of an aws-chunked body.
  Headers trailers;

  std::optional<std::string_view> header(std::string_view name) const { return findHeader(request.headers, name); }
};

/// An operation that is one core job.
using Handler = Answer (*)(Rows&, const Call&);
/// An operation that streams or takes several steps.
using Starter = std::unique_ptr<Run> (*)(std::shared_ptr<Call>);

struct Operation {
  std::string_view name;
  Handler handle = nullptr;
  Starter start = nullptr;
  /// Reads an XML body.
  bool takes_body = false;
};

// What several operations answer.

aws::ApiError noSuchBucket(std::string_view bucket);
aws::ApiError noSuchKey(std::string_view key);
aws::ApiError noSuchUpload(std::string_view upload_id);
/// 501, naming the header (or query parameter) that asks for what is not there.
aws::ApiError notImplemented(std::string_view header);
aws::ApiError malformedXml(std::string_view why);
/// InvalidArgument with ArgumentName and ArgumentValue.
aws::ApiError invalidArgument(std::string message, std::string_view name, std::string_view value);
/// The bucket exists, or NoSuchBucket.
std::expected<void, aws::ApiError> requireBucket(Rows& rows, std::string_view bucket);
/// A failure below: full disk (507), shutdown (503), damage (500, logged).
aws::ApiError internalFailure(const Error& error);

/// Refuses headers that ask for what is not served (encryption keys, ACLs, locks, tags …) instead of dropping them.
std::expected<void, aws::ApiError> refuseUnservedHeaders(const Headers& headers);
/// Content headers and user metadata of a request that makes an object, within S3's limits.
std::expected<Description, aws::ApiError> describe(const Headers& headers);
/// If-None-Match "*" and If-Match of a request that writes `key`.
std::expected<void, aws::ApiError> checkWriteConditions(Rows& rows, const Call& call);
/// Only the null version exists.
std::expected<void, aws::ApiError> checkVersion(const Call& call);
/// Whole number of a query parameter in [least, most], larger ones cut to `most`; `otherwise` if absent or empty.
std::expected<std::size_t, aws::ApiError> numberIn(const Call& call, std::string_view name, std::size_t otherwise, std::size_t least,
                                                   std::size_t most);

Response xmlResponse(std::string document, int status = 200);
std::string quoted(std::string_view etag);
/// x-amz-checksum-… and x-amz-checksum-type.
void addChecksumHeaders(Headers& headers, const Checksum& checksum);
/// Owner, Initiator: the account's canonical id.
std::string ownerId(const Call& call);
/// Text of a listing, percent-encoded if the caller asked encoding-type=url.
std::string encodedFor(const Call& call, std::string_view text);
std::expected<void, aws::ApiError> checkEncodingType(const Call& call);

}  // namespace sp::services::s3
