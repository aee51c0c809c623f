#include "aws/aws_chunked.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/strings.h"

namespace sp::aws {
namespace {

// A size line is at most 16 hex digits and a signature; a trailer a name and a checksum.
constexpr std::size_t kLineBytes = 4096;
constexpr std::size_t kTrailers = 16;
constexpr std::string_view kSignaturePart = ";chunk-signature=";

std::unexpected<ApiError> malformedChunk(std::string_view what) {
  return refuse("InvalidRequest", fmt::format("The aws-chunked body is malformed: {}.", what));
}
std::unexpected<ApiError> malformedTrailer() {
  return refuse("MalformedTrailerError",
                "The request contained trailing data that was not well-formed or did not conform to our published schema.");
}
std::unexpected<ApiError> incomplete(std::string message) { return refuse("IncompleteBody", std::move(message)); }

}  // namespace

ChunkedDecoder::ChunkedDecoder(const VerifiedRequest& request, std::string_view announced, std::optional<std::uint64_t> decoded_length)
    : payload_(request.payload),
      time_(request.time),
      scope_(request.scope),
      key_(request.signing_key),
      previous_(request.signature),
      decoded_length_(decoded_length) {
  for (const auto name : split(announced, ','))
    if (const auto trimmed = trim(name); !trimmed.empty()) announced_.push_back(toLower(trimmed));
}

std::expected<void, ApiError> ChunkedDecoder::feed(std::string_view bytes, std::string& out) {
  while (!bytes.empty()) {
    if (state_ == State::done) return malformedChunk("bytes follow its end");
    if (state_ == State::data) {
      const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
      const auto piece = bytes.substr(0, take);
      if (isSigned()) chunk_hash_.update(piece);
      out.append(piece);
      bytes.remove_prefix(take);
      left_ -= take;
      if (left_ == 0) state_ = State::dataEnd;
      continue;
    }
    const auto end = bytes.find('\n');
    const auto take = end == std::string_view::npos ? bytes.size() : end + 1;
    if (line_.size() + take > kLineBytes) return malformedChunk("a line is longer than 4096 bytes");
    line_.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    if (end == std::string_view::npos) break;
    std::string_view line = line_;
    line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (auto ok = onLine(line); !ok) return ok;
    line_.clear();
  }
  return {};
}

std::expected<void, ApiError> ChunkedDecoder::onLine(std::string_view line) {
  switch (state_) {
    case State::size: return onSize(line);
    case State::dataEnd:
      if (!line.empty()) return malformedChunk("a chunk is longer than its size says");
      return chunkDone();
    case State::trailer: return onTrailer(line);
    default: return malformedChunk("it goes on after its end");
  }
}

std::expected<void, ApiError> ChunkedDecoder::onSize(std::string_view line) {
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
  if (error != std::errc{}) return malformedChunk("a chunk does not begin with its size in hex digits");
  const auto rest = line.substr(static_cast<std::size_t>(end - line.data()));
  if (isSigned()) {
    if (!rest.starts_with(kSignaturePart)) return malformedChunk("a chunk has no chunk-signature");
    chunk_signature_ = rest.substr(kSignaturePart.size());
  } else if (!rest.empty() && rest.front() != ';') {
    return malformedChunk("a chunk does not begin with its size in hex digits");
  }
  given_ += size;
  if (given_ < size || (decoded_length_ && given_ > *decoded_length_))
    return incomplete(
        fmt::format("The body holds more than the {} bytes that x-amz-decoded-content-length announces.", decoded_length_.value_or(0)));
  left_ = size;
  last_chunk_ = size == 0;
  state_ = State::data;
  return last_chunk_ ? chunkDone() : std::expected<void, ApiError>{};
}

// The chunk's signature covers the one before, so that chunks can be neither left out nor exchanged.
std::expected<void, ApiError> ChunkedDecoder::chunkDone() {
  if (isSigned()) {
    static const auto kEmpty = sha256Hex("");
    const auto to_sign =
        fmt::format("AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{}\n{}", time_, scope_, previous_, kEmpty, toHex(chunk_hash_.finish()));
    if (auto ok = checkSignature(to_sign, chunk_signature_); !ok) return ok;
  }
  state_ = last_chunk_ ? State::trailer : State::size;
  return {};
}

std::expected<void, ApiError> ChunkedDecoder::checkSignature(std::string_view to_sign, std::string_view given) {
  const auto expected = toHex(hmacSha256(key_, to_sign));
  if (!equalConstantTime(expected, given))
    return refuse("SignatureDoesNotMatch",
                  "The request signature we calculated does not match the signature you provided. Check your key and signing method.", 403);
  previous_ = expected;
  return {};
}

std::expected<void, ApiError> ChunkedDecoder::onTrailer(std::string_view line) {
  const bool wants_signature = payload_ == Payload::signedChunksTrailer && !trailer_signed_;
  if (line.empty()) {
    // Some clients end each trailer with a line feed and the block with an empty line before its signature.
    if (!wants_signature) state_ = State::done;
    return {};
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || payload_ == Payload::signedChunks || trailers_.size() >= kTrailers) return malformedTrailer();
  const auto name = toLower(trim(line.substr(0, colon)));
  const auto value = trim(line.substr(colon + 1));
  if (name != "x-amz-trailer-signature") {
    if (std::ranges::find(announced_, name) == announced_.end()) return malformedTrailer();
    trailers_.emplace_back(name, value);
    return {};
  }
  if (!wants_signature) return malformedTrailer();
  std::string canonical;
  for (const auto& [key, text] : trailers_) canonical.append(key).append(":").append(text).append("\n");
  trailer_signed_ = true;
  return checkSignature(fmt::format("AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{}", time_, scope_, previous_, sha256Hex(canonical)), value);
}

std::expected<void, ApiError> ChunkedDecoder::finish() {
  // The very last line end may be missing.
  if (state_ == State::trailer && !line_.empty()) {
    const auto line = std::exchange(line_, {});
    if (auto ok = onTrailer(trim(line)); !ok) return ok;
  }
  if (state_ != State::trailer && state_ != State::done) return incomplete("The request body terminated unexpectedly");
  if (decoded_length_ && given_ != *decoded_length_)
    return incomplete(fmt::format("The body holds {} bytes where x-amz-decoded-content-length announces {}.", given_, *decoded_length_));
  if (payload_ == Payload::signedChunksTrailer && !trailer_signed_) return malformedTrailer();
  for (const auto& name : announced_)
    if (std::ranges::none_of(trailers_, [&](const auto& trailer) { return trailer.first == name; })) return malformedTrailer();
  return {};
}

}  // namespace sp::aws
