#include "services/s3/data/records.h"

#include <fmt/format.h>

#include "base/assert.h"

namespace sp::services::s3 {
namespace {

constexpr std::string_view kBucketKind = "s3.bucket";
constexpr std::string_view kPartKind = "s3.part";
constexpr std::string_view kManifestKind = "s3.manifest";
constexpr std::size_t kAllParts = 10'000;

// Rows are written by this file alone: one that cannot be read is damage, and no answer would be true.
json::Object parseRow(std::string_view body) {
  auto value = json::parse(body);
  SP_ASSERT(value && value->is_object());
  return std::move(value->as_object());
}

std::uint64_t sizeIn(const json::Object& o, std::string_view key) { return static_cast<std::uint64_t>(json::intOr(o, key, 0)); }

json::Object encodeTexts(const std::map<std::string, std::string>& texts) {
  json::Object o;
  for (const auto& [key, value] : texts) o[key] = value;
  return o;
}

std::map<std::string, std::string> decodeTexts(const json::Object& o, std::string_view key) {
  std::map<std::string, std::string> texts;
  if (const auto* value = json::find(o, key); value != nullptr && value->is_object())
    for (const auto& member : value->as_object()) texts[std::string(member.key())] = json::toStd(member.value().as_string());
  return texts;
}

void encodeDescription(json::Object& o, const Description& description) {
  o["headers"] = encodeTexts(description.headers);
  if (!description.metadata.empty()) o["meta"] = encodeTexts(description.metadata);
}

Description decodeDescription(const json::Object& o) { return {decodeTexts(o, "headers"), decodeTexts(o, "meta")}; }

void encodeChecksum(json::Object& o, const Checksum& checksum) {
  if (checksum.value.empty()) return;
  o["sum"] = checksum.value;
  o["sumKind"] = wordOf(checksum.kind);
  if (checksum.composite) o["composite"] = true;
}

Checksum decodeChecksum(const json::Object& o) {
  return {checksumKind(json::textOr(o, "sumKind", "crc64nvme")).value_or(ChecksumKind::crc64nvme), json::textOr(o, "sum"),
          json::boolOr(o, "composite", false)};
}

json::Object encodePart(const Part& part) {
  json::Object o;
  o["number"] = part.number;
  o["size"] = part.size;
  o["etag"] = part.etag;
  o["modified"] = toMicros(part.modified);
  encodeChecksum(o, part.checksum);
  if (!part.crc64nvme.empty()) o["crc64nvme"] = part.crc64nvme;
  json::Array segments;
  for (const auto& segment : part.segments) {
    json::Array row;
    row.emplace_back(json::String(segment.blob));
    row.emplace_back(segment.offset);
    row.emplace_back(segment.size);
    segments.emplace_back(std::move(row));
  }
  o["segments"] = std::move(segments);
  return o;
}

Part decodePart(const json::Object& o) {
  Part part;
  part.number = static_cast<int>(json::intOr(o, "number", 0));
  part.size = sizeIn(o, "size");
  part.etag = json::textOr(o, "etag");
  part.modified = fromMicros(json::intOr(o, "modified", 0));
  part.checksum = decodeChecksum(o);
  part.crc64nvme = json::textOr(o, "crc64nvme");
  for (const auto& row : o.at("segments").as_array()) {
    const auto& values = row.as_array();
    part.segments.push_back(
        {json::toStd(values.at(0).as_string()), values.at(1).to_number<std::uint64_t>(), values.at(2).to_number<std::uint64_t>()});
  }
  return part;
}

std::string partKey(std::string_view upload_id, int number) { return fmt::format("{}/{:05}", upload_id, number); }

}  // namespace

std::string encodeObject(const Object& object) {
  json::Object o;
  o["size"] = object.size;
  o["etag"] = object.etag;
  o["modified"] = toMicros(object.modified);
  encodeDescription(o, object.description);
  encodeChecksum(o, object.checksum);
  if (!object.blob.empty()) o["blob"] = object.blob;
  if (!object.manifest.empty()) o["manifest"] = object.manifest;
  if (object.parts > 0) o["parts"] = object.parts;
  return json::toText(o);
}

Object decodeObject(std::string_view body) {
  const auto o = parseRow(body);
  Object object;
  object.size = sizeIn(o, "size");
  object.etag = json::textOr(o, "etag");
  object.modified = fromMicros(json::intOr(o, "modified", 0));
  object.description = decodeDescription(o);
  object.checksum = decodeChecksum(o);
  object.blob = json::textOr(o, "blob");
  object.manifest = json::textOr(o, "manifest");
  object.parts = static_cast<std::size_t>(json::intOr(o, "parts", 0));
  return object;
}

// A key may hold any character but NUL, and a bucket's name no '/'.
std::string uploadKey(std::string_view bucket, std::string_view key, std::string_view id) {
  std::string made = fmt::format("{}/{}", bucket, key);
  made += '\0';
  made += id;
  return made;
}

Upload decodeUpload(std::string_view body) {
  const auto o = parseRow(body);
  Upload upload;
  upload.bucket = json::textOr(o, "bucket");
  upload.key = json::textOr(o, "key");
  upload.id = json::textOr(o, "id");
  upload.initiated = fromMicros(json::intOr(o, "initiated", 0));
  upload.description = decodeDescription(o);
  upload.asked = checksumKind(json::textOr(o, "asked"));
  upload.composite = json::boolOr(o, "composite", false);
  return upload;
}

std::optional<Bucket> Rows::bucket(std::string_view name) {
  const auto body = txn_.records().get(kBucketKind, name);
  if (!body) return std::nullopt;
  return Bucket{std::string(name), fromMicros(json::intOr(parseRow(*body), "created", 0))};
}

void Rows::putBucket(const Bucket& bucket) {
  json::Object o;
  o["created"] = toMicros(bucket.created);
  txn_.records().put(kBucketKind, bucket.name, json::toText(o));
}

void Rows::eraseBucket(std::string_view name) { txn_.records().erase(kBucketKind, name); }

std::vector<Bucket> Rows::buckets(std::string_view prefix, std::string_view after, std::size_t limit) {
  std::vector<Bucket> found;
  for (const auto& record : txn_.records().scan(kBucketKind, prefix, after, limit))
    found.push_back({record.key, fromMicros(json::intOr(parseRow(record.body), "created", 0))});
  return found;
}

std::optional<Object> Rows::object(std::string_view bucket, std::string_view key) {
  const auto body = txn_.objects().get(bucket, key);
  if (!body) return std::nullopt;
  return decodeObject(*body);
}

// New references first: a copy onto itself must not lose its blob in between.
void Rows::putObject(std::string_view bucket, std::string_view key, Object object, const std::vector<Part>& parts) {
  const auto old = this->object(bucket, key);
  if (parts.empty()) {
    if (!object.blob.empty()) blobs_.addReference(txn_, object.blob);
  } else {
    json::Array rows;
    for (const auto& part : parts) {
      rows.emplace_back(encodePart(part));
      for (const auto& segment : part.segments) blobs_.addReference(txn_, segment.blob);
    }
    txn_.records().put(kManifestKind, object.manifest, json::toText(rows));
  }
  txn_.objects().put(bucket, key, encodeObject(object));
  if (old) drop(*old);
}

bool Rows::eraseObject(std::string_view bucket, std::string_view key) {
  const auto old = object(bucket, key);
  if (!old) return false;
  txn_.objects().erase(bucket, key);
  drop(*old);
  return true;
}

void Rows::drop(const Object& object) {
  if (object.manifest.empty()) {
    if (!object.blob.empty()) blobs_.dropReference(txn_, object.blob);
    return;
  }
  for (const auto& part : partsOf(object))
    for (const auto& segment : part.segments) blobs_.dropReference(txn_, segment.blob);
  txn_.records().erase(kManifestKind, object.manifest);
}

std::vector<Part> Rows::partsOf(const Object& object) {
  if (object.manifest.empty()) {
    Part whole;
    whole.number = 1;
    whole.size = object.size;
    whole.etag = object.etag;
    whole.modified = object.modified;
    whole.checksum = object.checksum;
    if (!object.blob.empty()) whole.segments.push_back({object.blob, 0, object.size});
    return {whole};
  }
  const auto body = txn_.records().get(kManifestKind, object.manifest);
  SP_ASSERT(body.has_value());
  const auto rows = json::parse(*body);
  SP_ASSERT(rows && rows->is_array());
  std::vector<Part> parts;
  for (const auto& row : rows->as_array()) parts.push_back(decodePart(row.as_object()));
  return parts;
}

std::vector<Segment> Rows::segmentsOf(const Object& object, std::uint64_t offset, std::uint64_t size) {
  std::vector<Segment> found;
  std::uint64_t at = 0;
  for (const auto& part : partsOf(object)) {
    for (const auto& segment : part.segments) {
      const auto begin = std::max(offset, at);
      const auto end = std::min(offset + size, at + segment.size);
      if (begin < end) found.push_back({segment.blob, segment.offset + (begin - at), end - begin});
      at += segment.size;
    }
  }
  return found;
}

std::optional<Upload> Rows::upload(std::string_view bucket, std::string_view key, std::string_view id) {
  const auto body = txn_.records().get(kUploadKind, uploadKey(bucket, key, id));
  if (!body) return std::nullopt;
  return decodeUpload(*body);
}

void Rows::putUpload(const Upload& upload) {
  json::Object o;
  o["bucket"] = upload.bucket;
  o["key"] = upload.key;
  o["id"] = upload.id;
  o["initiated"] = toMicros(upload.initiated);
  encodeDescription(o, upload.description);
  if (upload.asked) o["asked"] = wordOf(*upload.asked);
  if (upload.composite) o["composite"] = true;
  txn_.records().put(kUploadKind, uploadKey(upload.bucket, upload.key, upload.id), json::toText(o));
}

void Rows::eraseUpload(const Upload& upload) {
  for (const auto& part : parts(upload.id, 0, kAllParts)) {
    for (const auto& segment : part.segments) blobs_.dropReference(txn_, segment.blob);
    txn_.records().erase(kPartKind, partKey(upload.id, part.number));
  }
  txn_.records().erase(kUploadKind, uploadKey(upload.bucket, upload.key, upload.id));
}

std::vector<Part> Rows::parts(std::string_view upload_id, int after, std::size_t limit) {
  std::vector<Part> found;
  for (const auto& record : txn_.records().scan(kPartKind, fmt::format("{}/", upload_id), partKey(upload_id, after), limit))
    found.push_back(decodePart(parseRow(record.body)));
  return found;
}

void Rows::putPart(std::string_view upload_id, const Part& part) {
  const auto key = partKey(upload_id, part.number);
  const auto old = txn_.records().get(kPartKind, key);
  for (const auto& segment : part.segments) blobs_.addReference(txn_, segment.blob);
  txn_.records().put(kPartKind, key, json::toText(encodePart(part)));
  if (!old) return;
  for (const auto& segment : decodePart(parseRow(*old)).segments) blobs_.dropReference(txn_, segment.blob);
}

}  // namespace sp::services::s3
