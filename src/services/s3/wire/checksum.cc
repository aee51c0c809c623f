#include "services/s3/wire/checksum.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.h"

namespace sp::services::s3 {
namespace {

struct Row {
  ChecksumKind kind;
  std::string_view word;
  std::string_view algorithm;
  std::size_t size;
};

constexpr std::array kRows = {
    Row{ChecksumKind::crc32, "crc32", "CRC32", 4},
    Row{ChecksumKind::crc32c, "crc32c", "CRC32C", 4},
    Row{ChecksumKind::crc64nvme, "crc64nvme", "CRC64NVME", 8},
    Row{ChecksumKind::sha1, "sha1", "SHA1", 20},
    Row{ChecksumKind::sha256, "sha256", "SHA256", 32},
};

const Row& rowOf(ChecksumKind kind) { return *std::ranges::find(kRows, kind, &Row::kind); }

constexpr std::string_view kPrefix = "x-amz-checksum-";

std::uint64_t toNumber(std::string_view big_endian) {
  std::uint64_t value = 0;
  for (const char c : big_endian) value = (value << 8U) | static_cast<unsigned char>(c);
  return value;
}

// A linear map on GF(2)^bits: column i is the image of bit i.
using Matrix = std::array<std::uint64_t, 64>;

std::uint64_t times(const Matrix& matrix, std::uint64_t vector) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; vector != 0; vector >>= 1U, ++i)
    if ((vector & 1U) != 0) sum ^= matrix[i];
  return sum;
}

Matrix square(const Matrix& matrix) {
  Matrix result{};
  for (std::size_t i = 0; i < matrix.size(); ++i) result[i] = times(matrix, matrix[i]);
  return result;
}

std::uint64_t reflectedPolynomial(ChecksumKind kind) {
  switch (kind) {
    case ChecksumKind::crc32: return 0xedb88320U;
    case ChecksumKind::crc32c: return 0x82f63b78U;
    default: return 0x9a6c9329ac4bc9b5ULL;
  }
}

}  // namespace

std::string_view wordOf(ChecksumKind kind) { return rowOf(kind).word; }
std::string algorithmOf(ChecksumKind kind) { return std::string(rowOf(kind).algorithm); }
std::string elementOf(ChecksumKind kind) { return fmt::format("Checksum{}", rowOf(kind).algorithm); }
std::size_t sizeOf(ChecksumKind kind) { return rowOf(kind).size; }

std::optional<ChecksumKind> checksumKind(std::string_view word_or_algorithm) {
  for (const auto& row : kRows)
    if (equalsIgnoreCase(row.word, word_or_algorithm)) return row.kind;
  return std::nullopt;
}

RunningChecksum::RunningChecksum(ChecksumKind kind) : kind_(kind) {
  if (kind == ChecksumKind::sha1) hasher_.emplace(HashKind::sha1);
  if (kind == ChecksumKind::sha256) hasher_.emplace(HashKind::sha256);
}

void RunningChecksum::update(std::string_view bytes) {
  switch (kind_) {
    case ChecksumKind::crc32: crc_ = sp::crc32(bytes, static_cast<std::uint32_t>(crc_)); break;
    case ChecksumKind::crc32c: crc_ = sp::crc32c(bytes, static_cast<std::uint32_t>(crc_)); break;
    case ChecksumKind::crc64nvme: crc_ = sp::crc64nvme(bytes, crc_); break;
    default: hasher_->update(bytes);
  }
}

std::string RunningChecksum::finish() {
  if (hasher_) return hasher_->finish();
  return kind_ == ChecksumKind::crc64nvme ? bigEndian64(crc_) : bigEndian32(static_cast<std::uint32_t>(crc_));
}

std::expected<std::string, aws::ApiError> readChecksum(ChecksumKind kind, std::string_view base64) {
  auto raw = fromBase64(base64);
  if (!raw || raw->size() != sizeOf(kind))
    return aws::refuse("InvalidRequest", fmt::format("Value for {}{} header is invalid.", kPrefix, wordOf(kind)));
  return std::move(*raw);
}

std::expected<std::string, aws::ApiError> expectedChecksum(const AskedChecksum& asked, const Headers& trailers) {
  if (asked.expected) return *asked.expected;
  const auto trailer = findHeader(trailers, fmt::format("{}{}", kPrefix, wordOf(asked.kind)));
  if (!trailer)
    return aws::refuse("MalformedTrailerError",
                       "The request contained trailing data that was not well-formed or did not conform to our published schema.");
  return readChecksum(asked.kind, trim(*trailer));
}

aws::ApiError checksumMismatch(ChecksumKind kind) {
  return {"BadDigest", fmt::format("The {} you specified did not match the calculated checksum.", algorithmOf(kind)), 400, true, {}};
}

std::expected<std::optional<AskedChecksum>, aws::ApiError> askedChecksum(const Headers& headers) {
  std::optional<AskedChecksum> asked;
  const auto add = [&asked](ChecksumKind kind, std::optional<std::string> expected) -> std::optional<aws::ApiError> {
    if (asked)
      return aws::ApiError{
          "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.", 400, true, {}};
    asked = AskedChecksum{kind, std::move(expected)};
    return std::nullopt;
  };
  for (const auto& [name, value] : headers) {
    const auto lower = toLower(name);
    if (lower == "x-amz-trailer") {
      for (const auto& trailer : split(value, ',')) {
        const auto word = toLower(trim(trailer));
        if (!word.starts_with(kPrefix)) continue;
        const auto kind = checksumKind(std::string_view(word).substr(kPrefix.size()));
        if (!kind) return aws::refuse("InvalidRequest", "The value specified in the x-amz-trailer header is not supported");
        if (auto problem = add(*kind, std::nullopt)) return std::unexpected(std::move(*problem));
      }
    } else if (lower.starts_with(kPrefix)) {
      const auto kind = checksumKind(std::string_view(lower).substr(kPrefix.size()));
      if (!kind) continue;  // x-amz-checksum-mode, -algorithm, -type
      SP_TRY(auto raw, readChecksum(*kind, trim(value)));
      if (auto problem = add(*kind, std::move(raw))) return std::unexpected(std::move(*problem));
    }
  }
  const auto announced = findHeader(headers, "x-amz-sdk-checksum-algorithm");
  if (!announced) return asked;
  const auto kind = checksumKind(*announced);
  if (!kind)
    return aws::refuse("InvalidRequest",
                       "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
                       "[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
  if (!asked)
    return aws::refuse("InvalidRequest",
                       "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
                       "headers were found.");
  if (asked->kind != *kind) return aws::refuse("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.");
  return asked;
}

// crc(AB) = (crc(A) shifted by |B| zero bytes) xor crc(B); the shift is a power of the matrix that shifts by one bit.
std::string combineCrc(ChecksumKind kind, std::string_view first, std::string_view second, std::uint64_t second_size) {
  const unsigned bits = kind == ChecksumKind::crc64nvme ? 64 : 32;
  Matrix shift{};
  shift[0] = reflectedPolynomial(kind);
  for (unsigned i = 1; i < bits; ++i) shift[i] = 1ULL << (i - 1);
  for (int doubling = 0; doubling < 3; ++doubling) shift = square(shift);
  std::uint64_t crc = toNumber(first);
  for (auto left = second_size; left != 0; left >>= 1U) {
    if ((left & 1U) != 0) crc = times(shift, crc);
    shift = square(shift);
  }
  crc ^= toNumber(second);
  return bits == 64 ? bigEndian64(crc) : bigEndian32(static_cast<std::uint32_t>(crc));
}

}  // namespace sp::services::s3
