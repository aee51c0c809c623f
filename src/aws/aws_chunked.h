// Content-Encoding "aws-chunked": S3's bodies in chunks, each with a signature or with a checksum in the trailer. It lies
// inside HTTP's own chunks, which are already gone here.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "aws/api_error.h"
#include "aws/sigv4.h"
#include "base/hash.h"

namespace sp::aws {

/// Takes the encoded body piece by piece, gives the decoded bytes, checks every signature. What it has given is only good
/// once finish() has said so.
class ChunkedDecoder {
 public:
  /// `announced`: the value of x-amz-trailer (comma-separated names; each must come). `decoded_length`:
  /// x-amz-decoded-content-length.
  ChunkedDecoder(const VerifiedRequest& request, std::string_view announced, std::optional<std::uint64_t> decoded_length);

  /// Appends what it decoded to `out`. After an error nothing more may be fed.
  std::expected<void, ApiError> feed(std::string_view bytes, std::string& out);
  /// The body has ended: complete, and all of what was announced has come.
  std::expected<void, ApiError> finish();
  /// Trailing headers, names in lower case, without the signature. After finish().
  const HeaderPairs& trailers() const { return trailers_; }

 private:
  enum class State { size, data, dataEnd, trailer, done };

  std::expected<void, ApiError> onLine(std::string_view line);
  std::expected<void, ApiError> onSize(std::string_view line);
  std::expected<void, ApiError> onTrailer(std::string_view line);
  std::expected<void, ApiError> chunkDone();
  std::expected<void, ApiError> checkSignature(std::string_view to_sign, std::string_view given);
  bool isSigned() const { return payload_ != Payload::chunkedTrailer; }

  const Payload payload_;
  const std::string time_;
  const std::string scope_;
  const std::string key_;
  std::string previous_;
  std::vector<std::string> announced_;
  std::optional<std::uint64_t> decoded_length_;

  State state_ = State::size;
  std::string line_;
  std::uint64_t left_ = 0;
  std::uint64_t given_ = 0;
  bool last_chunk_ = false;
  bool trailer_signed_ = false;
  std::string chunk_signature_;
  Hasher chunk_hash_{HashKind::sha256};
  HeaderPairs trailers_;
};

}  // namespace sp::aws
