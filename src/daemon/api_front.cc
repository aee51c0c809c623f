#include "daemon/api_front.h"

#include <atomic>

#include <fmt/format.h>

#include "aws/errors.h"
#include "base/hash.h"
#include "base/log.h"
#include "daemon/stream_front.h"

namespace sp::daemon {
namespace {

constexpr std::size_t kBodyLimit = 1024 * 1024;
constexpr std::size_t kItemsBodyLimit = 16 * 1024 * 1024;
constexpr std::string_view kHex = "0123456789abcdef";

std::size_t bodyLimit(std::string_view service) { return service == "dynamodb" ? kItemsBodyLimit : kBodyLimit; }

std::vector<aws::HeaderView> viewsOf(const net::Headers& headers) {
  std::vector<aws::HeaderView> views;
  views.reserve(headers.size());
  for (const auto& header : headers) views.push_back({header.name, header.value});
  return views;
}

net::Response toResponse(aws::Encoded encoded) {
  net::Response response;
  response.status = encoded.status;
  response.headers.reserve(encoded.headers.size());
  for (auto& [name, value] : encoded.headers) response.headers.push_back({std::move(name), std::move(value)});
  response.body = std::move(encoded.body);
  return response;
}

aws::ApiError tooLarge(std::size_t limit) {
  return {"RequestEntityTooLargeException", fmt::format("The body of this request may have at most {} bytes.", limit), 413, true, {}};
}

// Why the batch that held this request's writes did not become durable, in words for the caller.
aws::ApiError notDurable(const Error& error) {
  if (error.code == "core.stopped")
    return {"ServiceUnavailable", "The server is shutting down; send the request again when it runs.", 503, false, {}};
  if (error.code == "store.full")
    return {"InternalFailure",
            "The disk that holds the data directory is full: nothing was changed. Free some space and send the request again.",
            500,
            false,
            {}};
  return {"InternalFailure", "The change could not be made durable, so nothing was changed: " + error.message, 500, false, {}};
}

bool makesRoom(std::string_view operation) { return operation.starts_with("Delete") || operation == "TerminateInstances"; }

}  // namespace

// One request to an operation. The network thread makes it and feeds it; while the core thread works on it, nobody else
// touches it.
class ApiExchange final : public net::Exchange {
 public:
  ApiExchange(ApiFront& front, net::RequestHead head, std::string request_id)
      : front_(front),
        head_(std::move(head)),
        views_(viewsOf(head_.headers)),
        request_id_(std::move(request_id)),
        started_(front.clock_.boottime()) {}

  /// All that the head alone decides. True: S3 shall take over, with `auth()`.
  bool judge();
  net::RequestHead& head() { return head_; }
  aws::VerifiedRequest& auth() { return auth_; }
  void refuseUnserved() { refusal_ = aws::unknownOperation(destination_.protocol, destination_.service, "that this server offers"); }

  std::optional<net::Response> answerEarly() override {
    if (!refusal_) return std::nullopt;
    return answerRefusal();
  }
  std::optional<net::Response> body(std::string_view bytes) override {
    const auto limit = bodyLimit(destination_.service);
    if (body_.size() + bytes.size() > limit) {
      refusal_ = tooLarge(limit);
      return answerRefusal();
    }
    if (body_.empty() && head_.content_length)
      body_.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(*head_.content_length, limit)));
    body_.append(bytes);
    return std::nullopt;
  }
  void finish(std::function<void(net::Response)> reply) override;
  void peerGone() override;

 private:
  aws::RequestView view() const { return {head_.method, head_.target, views_}; }
  /// False: `refusal_` says why.
  bool verify(std::string_view payload_hash);
  bool verifyBody();
  bool understand();
  void refuse(const aws::AuthProblem& problem) { refusal_ = aws::authError(problem, destination_.protocol); }
  net::Response answerRefusal();
  net::Response answer(const aws::Outcome& outcome);
  aws::Outcome call(store::Txn* txn, Instant now, aws::LongPoll* poll = nullptr);
  void attempt();
  bool work(store::Txn& txn);
  void log(int status, std::string_view code) const;

  ApiFront& front_;
  net::RequestHead head_;
  std::vector<aws::HeaderView> views_;
  std::string request_id_;
  Duration started_;
  aws::Destination destination_;
  std::optional<aws::PendingAuth> pending_;
  aws::VerifiedRequest auth_;
  bool verified_ = false;
  /// An unsigned form: only its body tells in which service's words to refuse it.
  bool unsigned_form_ = false;
  std::optional<aws::ApiError> refusal_;
  std::string body_;
  aws::Decoded decoded_;
  aws::Outcome outcome_ = json::Object{};
  std::function<void(net::Response)> reply_;
  /// When a long poll is answered at the latest.
  std::optional<Instant> until_;
  /// What it waits in; 0: it does not wait.
  runtime::Waiters::Id waiting_ = 0;
  std::string topic_;
  /// Tells the core's jobs that outlive this exchange that nobody reads its answer any more.
  struct Peer {
    std::atomic<bool> gone{false};
    std::atomic<runtime::Waiters::Id> waiting{0};
  };
  std::shared_ptr<Peer> peer_ = std::make_shared<Peer>();
};

