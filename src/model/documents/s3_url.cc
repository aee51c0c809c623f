#include "model/documents/s3_url.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"

namespace sp::document {
namespace {

std::string decodeKey(std::string_view path) {
  const auto decoded = percentDecode(path, true);
  return decoded ? *decoded : std::string(path);
}

}  // namespace

Result<S3Source> parseS3Url(std::string_view url) {
  const auto bad = [url](std::string_view why) { return fail("s3.url", fmt::format("'{}' is no S3 URL: {}", url, why)); };
  const auto scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return bad("it must begin with s3://, https:// or http://");
  const auto scheme = toLower(url.substr(0, scheme_end));
  auto rest = url.substr(scheme_end + 3);
  rest = rest.substr(0, rest.find_first_of("?#"));
  const auto slash = rest.find('/');
  const auto host = rest.substr(0, slash);
  const auto path = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  if (scheme == "s3") {
    // s3:// is no HTTP URL: its key is written as it is.
    if (host.empty() || path.empty()) return bad("it must name a bucket and a key");
    return S3Source{std::string(host), std::string(path)};
  }
  if (scheme != "https" && scheme != "http") return bad("it must begin with s3://, https:// or http://");
  const auto amazon = toLower(host);
  // BUCKET.s3.amazonaws.com, BUCKET.s3.REGION.amazonaws.com, BUCKET.s3-REGION.amazonaws.com
  if (amazon.ends_with(".amazonaws.com") && !amazon.starts_with("s3.") && !amazon.starts_with("s3-")) {
    const auto at = std::max(amazon.rfind(".s3.") == std::string::npos ? 0 : amazon.rfind(".s3."),
                             amazon.rfind(".s3-") == std::string::npos ? 0 : amazon.rfind(".s3-"));
    if (at == 0) return bad("its host is not S3's");
    if (path.empty()) return bad("it must name a key");
    return S3Source{std::string(host.substr(0, at)), decodeKey(path)};
  }
  // s3.REGION.amazonaws.com/BUCKET/KEY and this server's own endpoint.
  const auto bucket_end = path.find('/');
  if (bucket_end == std::string_view::npos || bucket_end == 0 || bucket_end + 1 == path.size())
    return bad("it must name a bucket and a key");
  return S3Source{decodeKey(path.substr(0, bucket_end)), decodeKey(path.substr(bucket_end + 1))};
}

}  // namespace sp::document
