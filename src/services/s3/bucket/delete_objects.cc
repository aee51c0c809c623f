// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
#include <fmt/format.h>

#include "services/s3/data/receiver.h"
#include "services/s3/operations.h"
#include "services/s3/wire/checksum.h"
#include "services/s3/wire/xml.h"

namespace sp::services::s3 {
namespace {

constexpr std::size_t kMost = 1000;

struct Named {
  std::string key;
  std::string version;
};

struct Asked {
  std::vector<Named> objects;
  bool quiet = false;
};

// A list of deletions must not be acted on if it arrived damaged.
std::expected<void, aws::ApiError> checkIntegrity(const Call& call) {
  SP_TRY(const auto md5, promisedMd5(call.request.headers));
  SP_TRY(const auto asked, askedChecksum(call.request.headers));
  if (!md5 && !asked) return aws::refuse("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
  if (md5) {
    const auto computed = sp::md5(call.body);
    if (computed != *md5) return std::unexpected(badMd5(*md5, computed));
  }
  if (asked) {
    SP_TRY(const auto expected, expectedChecksum(*asked, call.trailers));
    RunningChecksum checksum(asked->kind);
    checksum.update(call.body);
    if (checksum.finish() != expected) return std::unexpected(checksumMismatch(asked->kind));
  }
  return {};
}

std::expected<Asked, aws::ApiError> readBody(const std::string& body) {
  const auto root = parseXml(body);
  if (!root) return std::unexpected(malformedXml(root.error().message));
  if (root->name != "Delete") return std::unexpected(malformedXml(fmt::format("root element '{}'", root->name)));
  Asked asked;
  for (const auto& child : root->children) {
    if (child.name == "Quiet") {
      asked.quiet = child.text == "true";
      continue;
    }
    if (child.name != "Object") return std::unexpected(malformedXml(fmt::format("unknown element '{}'", child.name)));
    Named named;
    for (const auto& member : child.children) {
      if (member.name == "Key") named.key = member.text;
      else if (member.name == "VersionId") named.version = member.text;
      else if (member.name == "ETag" || member.name == "LastModifiedTime" || member.name == "Size")
        return std::unexpected(notImplemented("Delete.Object." + member.name));
      else return std::unexpected(malformedXml(fmt::format("unknown element '{}'", member.name)));
    }
    if (named.key.empty()) return std::unexpected(malformedXml("an Object without a Key"));
    asked.objects.push_back(std::move(named));
  }
  if (asked.objects.empty() || asked.objects.size() > kMost)
    return std::unexpected(malformedXml(fmt::format("{} objects; 1 to {} can be deleted at once", asked.objects.size(), kMost)));
  return asked;
}

}  // namespace

Answer deleteObjects(Rows& rows, const Call& call) {
  SP_CHECK_OK(requireBucket(rows, call.bucket));
  SP_CHECK_OK(checkIntegrity(call));
  SP_TRY(const auto asked, readBody(call.body));
  XmlWriter xml("DeleteResult");
  for (const auto& named : asked.objects) {
    if (!named.version.empty() && named.version != "null") {
      xml.open("Error").text("Key", named.key).text("VersionId", named.version);
      xml.text("Code", "NoSuchVersion").text("Message", "The specified version does not exist.").close();
      continue;
    }
    rows.eraseObject(call.bucket, named.key);
    if (asked.quiet) continue;
    xml.open("Deleted").text("Key", named.key);
    if (!named.version.empty()) xml.text("VersionId", named.version);
    xml.close();
  }
  return xmlResponse(xml.finish());
}

}  // namespace sp::services::s3
