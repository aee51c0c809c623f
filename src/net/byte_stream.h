// What a connection needs of its socket, plain or TLS, without naming Asio.
#pragma once
#include <memory>
#include <string_view>
#include <system_error>

namespace sp::net {

/// Told what became of a stream's operations; on the network thread. Kept alive by the operation.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  virtual void onStarted(bool ok) = 0;
  /// `bytes` is 0 with `ok` false at the end of the stream.
  virtual void onRead(bool ok, std::size_t bytes) = 0;
  virtual void onWritten(bool ok) = 0;
};

/// At most one read and one write at a time; buffers live until the event.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// TLS handshake, if any.
  virtual void start(std::shared_ptr<StreamEvents> events) = 0;
  virtual void read(std::shared_ptr<StreamEvents> events, char* buffer, std::size_t size) = 0;
  /// Writes both pieces wholly.
  virtual void write(std::shared_ptr<StreamEvents> events, std::string_view first, std::string_view second) = 0;
  /// No more is written; the peer may still send.
  virtual void finishWriting() = 0;
  virtual void close() = 0;
};

}  // namespace sp::net
