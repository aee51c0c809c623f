#include "services/s3/object/object_headers.h"

#include <array>

#include <fmt/format.h>

#include "base/strings.h"
#include "base/time_format.h"
#include "services/s3/wire/conditions.h"

namespace sp::services::s3 {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kSpelling = {{{"content-type", "Content-Type"},
                                                                                     {"cache-control", "Cache-Control"},
                                                                                     {"content-disposition", "Content-Disposition"},
                                                                                     {"content-encoding", "Content-Encoding"},
                                                                                     {"content-language", "Content-Language"},
                                                                                     {"expires", "Expires"}}};

aws::ApiError invalidRange(std::string_view asked, std::uint64_t size) {
  aws::ApiError error{"InvalidRange", "The requested range is not satisfiable", 416, true, {}};
  error.extra["RangeRequested"] = asked;
  error.extra["ActualObjectSize"] = std::to_string(size);
  return error;
}

// The part asked by partNumber, as offset and size. An object of one PUT has the part 1.
std::expected<void, aws::ApiError> selectPart(Rows& rows, const Call& call, Found& found) {
  SP_TRY(const auto number, numberIn(call, "partNumber", 1, 1, 10'000));
  if (call.header("range")) return aws::refuse("InvalidRequest", "Cannot specify both Range header and partNumber query parameter");
  const auto parts = rows.partsOf(found.object);
  std::uint64_t offset = 0;
  std::size_t position = 0;
  for (const auto& part : parts) {
    ++position;
    // A copy of a multipart object is one part, whatever its segments.
    const bool wanted = found.object.parts == 0 ? number == 1 : position == number;
    if (wanted) {
      found.offset = found.object.parts == 0 ? 0 : offset;
      found.size = found.object.parts == 0 ? found.object.size : part.size;
      if (found.object.parts > 0) found.response.headers.emplace_back("x-amz-mp-parts-count", std::to_string(found.object.parts));
      found.response.status = 206;
      return {};
    }
    offset += part.size;
  }
  aws::ApiError error{"InvalidPartNumber", "The requested partnumber is not satisfiable", 416, true, {}};
  error.extra["PartNumberRequested"] = std::to_string(number);
  error.extra["ActualPartCount"] = std::to_string(std::max<std::size_t>(1, found.object.parts));
  return std::unexpected(std::move(error));
}

std::expected<void, aws::ApiError> selectBytes(Rows& rows, const Call& call, Found& found) {
  found.size = found.object.size;
  if (call.query.has("partNumber")) return selectPart(rows, call, found);
  const auto header = call.header("range");
  if (!header) return {};
  const auto range = parseRange(trim(*header), found.object.size);
  if (std::holds_alternative<Unsatisfiable>(range)) return std::unexpected(invalidRange(*header, found.object.size));
  if (const auto* bytes = std::get_if<ByteRange>(&range)) {
    found.offset = bytes->first;
    found.size = bytes->last - bytes->first + 1;
    found.response.status = 206;
  }
  return {};
}

void addDescription(Headers& headers, const Call& call, const Object& object) {
  for (const auto& [name, spelling] : kSpelling) {
    const auto override = call.query.get(fmt::format("response-{}", name));
    const auto kept = object.description.headers.find(std::string(name));
    if (override) headers.emplace_back(spelling, *override);
    else if (kept != object.description.headers.end()) headers.emplace_back(spelling, kept->second);
  }
  for (const auto& [name, value] : object.description.metadata) headers.emplace_back("x-amz-meta-" + name, value);
}

}  // namespace

std::expected<Found, aws::ApiError> findObject(Rows& rows, const Call& call) {
  SP_CHECK_OK(refuseUnservedHeaders(call.request.headers));
  SP_CHECK_OK(checkVersion(call));
  SP_CHECK_OK(requireBucket(rows, call.bucket));
  auto object = rows.object(call.bucket, call.key);
  if (!object) return std::unexpected(noSuchKey(call.key));
  Found found;
  found.object = std::move(*object);
  const auto judged = judge(Conditions::of(call.request.headers), found.object.etag, found.object.modified);
  if (judged.verdict == Verdict::failed) return std::unexpected(preconditionFailed(judged.condition));
  auto& headers = found.response.headers;
  headers.emplace_back("Last-Modified", toHttpDate(found.object.modified));
  headers.emplace_back("ETag", quoted(found.object.etag));
  headers.emplace_back("Accept-Ranges", "bytes");
  if (judged.verdict == Verdict::notModified) {
    found.response.status = 304;
    found.bodiless = true;
    return found;
  }
  SP_CHECK_OK(selectBytes(rows, call, found));
  if (found.response.status == 206 && found.object.size > 0)
    headers.emplace_back("Content-Range", fmt::format("bytes {}-{}/{}", found.offset, found.offset + found.size - 1, found.object.size));
  addDescription(headers, call, found.object);
  // The checksum is that of the whole: with a part of the bytes a client would judge the wrong ones by it.
  if (found.size == found.object.size && equalsIgnoreCase(call.header("x-amz-checksum-mode").value_or(""), "ENABLED"))
    addChecksumHeaders(headers, found.object.checksum);
  return found;
}

}  // namespace sp::services::s3
