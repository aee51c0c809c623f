#include "net/request_parser.h"

#include <boost/beast/http/basic_parser.hpp>

#include "base/strings.h"
#include "net/last_chunk.h"

namespace sp::net {
namespace http = boost::beast::http;
namespace {
using ErrorCode = boost::beast::error_code;
using BeastView = boost::beast::string_view;
std::string_view plain(BeastView text) { return {text.data(), text.size()}; }
// Of a chunk's line or a trailer; without it a client could make us keep any amount.
constexpr std::size_t kChunkLineBytes = 16 * 1024;
}  // namespace

// Beast's parser calls these while it eats; `next` then tells the caller in its own words.
class RequestParser::Core final : public http::basic_parser<true> {
 public:
  explicit Core(const HttpLimits& limits) : limits_(limits) {
    header_limit(static_cast<std::uint32_t>(limits.head_bytes));
    body_limit(boost::none);
  }

  RequestHead head;
  std::string_view piece;
  std::size_t head_size = 0;
  bool head_told = false;
  bool finished = false;
  bool too_large = false;
  int hosts = 0;
  int version = 11;

 private:
  void on_request_impl(http::verb, BeastView method, BeastView target, int http_version, ErrorCode&) override {
    version = http_version;
    head.method.assign(method.data(), method.size());
    head.target.assign(target.data(), target.size());
    head.headers.reserve(16);
    head_size = method.size() + target.size() + 12;
  }
  void on_response_impl(int, BeastView, int, ErrorCode&) override {}
  void on_field_impl(http::field field, BeastView name, BeastView value, ErrorCode& ec) override {
    head_size += name.size() + value.size() + 4;
    if (head_size > limits_.head_bytes || head.headers.size() >= limits_.headers) {
      too_large = true;
      ec = http::error::header_limit;
      return;
    }
    if (head_told) return;  // a trailer
    if (field == http::field::host) ++hosts;
    if (field == http::field::expect) head.expects_continue = equalsIgnoreCase(plain(value), "100-continue");
    head.headers.push_back({std::string(plain(name)), std::string(plain(value))});
  }
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(BeastView body, ErrorCode&) override {
    piece = plain(body);
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, BeastView, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, BeastView body, ErrorCode&) override {
    piece = plain(body);
    return body.size();
  }
  void on_finish_impl(ErrorCode&) override { finished = true; }

  const HttpLimits& limits_;
};

RequestParser::RequestParser(const HttpLimits& limits) : limits_(limits) { reset(); }
RequestParser::~RequestParser() = default;

void RequestParser::reset() { core_ = std::make_unique<Core>(limits_); }

bool RequestParser::keepAlive() const { return core_->keep_alive(); }
bool RequestParser::isHttp10() const { return core_->version < 11; }
bool RequestParser::midRequest() const { return core_->got_some() && !core_->is_done(); }

RequestHead RequestParser::takeHead() {
  auto head = std::move(core_->head);
  head.content_length.reset();
  if (!core_->chunked()) {
    const auto length = core_->content_length();
    head.content_length = length ? *length : 0;
  }
  return head;
}

namespace {

using Step = RequestParser::Step;

RequestParser::Event headTooLarge(std::string_view rest, std::size_t limit, bool line_done) {
  if (!line_done && rest.substr(0, limit).find("\r\n") == std::string_view::npos)
    return {Step::error, {}, 414, "The request line is longer than this server accepts."};
  return {Step::error, {}, 431, "The request's headers are larger or more than this server accepts."};
}

RequestParser::Event parseError(const ErrorCode& ec, bool in_head) {
  if (ec == http::error::bad_version) return {Step::error, {}, 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here."};
  if (!in_head) return {Step::error, {}, 400, "The chunked body is malformed."};
  return {Step::error, {}, 400, "The request line or a header is malformed."};
}

}  // namespace

RequestParser::Event RequestParser::next(std::string_view& input) {
  if (core_->finished) return {Step::complete, {}, 0, {}};
  // Empty lines before a request line are allowed (RFC 9112 2.2).
  while (!core_->got_some() && input.starts_with("\r\n")) input.remove_prefix(2);
  if (!core_->got_some() && input == "\r") return {Step::needMore, {}, 0, {}};
  while (!input.empty()) {
    if (core_->head_told && core_->chunked() && isLastChunkCut(input)) break;
    ErrorCode ec;
    core_->piece = {};
    const auto used = core_->put(boost::asio::const_buffer(input.data(), input.size()), ec);
    input.remove_prefix(used);
    if (ec == http::error::need_more) {
      if (core_->head_told) {
        if (input.size() > kChunkLineBytes) return {Step::error, {}, 400, "A chunk's line is longer than 16 KiB."};
      } else if (input.size() >= limits_.head_bytes) {
        return headTooLarge(input, limits_.head_bytes, !core_->head.method.empty());
      }
      return {Step::needMore, {}, 0, {}};
    }
    if (ec && !core_->head_told && (core_->too_large || ec == http::error::header_limit))
      return headTooLarge(input, limits_.head_bytes, !core_->head.method.empty());
    if (ec) return parseError(ec, !core_->head_told);
    if (!core_->head_told && core_->is_header_done()) {
      core_->head_told = true;
      if (core_->version >= 11 && core_->hosts != 1) return {Step::error, {}, 400, "An HTTP/1.1 request needs exactly one Host header."};
      return {Step::head, {}, 0, {}};
    }
    if (!core_->piece.empty()) return {Step::body, core_->piece, 0, {}};
    if (core_->finished) return {Step::complete, {}, 0, {}};
  }
  return {Step::needMore, {}, 0, {}};
}

}  // namespace sp::net
