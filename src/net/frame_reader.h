// Frames (4-byte big-endian length, then bytes) out of a stream of bytes, without a socket.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sp::net {

/// Takes bytes as they arrive, gives whole frames. One thread.
class FrameReader {
 public:
  /// A frame of more than `frame_max` bytes is an error.
  explicit FrameReader(std::size_t frame_max) : frame_max_(frame_max) {}

  void append(std::string_view bytes);
  /// The next whole frame's content, valid until append() or the next call; nullopt: more bytes are needed. Error
  /// "net.protocol" for a frame that is too long; from then on always.
  Result<std::optional<std::string_view>> next();
  /// Bytes held that no frame has been made of.
  std::size_t pending() const { return bytes_.size() - at_; }

 private:
  std::size_t frame_max_;
  std::string bytes_;
  /// What lies before it has been given out.
  std::size_t at_ = 0;
};

}  // namespace sp::net