bool ApiExchange::judge() {
  const auto request = view();
  destination_ = front_.router_.route(request, aws::scopeService(request), "");
  using Kind = aws::Destination::Kind;
  unsigned_form_ = destination_.kind == Kind::unserved && destination_.protocol == aws::Protocol::query && !aws::hasCredentials(request);
  if (!unsigned_form_) {
    // A target names its service whatever the scope says.
    const auto target = request.header("X-Amz-Target");
    const auto* meant = target ? front_.router_.byTarget(*target) : nullptr;
    auto pending = front_.verifier_.begin(request, meant != nullptr ? meant->signing_name : destination_.service, front_.clock_.now());
    if (!pending) {
      refuse(pending.error());
      return false;
    }
    pending_ = std::move(*pending);
    if (pending_->head_decides && !verify(std::string(pending_->request.payload_hash))) return false;
  }
  if (destination_.kind == Kind::s3) return verified_;
  const auto limit = bodyLimit(destination_.service);
  if (head_.content_length && *head_.content_length > limit) refusal_ = tooLarge(limit);
  return false;
}

bool ApiExchange::verify(std::string_view payload_hash) {
  auto verified = front_.verifier_.finish(std::move(*pending_), payload_hash);
  pending_.reset();
  if (!verified) {
    refuse(verified.error());
    return false;
  }
  auth_ = std::move(*verified);
  verified_ = true;
  return true;
}

bool ApiExchange::verifyBody() {
  if (unsigned_form_) {
    destination_ = front_.router_.route(view(), "", body_);
    refuse({aws::AuthFault::noCredentials, "Missing Authentication Token", "Access Denied", {}});
    return false;
  }
  const auto hash = sha256Hex(body_);
  if (!verified_) return verify(hash);
  if (equalConstantTime(hash, auth_.payload_hash)) return true;
  refuse({aws::AuthFault::payloadMismatch,
          "The value of x-amz-content-sha256 is not the hash of the body.",
          "The provided 'x-amz-content-sha256' header does not match what was computed.",
          {}});
  return false;
}

bool ApiExchange::understand() {
  if (destination_.kind != aws::Destination::Kind::table) {
    refuseUnserved();
    return false;
  }
  auto decoded = front_.router_.decode(*destination_.table, view(), body_);
  if (!decoded) {
    refusal_ = std::move(decoded.error());
    return false;
  }
  decoded_ = std::move(*decoded);
  return true;
}

aws::Outcome ApiExchange::call(store::Txn* txn, Instant now, aws::LongPoll* poll) {
  const auto request = view();
  const aws::Call call{
      decoded_.input, txn, auth_.principal, front_.realm_, request_id_, request.header("amz-sdk-invocation-id").value_or(""), now, poll};
  try {
    return decoded_.operation->handler(call);
  } catch (const store::Fault&) { throw; } catch (const std::exception& e) {
    log::error(
        "an operation failed with an exception",
        {{"requestId", request_id_}, {"service", destination_.service}, {"operation", decoded_.operation->name}, {"error", e.what()}});
    return std::unexpected(aws::ApiError::internal(request_id_));
  }
}

void ApiExchange::finish(std::function<void(net::Response)> reply) {
  if (!verifyBody() || !understand()) return reply(answerRefusal());
  if (decoded_.operation->detached) return reply(answer(call(nullptr, front_.clock_.now())));
  reply_ = std::move(reply);
  attempt();
}

// Until there is something to answer.
void ApiExchange::attempt() {
  const auto post = makesRoom(decoded_.operation->name) ? &runtime::Core::postDeletion : &runtime::Core::post;
  (front_.core_.*post)([this](store::Txn& txn) { return work(txn); },
                       [this](const Error* error) {
                         if (error == nullptr && waiting_ != 0) return;
                         if (error != nullptr) {
                           if (waiting_ != 0 && !front_.core_.waiters().remove(waiting_)) return;
                           outcome_ = std::unexpected(notDurable(*error));
                         }
                         // The reply ends this exchange.
                         const auto reply = std::move(reply_);
                         reply(answer(outcome_));
                       });
}

bool ApiExchange::work(store::Txn& txn) {
  waiting_ = 0;
  const auto patience = decoded_.operation->patience;
  if (patience == Duration(0)) {
    outcome_ = call(&txn, txn.now());
    return outcome_.has_value();
  }
  auto& waiters = front_.core_.waiters();
  if (peer_->gone) {
    // What woke it is for the next one.
    if (!topic_.empty()) waiters.ring(topic_);
    outcome_ = json::Object{};
    return true;
  }
  if (!until_) until_ = txn.now() + patience;
  aws::LongPoll poll;
  outcome_ = call(&txn, txn.now(), txn.now() < *until_ && !waiters.closed() ? &poll : nullptr);
  if (!outcome_ || poll.topic.empty()) return outcome_.has_value();
  topic_ = poll.topic;
  waiting_ = waiters.add(std::move(poll.topic), *until_, [this] { attempt(); });
  peer_->waiting = waiting_;
  return true;
}

