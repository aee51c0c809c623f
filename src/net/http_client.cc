#include "net/http_client.h"

#include <fmt/format.h>
#include <boost/beast/http/basic_parser.hpp>

#include "base/strings.h"
#include "net/blocking_stream.h"
#include "net/last_chunk.h"

namespace sp::net {
namespace http = boost::beast::http;
namespace {

using ErrorCode = boost::beast::error_code;
using BeastView = boost::beast::string_view;
using Sink = std::function<Result<void>(std::string_view)>;
constexpr std::size_t kPiece = 64 * 1024;
constexpr std::uint32_t kHeadLimit = 256 * 1024;

class ResponseParser final : public http::basic_parser<false> {
 public:
  explicit ResponseParser(const Sink& sink) : sink_(sink) {
    header_limit(kHeadLimit);
    body_limit(boost::none);
    eager(true);
  }
  Response response;
  std::optional<Error> refused;

 private:
  void on_request_impl(http::verb, BeastView, BeastView, int, ErrorCode&) override {}
  void on_response_impl(int status, BeastView, int, ErrorCode&) override { response.status = status; }
  void on_field_impl(http::field, BeastView name, BeastView value, ErrorCode&) override {
    response.headers.push_back({std::string(name.data(), name.size()), std::string(value.data(), value.size())});
  }
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(BeastView body, ErrorCode& ec) override { return take(body, ec); }
  void on_chunk_header_impl(std::uint64_t, BeastView, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, BeastView body, ErrorCode& ec) override { return take(body, ec); }
  void on_finish_impl(ErrorCode&) override {}

  std::size_t take(BeastView body, ErrorCode& ec) {
    if (auto ok = sink_(std::string_view(body.data(), body.size())); !ok) {
      refused = std::move(ok.error());
      ec = http::error::body_limit;
    }
    return body.size();
  }

  const Sink& sink_;
};

// How far an attempt came decides whether it may be tried again.
struct Attempt {
  Result<Response> result;
  bool answered = false;
  bool body_taken = false;
};

class Client final : public HttpClient {
 public:
  Client(std::string host, std::uint16_t port, std::optional<ClientTls> tls, int timeout_seconds)
      : host_(std::move(host)), port_(port), tls_(std::move(tls)), timeout_ms_(timeout_seconds * 1000) {}

  Result<Response> send(const ClientRequest& request, std::size_t body_limit) override {
    std::string body;
    auto response = stream(request, [&](std::string_view bytes) -> Result<void> {
      if (body.size() + bytes.size() > body_limit)
        return fail("net.too_large", fmt::format("the answer of {} is larger than {} bytes", host_, body_limit));
      body.append(bytes);
      return {};
    });
    if (response) response->body = std::move(body);
    return response;
  }

  Result<Response> stream(const ClientRequest& request, const Sink& sink) override {
    const bool reused = stream_ != nullptr;
    auto attempt = once(request, sink);
    if (!attempt.result) stream_.reset();
    // The server may close a kept connection at the moment we use it: then nothing was answered, and once more is safe
    // to ask on a fresh one.
    const bool stale = reused && !attempt.result && !attempt.answered && !attempt.body_taken && attempt.result.error().code == "net.closed";
    if (stale) attempt = once(request, sink);
    if (!attempt.result) stream_.reset();
    return std::move(attempt.result);
  }

 private:
  Attempt once(const ClientRequest& request, const Sink& sink) {
    Attempt attempt;
    if (!stream_) {
      auto connected = connectBlocking(host_, port_, tls_, timeout_ms_);
      if (!connected) {
        attempt.result = std::unexpected(std::move(connected.error()));
        return attempt;
      }
      stream_ = std::move(*connected);
      left_over_.clear();
    }
    auto written = write(request, attempt);
    // A server that refuses a body answers before it has read it all: look for the answer even if writing broke.
    if (!written && written.error().code != "net.closed") {
      attempt.result = std::unexpected(std::move(written.error()));
      return attempt;
    }
    attempt.result = readAnswer(request, sink, attempt.answered);
    if (!attempt.result && !written) attempt.result = std::unexpected(std::move(written.error()));
    return attempt;
  }

