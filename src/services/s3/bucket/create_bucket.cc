// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"
#include "services/s3/operations.h"
#include "services/s3/service.h"
#include "services/s3/wire/xml.h"

namespace sp::services::s3 {
namespace {

constexpr std::string_view kFirstRegion = "us-east-1";

bool isLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool looksLikeIpAddress(std::string_view name) {
  const auto parts = split(name, '.');
  return parts.size() == 4 && std::ranges::all_of(parts, [](std::string_view part) {
           return !part.empty() && part.size() <= 3 && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
         });
}

// "eu-west-1", "us-gov-east-1".
bool looksLikeRegion(std::string_view text) {
  const auto parts = split(text, '-');
  if (parts.size() < 3 || parts.front().size() != 2 || parts.back().size() != 1) return false;
  if (parts.back().front() < '1' || parts.back().front() > '9') return false;
  return std::ranges::all_of(parts.begin(), parts.end() - 1, [](std::string_view part) {
    return !part.empty() && std::ranges::all_of(part, [](char c) { return c >= 'a' && c <= 'z'; });
  });
}

std::unexpected<aws::ApiError> illegalLocation(std::string_view constraint) {
  return aws::refuse("IllegalLocationConstraintException",
                     fmt::format("The {} location constraint is incompatible for the region specific endpoint this request was sent to.",
                                 constraint.empty() ? "unspecified" : constraint));
}

std::expected<void, aws::ApiError> checkLocation(std::string_view constraint, std::string_view region) {
  if (constraint.empty()) {
    if (region != kFirstRegion) return illegalLocation(constraint);
    return {};
  }
  // The oldest region has no constraint of its own name.
  const auto meant = constraint == "EU" ? "eu-west-1" : constraint;
  if (meant == kFirstRegion || !looksLikeRegion(meant)) {
    aws::ApiError error{"InvalidLocationConstraint", "The specified location-constraint is not valid", 400, true, {}};
    error.extra["LocationConstraint"] = constraint;
    return std::unexpected(std::move(error));
  }
  if (meant != region) return illegalLocation(constraint);
  return {};
}

// The text of LocationConstraint, "" without a body.
std::expected<std::string, aws::ApiError> readConstraint(const std::string& body) {
  if (trim(body).empty()) return std::string();
  const auto root = parseXml(body);
  if (!root) return std::unexpected(malformedXml(root.error().message));
  if (root->name != "CreateBucketConfiguration") return std::unexpected(malformedXml(fmt::format("root element '{}'", root->name)));
  std::string constraint;
  for (const auto& child : root->children) {
    if (child.name == "LocationConstraint") constraint = trim(child.text);
    else if (child.name == "Tags" && child.children.empty()) continue;
    else if (child.name == "Location" || child.name == "Bucket" || child.name == "Tags")
      return std::unexpected(notImplemented("CreateBucketConfiguration." + child.name));
    else return std::unexpected(malformedXml(fmt::format("unknown element '{}'", child.name)));
  }
  return constraint;
}

std::expected<void, aws::ApiError> checkHeaders(const Call& call) {
  SP_CHECK_OK(refuseUnservedHeaders(call.request.headers));
  if (equalsIgnoreCase(call.header("x-amz-bucket-object-lock-enabled").value_or("false"), "true"))
    return std::unexpected(notImplemented("x-amz-bucket-object-lock-enabled"));
  if (call.header("x-amz-object-ownership").value_or("BucketOwnerEnforced") != "BucketOwnerEnforced")
    return std::unexpected(notImplemented("x-amz-object-ownership"));
  return {};
}

}  // namespace

bool isBucketName(std::string_view name) {
  if (name.size() < 3 || name.size() > 63) return false;
  if (!std::ranges::all_of(name, [](char c) { return isLowerOrDigit(c) || c == '.' || c == '-'; })) return false;
  if (!isLowerOrDigit(name.front()) || !isLowerOrDigit(name.back())) return false;
  if (name.find("..") != std::string_view::npos || looksLikeIpAddress(name)) return false;
  if (name.starts_with("xn--") || name.starts_with("sthree-") || name.starts_with("amzn-s3-demo-")) return false;
  return !name.ends_with("-s3alias") && !name.ends_with("--ol-s3") && !name.ends_with("--x-s3");
}

Answer createBucket(Rows& rows, const Call& call) {
  SP_CHECK_OK(checkHeaders(call));
  SP_TRY(const auto constraint, readConstraint(call.body));
  const auto& region = call.service.context().realm.region;
  SP_CHECK_OK(checkLocation(constraint, region));
  if (rows.bucket(call.bucket)) {
    if (region != kFirstRegion) {
      aws::ApiError error{
          "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.", 409, true, {}};
      error.extra["BucketName"] = call.bucket;
      return std::unexpected(std::move(error));
    }
  } else {
    rows.putBucket({call.bucket, rows.txn().now()});
  }
  Response response;
  response.headers.emplace_back("Location", "/" + call.bucket);
  return response;
}

}  // namespace sp::services::s3
