#include "daemon/s3_front.h"

#include "aws/aws_chunked.h"
#include "base/log.h"
#include "base/strings.h"

namespace sp::daemon {
namespace {

namespace s3 = services::s3;

class ReaderSource final : public net::BodySource {
 public:
  explicit ReaderSource(std::shared_ptr<s3::ObjectReader> reader) : reader_(std::move(reader)) {}
  Result<std::string> read(std::size_t limit) override { return reader_->read(limit); }

 private:
  std::shared_ptr<s3::ObjectReader> reader_;
};

// "4F3C…": the first sixteen digits of a UUID, as S3 writes its ids.
std::string s3RequestId(std::string_view uuid) {
  std::string id;
  for (const char c : uuid) {
    if (c == '-') continue;
    id += c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
    if (id.size() == 16) break;
  }
  return id;
}

class S3Exchange final : public net::Exchange {
 public:
  S3Exchange(s3::S3& service, const Clock& clock, net::RequestHead head, aws::VerifiedRequest auth, std::string_view request_id)
      : clock_(clock), started_(clock.boottime()) {
    const auto mark = head.target.find('?');
    request_.method = std::move(head.method);
    request_.path = head.target.substr(0, mark);
    if (mark != std::string::npos) request_.query = head.target.substr(mark + 1);
    request_.headers.reserve(head.headers.size());
    for (auto& header : head.headers) request_.headers.emplace_back(std::move(header.name), std::move(header.value));
    request_.request_id = s3RequestId(request_id);
    request_.content_length = head.content_length;
    described_ = request_.method + " " + request_.path;
    request_id_ = request_.request_id;
    if (auth.payload == aws::Payload::hashed) request_.payload_sha256 = auth.payload_hash;
    if (auth.payload != aws::Payload::hashed && auth.payload != aws::Payload::open && !openChunks(auth)) return;
    run_ = service.begin(request_);
  }

  std::optional<net::Response> answerEarly() override {
    if (refusal_) return convert(s3::S3::refusal(request_, *refusal_));
    if (auto early = run_->answerEarly()) return convert(std::move(*early));
    return std::nullopt;
  }

  std::optional<net::Response> body(std::string_view bytes) override {
    if (!chunks_) {
      if (auto answer = run_->body(bytes)) return convert(std::move(*answer));
      return std::nullopt;
    }
    decoded_.clear();
    if (auto ok = chunks_->feed(bytes, decoded_); !ok) return convert(s3::S3::refusal(request_, ok.error()));
    if (decoded_.empty()) return std::nullopt;
    if (auto answer = run_->body(decoded_)) return convert(std::move(*answer));
    return std::nullopt;
  }

  void finish(std::function<void(net::Response)> reply) override {
    s3::Headers trailers;
    if (chunks_) {
      if (auto ok = chunks_->finish(); !ok) return reply(convert(s3::S3::refusal(request_, ok.error())));
      for (const auto& [name, value] : chunks_->trailers()) trailers.emplace_back(name, value);
    }
    run_->finish(trailers, [this, reply = std::move(reply)](s3::Response response) { reply(convert(std::move(response))); });
  }

 private:
  bool openChunks(const aws::VerifiedRequest& auth) {
    const auto text = s3::findHeader(request_.headers, "x-amz-decoded-content-length");
    const auto length = text ? parseInt(*text) : std::nullopt;
    if (!length || *length < 0) {
      refusal_ = aws::ApiError{"MissingContentLength", "You must provide the x-amz-decoded-content-length HTTP header.", 411, true, {}};
      return false;
    }
    request_.content_length = static_cast<std::uint64_t>(*length);
    chunks_.emplace(auth, s3::findHeader(request_.headers, "x-amz-trailer").value_or(""), request_.content_length);
    return true;
  }

  net::Response convert(s3::Response from) const {
    net::Response response;
    response.status = from.status;
    for (auto& [name, value] : from.headers) response.headers.push_back({std::move(name), std::move(value)});
    response.body = std::move(from.body);
    if (from.source) {
      response.length = from.source->size();
      response.source = std::make_shared<ReaderSource>(std::move(from.source));
    }
    if (from.head_length) response.length = *from.head_length;
    log(response.status);
    return response;
  }

  void log(int status) const {
    const auto level = status >= 500 && status != 501 ? log::Level::error : log::Level::debug;
    if (!log::enabled(level)) return;
    const auto took = clock_.boottime() - started_;
    log::write(level, "request",
               {{"requestId", request_id_}, {"service", "s3"}, {"operation", described_}, {"status", status}, {"us", took.count()}});
  }

  const Clock& clock_;
  Duration started_;
  s3::Request request_;
  std::string described_;
  std::string request_id_;
  std::optional<aws::ApiError> refusal_;
  std::optional<aws::ChunkedDecoder> chunks_;
  std::string decoded_;
  std::unique_ptr<s3::Run> run_;
};

}  // namespace

std::unique_ptr<net::Exchange> S3Gate::begin(net::RequestHead head, aws::VerifiedRequest auth, std::string request_id) {
  return std::make_unique<S3Exchange>(s3_, clock_, std::move(head), std::move(auth), request_id);
}

}  // namespace sp::daemon
