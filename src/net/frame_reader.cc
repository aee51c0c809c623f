#include "net/frame_reader.h"

#include <fmt/format.h>

namespace sp::net {
namespace {

constexpr std::size_t kHead = 4;
/// An idle connection keeps no more than this: there may be thousands, and most of the time nothing is said.
constexpr std::size_t kKeptBytes = 64;

std::size_t lengthAt(std::string_view head) {
  std::size_t length = 0;
  for (const char c : head.substr(0, kHead)) length = (length << 8U) | static_cast<unsigned char>(c);
  return length;
}

}  // namespace

void FrameReader::append(std::string_view bytes) {
  bytes_.erase(0, at_);
  at_ = 0;
  bytes_.append(bytes);
}

Result<std::optional<std::string_view>> FrameReader::next() {
  const auto rest = std::string_view(bytes_).substr(at_);
  if (rest.empty()) {
    bytes_.clear();
    at_ = 0;
    if (bytes_.capacity() > kKeptBytes) bytes_.shrink_to_fit();
  }
  if (rest.size() < kHead) return std::nullopt;
  const auto length = lengthAt(rest);
  if (length > frame_max_) return fail("net.protocol", fmt::format("a frame of {} bytes, the limit is {}", length, frame_max_));
  if (rest.size() - kHead < length) return std::nullopt;
  at_ += kHead + length;
  return rest.substr(kHead, length);
}

}  // namespace sp::net
