// S3: buckets and objects. Unlike the other services it is not a ServiceTable, because its bodies are streams.
//
// A request travels in three steps: begin() with the authenticated head (network thread), body() for each decoded piece
// (network thread, straight into a blob), finish() (fsync on a small pool, then the row in a core job, then the answer).
// https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aws/api_error.h"
#include "base/result.h"
#include "services/context.h"
#include "services/s3/objects.h"

namespace sp::services::s3 {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// First value of that name (case-insensitive), or nullopt.
std::optional<std::string_view> findHeader(const Headers& headers, std::string_view name);

/// A request whose signature is good.
struct Response {
  int status = 200;
  /// Without Content-Length.
  Headers headers;
  std::string body;
  /// Used instead of `body` if set: its whole content. Read it on one thread at a time, in pieces of at most 256 KiB.
  std::shared_ptr<ObjectReader> source;
  /// Answer to HEAD: nothing is sent, Content-Length is this.
  std::optional<std::uint64_t> head_length;
};

struct Request {
  std::string method;
  /// As sent, undecoded: "/bucket/a%20b".
  std::string path;
  /// As sent, undecoded, without '?'.
  std::string query;
  Headers headers;
  /// Sixteen upper-case hex digits for x-amz-request-id; empty: begin() makes one.
  std::string request_id;
  /// Hex SHA-256 the signature promises for the body (x-amz-content-sha256); empty when it promises none or when the
  /// caller checks it itself (signed chunks).
  std::string payload_sha256;
  /// Bytes of the decoded body: x-amz-decoded-content-length, else Content-Length; nullopt if unknown.
  std::optional<std::uint64_t> content_length;
  /// Called on the core thread in the transaction that writes what was asked, with the answer: what it writes is durable with that, or
  /// not at all. Not where the answer is a refusal. Empty: nobody takes part.
  std::function<void(store::Txn&, const Response&)> within;
};

/// One request under way. answerEarly, body and finish are called in this order by one thread.
class Run {
 public:
  virtual ~Run() = default;
  /// A refusal that needs no body; the body is then not sent.
  virtual std::optional<Response> answerEarly() = 0;
  /// The next decoded piece. An answer ends the request.
  virtual std::optional<Response> body(std::string_view bytes) = 0;
  /// The body is complete. `trailers` are the trailing headers of an aws-chunked body. `reply` is called exactly once,
  /// from any thread; the Run lives until then.
  virtual void finish(const Headers& trailers, std::function<void(Response)> reply) = 0;
};

class Service;

class S3 {
 public:
  /// Registers its timer, so before core.start(). `context` outlives it.
  explicit S3(const Context& context);
  S3(const S3&) = delete;
  S3& operator=(const S3&) = delete;
  /// Waits for what its pool is doing. The core must be stopped first.
  ~S3();

  /// Removes blobs that no row names, and waits for it. Once, after core.start(); not on the core thread. What this process
  /// writes meanwhile is not touched.
  void sweep();

  std::unique_ptr<Run> begin(Request request);
  /// An operation that is one job, done within the caller's transaction; what it wrote before it refused is undone. 501 for
  /// those whose bodies are streams (PutObject, CopyObject, UploadPart, UploadPartCopy). Core thread.
  Response answer(store::Txn& txn, Request request, std::string body);

  /// The error as S3 writes it, with request ids; for refusals made before begin() (bad signature).
  static Response refusal(const Request& request, const aws::ApiError& error);
  /// What x-amz-request-id looks like.
  static std::string newRequestId(Random& random);

  /// For the other services.
  Objects& objects();

 private:
  std::unique_ptr<Service> service_;
};

}  // namespace sp::services::s3
