// What all S3 operations share: the context, the pool, the blobs.
#pragma once
#include <memory>
#include <string>

#include "services/context.h"
#include "services/s3/call.h"
#include "services/s3/data/blobs.h"
#include "services/s3/data/pool.h"
#include "services/s3/objects.h"

namespace sp::services::s3 {

class Service final : public Objects {
 public:
  explicit Service(const Context& context);

  const Context& context() const { return context_; }
  Pool& pool() { return pool_; }
  Blobs& blobs() { return blobs_; }

  std::unique_ptr<Run> begin(Request request);
  Response answer(store::Txn& txn, Request request, std::string body);
  void sweep();

  /// Status of an answer that tells only that a look was taken: the request goes on, in another job.
  static constexpr int kLooked = 0;
  /// Runs `work` as a core job and hands its answer on when it is durable. `refused` (may be empty) runs instead of a
  /// commit: the answer is an error or could not be made durable.
  void runJob(std::shared_ptr<Call> call, std::function<Answer(Rows&, const Call&)> work, std::function<void(Response)> reply,
              std::function<void()> refused = {});
  /// The response to send: ids added, errors written as XML, bodies dropped where HTTP has none.
  static Response finished(const Request& request, Answer answer);

  // Objects
  void putBytes(std::string bucket, std::string key, std::string bytes, std::string content_type, Stored done) override;
  Result<std::unique_ptr<Incoming>> begin() override;
  void store(std::string bucket, std::string key, std::string content_type, std::unique_ptr<Incoming> incoming, Stored done) override;
  void ensureBucket(store::Txn& txn, std::string_view bucket) override;
  bool bucketExists(store::Txn& txn, std::string_view bucket) override;
  Result<ObjectInfo> get(store::Txn& txn, std::string_view bucket, std::string_view key) override;
  Result<std::shared_ptr<ObjectReader>> open(store::Txn& txn, std::string_view bucket, std::string_view key) override;
  Result<std::vector<ObjectInfo>> list(store::Txn& txn, std::string_view bucket, std::string_view prefix, std::string_view after,
                                       std::size_t limit) override;
  bool erase(store::Txn& txn, std::string_view bucket, std::string_view key) override;

 private:
  Context context_;
  Pool pool_;
  Blobs blobs_;
};

}  // namespace sp::services::s3
