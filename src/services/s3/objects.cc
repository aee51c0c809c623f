// The Objects interface for other services (objects.h).
#include <fmt/format.h>

#include "services/s3/data/receiver.h"
#include "services/s3/service.h"

namespace sp::services::s3 {
namespace {

Error errorOf(const aws::ApiError& error) {
  if (error.code == "InsufficientStorage") return {"blob.full", error.message, {}, nullptr};
  return {"s3." + error.code, error.message, {}, nullptr};
}

class ReceiverIncoming final : public Incoming {
 public:
  explicit ReceiverIncoming(store::BlobStore& files) : receiver(files, false) { (void)receiver.promise(Request{}); }
  Result<void> write(std::string_view bytes) override {
    if (auto written = receiver.write(bytes); !written) return std::unexpected(errorOf(written.error()));
    return {};
  }
  Receiver receiver;
};

ObjectInfo infoOf(std::string_view key, const Object& object) {
  const auto type = object.description.headers.find("content-type");
  return {std::string(key), object.size, object.etag, object.modified, type == object.description.headers.end() ? "" : type->second};
}

struct NewObject {
  std::string bucket;
  std::string key;
  Object object;
  Stored done;
};

// Makes the row of a blob that is durable (or of no bytes).
void writeRow(Service& service, std::shared_ptr<NewObject> made) {
  auto problem = std::make_shared<std::optional<Error>>();
  service.context().core.post(
      [&service, made, problem](store::Txn& txn) {
        Rows rows(txn, service.blobs());
        if (auto exists = requireBucket(rows, made->bucket); !exists) {
          *problem = errorOf(exists.error());
          return false;
        }
        made->object.modified = txn.now();
        rows.putObject(made->bucket, made->key, made->object);
        return true;
      },
      [&service, made, problem](const Error* error) {
        if (error != nullptr) *problem = *error;
        if (!*problem) return made->done(infoOf(made->key, made->object));
        if (!made->object.blob.empty()) service.blobs().removeLater(made->object.blob);
        made->done(std::unexpected(**problem));
      });
}

}  // namespace

void Service::putBytes(std::string bucket, std::string key, std::string bytes, std::string content_type, Stored done) {
  auto incoming = begin();
  if (!incoming) return done(std::unexpected(incoming.error()));
  if (auto written = (*incoming)->write(bytes); !written) return done(std::unexpected(written.error()));
  store(std::move(bucket), std::move(key), std::move(content_type), std::move(*incoming), std::move(done));
}

Result<std::unique_ptr<Incoming>> Service::begin() { return std::make_unique<ReceiverIncoming>(blobs_.files()); }

void Service::store(std::string bucket, std::string key, std::string content_type, std::unique_ptr<Incoming> incoming, Stored done) {
  if (key.empty() || key.size() > 1024)
    return done(fail("s3.InvalidArgument", fmt::format("an object's key has 1 to 1024 bytes; this one has {}", key.size())));
  auto received = static_cast<ReceiverIncoming&>(*incoming).receiver.complete({});
  if (!received) return done(std::unexpected(errorOf(received.error())));
  auto made = std::make_shared<NewObject>(NewObject{std::move(bucket), std::move(key), {}, std::move(done)});
  made->object.size = received->size;
  made->object.etag = received->etag;
  made->object.checksum = received->checksum;
  made->object.description.headers["content-type"] = content_type.empty() ? "binary/octet-stream" : content_type;
  if (!received->writer) return writeRow(*this, made);
  pool_.post([this, made, writer = std::shared_ptr<store::BlobStore::Writer>(std::move(received->writer))] {
    auto blob = writer->commit();
    if (!blob) return made->done(std::unexpected(blob.error()));
    made->object.blob = *blob;
    writeRow(*this, made);
  });
}

void Service::ensureBucket(store::Txn& txn, std::string_view bucket) {
  Rows rows(txn, blobs_);
  if (!rows.bucket(bucket)) rows.putBucket({std::string(bucket), txn.now()});
}

bool Service::bucketExists(store::Txn& txn, std::string_view bucket) { return Rows(txn, blobs_).bucket(bucket).has_value(); }

Result<ObjectInfo> Service::get(store::Txn& txn, std::string_view bucket, std::string_view key) {
  Rows rows(txn, blobs_);
  if (auto exists = requireBucket(rows, bucket); !exists) return std::unexpected(errorOf(exists.error()));
  const auto object = rows.object(bucket, key);
  if (!object) return std::unexpected(errorOf(noSuchKey(key)));
  return infoOf(key, *object);
}

Result<std::shared_ptr<ObjectReader>> Service::open(store::Txn& txn, std::string_view bucket, std::string_view key) {
  SP_TRY(const auto info, get(txn, bucket, key));
  Rows rows(txn, blobs_);
  return blobs_.reader(rows.segmentsOf(*rows.object(bucket, key), 0, info.size));
}

Result<std::vector<ObjectInfo>> Service::list(store::Txn& txn, std::string_view bucket, std::string_view prefix, std::string_view after,
                                              std::size_t limit) {
  Rows rows(txn, blobs_);
  if (auto exists = requireBucket(rows, bucket); !exists) return std::unexpected(errorOf(exists.error()));
  // The least key greater than `after` is `after` and a NUL.
  std::string from(after);
  if (!from.empty()) from += '\0';
  std::vector<ObjectInfo> found;
  for (const auto& record : txn.objects().scan(bucket, prefix, from, limit)) found.push_back(infoOf(record.key, decodeObject(record.body)));
  return found;
}

bool Service::erase(store::Txn& txn, std::string_view bucket, std::string_view key) { return Rows(txn, blobs_).eraseObject(bucket, key); }

}  // namespace sp::services::s3