void ApiExchange::peerGone() {
  peer_->gone = true;
  front_.core_.post([&core = front_.core_, peer = peer_](store::Txn&) {
    core.waiters().wake(peer->waiting);
    return true;
  });
}

net::Response ApiExchange::answer(const aws::Outcome& outcome) {
  if (!outcome) {
    refusal_ = outcome.error();
    return answerRefusal();
  }
  auto encoded = aws::encodeOutput(*destination_.table, *decoded_.operation, *outcome, request_id_);
  log(encoded.status, "");
  return toResponse(std::move(encoded));
}

net::Response ApiExchange::answerRefusal() {
  log(refusal_->status, refusal_->code);
  return toResponse(aws::encodeError(destination_.protocol, *refusal_, request_id_, head_.method == "HEAD"));
}

void ApiExchange::log(int status, std::string_view code) const {
  const auto level = status >= 500 && status != 501 ? log::Level::error : log::Level::debug;
  if (!log::enabled(level)) return;
  const auto took = front_.clock_.boottime() - started_;
  log::write(level, "request",
             {{"requestId", request_id_},
              {"service", destination_.service},
              {"operation", decoded_.operation != nullptr ? std::string_view(decoded_.operation->name) : std::string_view("-")},
              {"status", status},
              {"code", code},
              {"message", refusal_ ? std::string_view(refusal_->message) : std::string_view()},
              {"remote", head_.remote},
              {"us", took.count()}});
}

ApiFront::ApiFront(std::vector<aws::ServiceTable> services, aws::KeyRing keys, const Realm& realm, runtime::Core& core, const Clock& clock,
                   Random& random)
    : router_(std::move(services)),
      keys_(std::move(keys)),
      realm_(realm),
      core_(core),
      clock_(clock),
      random_(random),
      verifier_(keys_, realm_) {}

ApiFront::~ApiFront() = default;

namespace {

/// An answer that the head alone decides.
class Refused final : public net::Exchange {
 public:
  explicit Refused(net::Response response) : response_(std::move(response)) {}
  std::optional<net::Response> answerEarly() override { return response_; }
  std::optional<net::Response> body(std::string_view) override { return response_; }
  void finish(std::function<void(net::Response)> reply) override { reply(response_); }

 private:
  net::Response response_;
};

}  // namespace

// No bucket is called so: names begin with a letter or a digit.
std::unique_ptr<net::Exchange> ApiFront::beginStream(net::RequestHead head, const std::string& request_id) {
  const auto views = viewsOf(head.headers);
  auto pending = verifier_.begin({head.method, head.target, views}, "stillpoint", clock_.now());
  std::optional<aws::AuthProblem> problem;
  if (!pending) {
    problem = std::move(pending.error());
  } else {
    const auto hash = pending->request.payload_hash.empty() ? sha256Hex("") : pending->request.payload_hash;
    if (auto verified = verifier_.finish(std::move(*pending), hash); !verified) problem = std::move(verified.error());
  }
  if (!problem) return streams_->begin(std::move(head));
  const auto protocol = aws::Protocol::json11;
  return std::make_unique<Refused>(toResponse(aws::encodeError(protocol, aws::authError(*problem, protocol), request_id)));
}

std::unique_ptr<net::Exchange> ApiFront::begin(net::RequestHead head) {
  auto request_id = newRequestId();
  if (streams_ != nullptr && head.target.starts_with(StreamFront::kPrefix)) return beginStream(std::move(head), request_id);
  auto exchange = std::make_unique<ApiExchange>(*this, std::move(head), request_id);
  if (!exchange->judge()) return exchange;
  if (s3_ == nullptr) {
    exchange->refuseUnserved();
    return exchange;
  }
  return s3_->begin(std::move(exchange->head()), std::move(exchange->auth()), std::move(request_id));
}

// A version 4 UUID.
std::string ApiFront::newRequestId() {
  if (chance_used_ + 16 > chance_.size()) {
    random_.fill(chance_);
    chance_used_ = 0;
  }
  std::string id;
  id.reserve(36);
  for (std::size_t i = 0; i < 16; ++i) {
    auto byte = chance_[chance_used_++];
    if (i == 6) byte = static_cast<std::uint8_t>((byte & 0x0fU) | 0x40U);
    if (i == 8) byte = static_cast<std::uint8_t>((byte & 0x3fU) | 0x80U);
    if (i == 4 || i == 6 || i == 8 || i == 10) id += '-';
    id += kHex[byte >> 4U];
    id += kHex[byte & 0xfU];
  }
  return id;
}

}  // namespace sp::daemon
