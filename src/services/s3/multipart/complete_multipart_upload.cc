// Completing copies nothing: the object is the list of its parts' blobs.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
#include <fmt/format.h>

#include "base/hash.h"
#include "base/strings.h"
#include "services/s3/multipart/parts.h"
#include "services/s3/operations.h"
#include "services/s3/service.h"
#include "services/s3/wire/xml.h"

namespace sp::services::s3 {
namespace {

constexpr std::uint64_t kLeastPart = 5ULL << 20U;
constexpr std::string_view kCompletedKind = "s3.completed";
constexpr auto kRemembered = std::chrono::hours(24);

struct Listed {
  int number = 0;
  std::string etag;
  std::optional<Checksum> checksum;
};

aws::ApiError invalidPart(const Call& call, const Listed& listed) {
  aws::ApiError error{
      "InvalidPart",
      "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity "
      "tag may not match the part's entity tag.",
      400,
      true,
      {}};
  error.extra["UploadId"] = call.query.get("uploadId").value_or("");
  error.extra["PartNumber"] = std::to_string(listed.number);
  error.extra["ETag"] = listed.etag;
  return error;
}

std::expected<Listed, aws::ApiError> readPart(const XmlElement& element) {
  Listed listed;
  for (const auto& member : element.children) {
    constexpr std::string_view kChecksum = "Checksum";
    if (member.name == "PartNumber") {
      const auto number = parseInt(trim(member.text));
      if (!number || *number < 1 || *number > static_cast<std::int64_t>(kPartNumberMax))
        return std::unexpected(malformedXml(fmt::format("PartNumber '{}'", member.text)));
      listed.number = static_cast<int>(*number);
    } else if (member.name == "ETag") {
      std::string_view tag = trim(member.text);
      if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') tag = tag.substr(1, tag.size() - 2);
      listed.etag = tag;
    } else if (const auto kind = member.name.starts_with(kChecksum) ? checksumKind(std::string_view(member.name).substr(kChecksum.size()))
                                                                    : std::nullopt) {
      listed.checksum = Checksum{*kind, std::string(trim(member.text)), false};
    } else {
      return std::unexpected(malformedXml(fmt::format("unknown element '{}'", member.name)));
    }
  }
  if (listed.number == 0 || listed.etag.empty()) return std::unexpected(malformedXml("a Part needs PartNumber and ETag"));
  return listed;
}

std::expected<std::vector<Listed>, aws::ApiError> readList(const std::string& body) {
  const auto root = parseXml(body);
  if (!root) return std::unexpected(malformedXml(root.error().message));
  if (root->name != "CompleteMultipartUpload") return std::unexpected(malformedXml(fmt::format("root element '{}'", root->name)));
  std::vector<Listed> list;
  for (const auto& child : root->children) {
    if (child.name != "Part") return std::unexpected(malformedXml(fmt::format("unknown element '{}'", child.name)));
    SP_TRY(auto listed, readPart(child));
    if (!list.empty() && listed.number <= list.back().number)
      return aws::refuse("InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.");
    list.push_back(std::move(listed));
  }
  if (list.empty()) return std::unexpected(malformedXml("no Part at all"));
  return list;
}

// The parts the list names, each as it was uploaded.
std::expected<std::vector<Part>, aws::ApiError> choose(const Call& call, const Upload& upload, const std::vector<Listed>& list,
                                                       const std::vector<Part>& uploaded) {
  std::vector<Part> chosen;
  auto next = uploaded.begin();
  for (const auto& listed : list) {
    while (next != uploaded.end() && next->number < listed.number) ++next;
    if (next == uploaded.end() || next->number != listed.number || next->etag != listed.etag)
      return std::unexpected(invalidPart(call, listed));
    const auto& sum = next->checksum;
    if (upload.composite && !listed.checksum)
      return aws::refuse("InvalidRequest", fmt::format("The upload was created using a {} checksum. The complete request must include the "
                                                       "checksum for each part. It was missing for part {} in the request.",
                                                       wordOf(*upload.asked), listed.number));
    if (listed.checksum && (listed.checksum->kind != sum.kind || listed.checksum->value != sum.value))
      return std::unexpected(invalidPart(call, listed));
    chosen.push_back(*next);
  }
  for (std::size_t i = 0; i + 1 < chosen.size(); ++i) {
    if (chosen[i].size >= kLeastPart) continue;
    aws::ApiError error{"EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", 400, true, {}};
    error.extra["ProposedSize"] = std::to_string(chosen[i].size);
    error.extra["MinSizeAllowed"] = std::to_string(kLeastPart);
    error.extra["PartNumber"] = std::to_string(chosen[i].number);
    error.extra["ETag"] = chosen[i].etag;
    return std::unexpected(std::move(error));
  }
  return chosen;
}

// What the client says of the whole: its size, its checksum.
std::expected<void, aws::ApiError> checkWhole(const Call& call, const Object& object) {
  if (const auto size = call.header("x-amz-mp-object-size"); size && *size != std::to_string(object.size))
    return aws::refuse(
        "InvalidRequest",
        fmt::format("The provided 'x-amz-mp-object-size' header value {} does not match what was computed: {}", *size, object.size));
  for (const auto kind : kChecksumKinds) {
    const auto given = call.header(fmt::format("x-amz-checksum-{}", wordOf(kind)));
    if (!given) continue;
    if (kind != object.checksum.kind)
      return aws::refuse("InvalidRequest",
                         fmt::format("Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                                     wordOf(object.checksum.kind), wordOf(kind)));
    if (*given != object.checksum.value) return std::unexpected(checksumMismatch(kind));
  }
  return {};
}

Object assemble(Rows& rows, const Upload& upload, const std::vector<Part>& parts, Random& random) {
  Object object;
  std::string tags;
  for (const auto& part : parts) {
    object.size += part.size;
    tags += fromHex(part.etag).value_or("");
  }
  object.etag = fmt::format("{}-{}", toHex(md5(tags)), parts.size());
  object.modified = rows.txn().now();
  object.description = upload.description;
  object.checksum = checksumOfParts(upload, parts);
  object.manifest = random.hex(32);
  object.parts = parts.size();
  return object;
}

Response resultOf(const Call& call, const std::string& etag, const Checksum& checksum) {
  XmlWriter xml("CompleteMultipartUploadResult");
  xml.text("Location", fmt::format("http://{}{}", call.header("host").value_or("s3"), call.request.path));
  xml.text("Bucket", call.bucket).text("Key", call.key).text("ETag", quoted(etag)).text(elementOf(checksum.kind), checksum.value);
  return xmlResponse(xml.text("ChecksumType", checksum.composite ? "COMPOSITE" : "FULL_OBJECT").finish());
}

// An answer that got lost is asked for again: the same list for the same upload is answered the same for a day.
std::string fingerprint(const Call& call, const std::vector<Listed>& list) {
  std::string text = fmt::format("{}/{}", call.bucket, call.key);
  for (const auto& listed : list) text += fmt::format("\n{} {}", listed.number, listed.etag);
  return sha256Hex(text);
}

void remember(Rows& rows, const Upload& upload, const Object& object, const std::string& print) {
  json::Object o;
  o["print"] = print;
  o["etag"] = object.etag;
  o["sum"] = object.checksum.value;
  o["sumKind"] = wordOf(object.checksum.kind);
  o["composite"] = object.checksum.composite;
  rows.txn().records().put(kCompletedKind, upload.id, json::toText(o));
  rows.txn().timers().set({std::string(kForgetUploadTimer), upload.id, rows.txn().now() + kRemembered, ""});
}

Answer repeated(Rows& rows, const Call& call, std::string_view id, const std::string& print) {
  const auto body = rows.txn().records().get(kCompletedKind, id);
  const auto value = body ? json::parse(*body) : fail("", "");
  if (!value || json::textOr(value->as_object(), "print") != print) return std::unexpected(noSuchUpload(id));
  const auto& o = value->as_object();
  return resultOf(call, json::textOr(o, "etag"),
                  {checksumKind(json::textOr(o, "sumKind")).value_or(ChecksumKind::crc64nvme), json::textOr(o, "sum"),
                   json::boolOr(o, "composite", false)});
}

}  // namespace

void forgetCompletedUpload(store::Txn& txn, std::string_view upload_id) { txn.records().erase(kCompletedKind, upload_id); }

Answer completeMultipartUpload(Rows& rows, const Call& call) {
  SP_CHECK_OK(requireBucket(rows, call.bucket));
  SP_TRY(const auto list, readList(call.body));
  const auto print = fingerprint(call, list);
  const auto id = call.query.get("uploadId").value_or("");
  const auto upload = rows.upload(call.bucket, call.key, id);
  if (!upload) return repeated(rows, call, id, print);
  SP_CHECK_OK(checkWriteConditions(rows, call));
  SP_TRY(const auto parts, choose(call, *upload, list, rows.parts(upload->id, 0, kPartNumberMax)));
  const auto object = assemble(rows, *upload, parts, call.service.context().random);
  SP_CHECK_OK(checkWhole(call, object));
  rows.putObject(call.bucket, call.key, object, parts);
  rows.eraseUpload(*upload);
  remember(rows, *upload, object, print);
  return resultOf(call, object.etag, object.checksum);
}

}  // namespace sp::services::s3