  std::string headOf(const ClientRequest& request) const {
    auto head = fmt::format("{} {} HTTP/1.1\r\n", request.method, request.target);
    if (!findHeader(request.headers, "Host")) {
      const bool v6 = host_.find(':') != std::string::npos;
      head += fmt::format("Host: {}{}{}:{}\r\n", v6 ? "[" : "", host_, v6 ? "]" : "", port_);
    }
    for (const auto& header : request.headers) head.append(header.name).append(": ").append(header.value).append("\r\n");
    const auto length = request.body_source ? request.body_length : request.body.size();
    const bool bodiless = length == 0 && (request.method == "GET" || request.method == "HEAD" || request.method == "DELETE");
    if (!bodiless && !findHeader(request.headers, "Content-Length")) head += fmt::format("Content-Length: {}\r\n", length);
    head += "\r\n";
    return head;
  }

  Result<void> write(const ClientRequest& request, Attempt& attempt) {
    auto head = headOf(request);
    if (!request.body_source && request.body.size() <= kPiece) return stream_->write(head + request.body, timeout_ms_);
    SP_CHECK_OK(stream_->write(head, timeout_ms_));
    if (!request.body_source) return stream_->write(request.body, timeout_ms_);
    for (std::uint64_t left = request.body_length; left > 0;) {
      attempt.body_taken = true;
      SP_TRY(const auto piece, request.body_source(static_cast<std::size_t>(std::min<std::uint64_t>(left, kPiece))));
      if (piece.empty() || piece.size() > left)
        return fail("net.protocol",
                    fmt::format("the request's body has other than the {} bytes it was announced with", request.body_length));
      SP_CHECK_OK(stream_->write(piece, timeout_ms_));
      left -= piece.size();
    }
    return {};
  }

  Result<Response> readAnswer(const ClientRequest& request, const Sink& sink, bool& answered) {
    while (true) {
      ResponseParser parser(sink);
      if (request.method == "HEAD") parser.skip(true);
      SP_CHECK_OK(parse(parser, answered));
      if (parser.response.status / 100 == 1 && parser.response.status != 101) continue;
      if (!parser.keep_alive()) stream_.reset();
      return std::move(parser.response);
    }
  }

  Result<void> parse(ResponseParser& parser, bool& answered) {
    while (!parser.is_done()) {
      ErrorCode ec;
      std::size_t used = 0;
      if (!left_over_.empty() && !(parser.chunked() && isLastChunkCut(left_over_)))
        used = parser.put(boost::asio::const_buffer(left_over_.data(), left_over_.size()), ec);
      left_over_.erase(0, used);
      if (parser.refused) return std::unexpected(std::move(*parser.refused));
      if (ec && ec != http::error::need_more)
        return fail("net.protocol", fmt::format("{}:{} does not speak HTTP: {}", host_, port_, ec.message()));
      if (parser.is_done()) break;
      const auto old = left_over_.size();
      left_over_.resize(old + kPiece);
      const auto got = stream_->read(left_over_.data() + old, kPiece, timeout_ms_);
      left_over_.resize(old + (got ? *got : 0));
      if (!got) return std::unexpected(got.error());
      if (*got > 0) {
        answered = true;
        continue;
      }
      if (!parser.got_some()) return fail("net.closed", fmt::format("{}:{} closed the connection without an answer", host_, port_));
      parser.put_eof(ec);
      if (ec) return fail("net.closed", fmt::format("{}:{} closed the connection in the middle of its answer", host_, port_));
    }
    return {};
  }

  std::string host_;
  std::uint16_t port_;
  std::optional<ClientTls> tls_;
  int timeout_ms_;
  std::unique_ptr<BlockingStream> stream_;
  std::string left_over_;
};

}  // namespace

std::unique_ptr<HttpClient> makeHttpClient(const std::string& host, std::uint16_t port, const std::optional<ClientTls>& tls,
                                           int timeout_seconds) {
  return std::make_unique<Client>(host, port, tls, timeout_seconds);
}

}  // namespace sp::net
