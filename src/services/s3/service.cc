#include "services/s3/service.h"

#include <future>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "services/s3/data/receiver.h"
#include "services/s3/operations.h"
#include "services/s3/wire/xml.h"

namespace sp::services::s3 {
namespace {

constexpr unsigned kPoolThreads = 4;
// DeleteObjects: 1000 keys of 1024 bytes, each byte written as a character reference; CompleteMultipartUpload: 10,000 parts.
constexpr std::size_t kXmlBodyMax = 8U << 20U;
constexpr std::size_t kKeyMax = 1024;

// An operation that is one core job.
class JobRun final : public Run {
 public:
  JobRun(std::shared_ptr<Call> call, const Operation& operation)
      : call_(std::move(call)), operation_(operation), check_hash_(!call_->request.payload_sha256.empty()) {}

  std::optional<Response> answerEarly() override { return std::nullopt; }

  std::optional<Response> body(std::string_view bytes) override {
    if (check_hash_) sha256_.update(bytes);
    if (!operation_.takes_body) return std::nullopt;
    if (call_->body.size() + bytes.size() > kXmlBodyMax)
      return Service::finished(call_->request, aws::refuse("MaxMessageLengthExceeded",
                                                           fmt::format("Your request was too big: at most {} bytes of XML", kXmlBodyMax)));
    call_->body += bytes;
    return std::nullopt;
  }

  void finish(const Headers& trailers, std::function<void(Response)> reply) override {
    call_->trailers = trailers;
    if (check_hash_) {
      const auto computed = toHex(sha256_.finish());
      if (!equalsIgnoreCase(computed, call_->request.payload_sha256))
        return reply(Service::finished(call_->request, std::unexpected(badPayloadHash(call_->request.payload_sha256, computed))));
    }
    call_->service.runJob(call_, operation_.handle, std::move(reply));
  }

 private:
  std::shared_ptr<Call> call_;
  const Operation& operation_;
  Hasher sha256_{HashKind::sha256};
  bool check_hash_;
};

// Opaque to clients; only has to differ from request to request.
std::string hostId(const Request& request) { return toBase64(sha256(request.request_id) + sha256(request.path)); }

void stamp(const Request& request, Headers& headers) {
  headers.emplace_back("x-amz-request-id", request.request_id);
  headers.emplace_back("x-amz-id-2", hostId(request));
}

// Bucket and key of a raw path; an error if they cannot be.
std::expected<void, aws::ApiError> takeApart(Call& call) {
  std::string_view path = call.request.path;
  if (path.starts_with('/')) path.remove_prefix(1);
  const auto slash = path.find('/');
  auto bucket = percentDecode(path.substr(0, slash));
  auto key = percentDecode(slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1));
  auto query = Query::parse(call.request.query);
  if (!bucket || !key || !query || !isUtf8(*key) || key->find('\0') != std::string::npos)
    return aws::refuse("InvalidURI", "Couldn't parse the specified URI.");
  call.bucket = std::move(*bucket);
  call.key = std::move(*key);
  call.query = std::move(*query);
  return {};
}

// What no operation takes, looked at once it is known that there is one.
std::expected<void, aws::ApiError> checkNames(const Call& call) {
  if (!call.bucket.empty() && !isBucketName(call.bucket)) {
    aws::ApiError error{"InvalidBucketName", "The specified bucket is not valid.", 400, true, {}};
    error.extra["BucketName"] = call.bucket;
    return std::unexpected(std::move(error));
  }
  if (call.key.size() > kKeyMax) {
    aws::ApiError error{"KeyTooLongError", "Your key is too long", 400, true, {}};
    error.extra["Size"] = std::to_string(call.key.size());
    error.extra["MaxSizeAllowed"] = std::to_string(kKeyMax);
    return std::unexpected(std::move(error));
  }
  const auto owner = call.header("x-amz-expected-bucket-owner");
  if (owner && *owner != call.service.context().realm.account) return aws::refuse("AccessDenied", "Access Denied", 403);
  return {};
}

}  // namespace

Service::Service(const Context& context) : context_(context), pool_(kPoolThreads), blobs_(context_.blobs, pool_) {}

std::unique_ptr<Run> Service::begin(Request request) {
  auto call = std::make_shared<Call>(Call{*this, std::move(request), {}, {}, {}, {}, {}, {}});
  if (call->request.request_id.empty()) call->request.request_id = S3::newRequestId(context_.random);
  if (auto apart = takeApart(*call); !apart) return refusedRun(call, std::move(apart.error()));
  const auto operation = route(*call);
  if (!operation) return refusedRun(call, operation.error());
  if (auto named = checkNames(*call); !named) return refusedRun(call, std::move(named.error()));
  if ((*operation)->start != nullptr) return (*operation)->start(std::move(call));
  return std::make_unique<JobRun>(std::move(call), **operation);
}

Response Service::answer(store::Txn& txn, Request request, std::string body) {
  auto call = std::make_shared<Call>(Call{*this, std::move(request), {}, {}, {}, {}, std::move(body), {}});
  if (call->request.request_id.empty()) call->request.request_id = S3::newRequestId(context_.random);
  const auto refused = [&call](const aws::ApiError& error) { return finished(call->request, std::unexpected(error)); };
  if (const auto apart = takeApart(*call); !apart) return refused(apart.error());
  const auto operation = route(*call);
  if (!operation) return refused(operation.error());
  if (const auto named = checkNames(*call); !named) return refused(named.error());
  if ((*operation)->handle == nullptr) return refused(notImplemented((*operation)->name));
  Answer answer = aws::refuse("InternalError", "We encountered an internal error. Please try again.", 500);
  txn.nested([&] {
    Rows rows(txn, blobs_);
    answer = (*operation)->handle(rows, *call);
    return answer.has_value();
  });
  return finished(call->request, std::move(answer));
}

void Service::runJob(std::shared_ptr<Call> call, std::function<Answer(Rows&, const Call&)> work, std::function<void(Response)> reply,
                     std::function<void()> refused) {
  auto answer = std::make_shared<Answer>(aws::refuse("InternalError", "We encountered an internal error. Please try again.", 500));
  const bool deletes = call->request.method == "DELETE" || call->subresource == "delete";
  const auto post = deletes ? &runtime::Core::postDeletion : &runtime::Core::post;
  (context_.core.*post)(
      [this, call, answer, work = std::move(work)](store::Txn& txn) {
        Rows rows(txn, blobs_);
        *answer = work(rows, *call);
        if (answer->has_value() && (*answer)->status != kLooked && call->request.within)
          call->request.within(txn, finished(call->request, **answer));
        return answer->has_value();
      },
      [call, answer, reply = std::move(reply), refused = std::move(refused)](const Error* error) {
        if (error != nullptr) *answer = std::unexpected(internalFailure(*error));
        if (!*answer && refused) refused();
        reply(finished(call->request, std::move(*answer)));
      });
}

Response Service::finished(const Request& request, Answer answer) {
  if (!answer) return S3::refusal(request, answer.error());
  auto response = std::move(*answer);
  stamp(request, response.headers);
  if (request.method == "HEAD") {
    if (!response.head_length) response.head_length = response.source ? response.source->size() : response.body.size();
    response.body.clear();
    response.source = nullptr;
  }
  return response;
}

void Service::sweep() {
  std::promise<void> swept;
  context_.core.post(
      [this](store::Txn& txn) {
        context_.blobs.sweep([&txn](std::string_view id) { return Blobs::isReferenced(txn, id); });
        return true;
      },
      [&swept](const Error* /*error*/) { swept.set_value(); });
  swept.get_future().wait();
}

S3::S3(const Context& context) : service_(std::make_unique<Service>(context)) {
  context.core.onTimer(std::string(kForgetUploadTimer),
                       [](store::Txn& txn, const store::Timer& timer) { forgetCompletedUpload(txn, timer.id); });
}

S3::~S3() = default;

void S3::sweep() { service_->sweep(); }
std::unique_ptr<Run> S3::begin(Request request) { return service_->begin(std::move(request)); }
Response S3::answer(store::Txn& txn, Request request, std::string body) {
  return service_->answer(txn, std::move(request), std::move(body));
}
Objects& S3::objects() { return *service_; }

std::string S3::newRequestId(Random& random) {
  auto id = random.hex(16);
  for (auto& c : id)
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
  return id;
}

Response S3::refusal(const Request& request, const aws::ApiError& error) {
  Response response;
  response.status = error.status;
  stamp(request, response.headers);
  if (request.method == "HEAD") {
    response.head_length = 0;
    return response;
  }
  XmlWriter xml("Error", "");
  xml.text("Code", error.code).text("Message", error.message);
  for (const auto& member : error.extra)
    xml.text(member.key(), member.value().is_string() ? json::toView(member.value().as_string()) : json::toText(member.value()));
  const auto decoded = percentDecode(request.path);
  // A path that is no text is named as it came.
  const bool readable = decoded && isUtf8(*decoded) && decoded->find('\0') == std::string::npos;
  xml.text("Resource", readable ? *decoded : request.path);
  xml.text("RequestId", request.request_id).text("HostId", hostId(request));
  response.headers.emplace_back("Content-Type", "application/xml");
  response.body = xml.finish();
  return response;
}

}  // namespace sp::services::s3
