// Sends what a script prints to the server while it runs, and the rest once it has ended; what the server has is a beginning of what
// lies on this disk, so every cut is mended by going on from there. A slow or absent server never holds up the script.
#pragma once
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/request_handler.h"
#include "net/http_client.h"

namespace sp::agent {

class OutputSender : public std::enable_shared_from_this<OutputSender> {
 public:
  /// `directory` holds the files stdout and stderr, `target` is the path of their folder on the agents' port
  /// ("/commands/CMD/output/INSTANCE/STEP"). `identity` lives as long as the process.
  OutputSender(const Identity& identity, std::string directory, std::string target);
  OutputSender(const OutputSender&) = delete;
  OutputSender& operator=(const OutputSender&) = delete;

  /// Starts its thread, which nobody waits for; again: nothing.
  void begin();
  bool begun() const;
  /// The script has ended: what the files hold now is the whole. Then the rest goes at full speed.
  void close();
  /// True once the server has all, or says that it will not have it. At most `limit` (negative: for ever).
  bool await(std::chrono::milliseconds limit);

 private:
  struct Stream {
    std::string name;
    std::uint64_t sent = 0;
    /// How long it was when the script ended.
    std::uint64_t total = 0;
    /// The server takes no more of it but its end.
    bool limited = false;
    bool over = false;
  };
  enum class Step { idle, sent, failed };
  void work();
  Step push(Stream& stream, bool closed);
  Step add(Stream& stream, std::uint64_t until);
  Step end(Stream& stream);
  Result<net::Response> put(const Stream& stream, const std::string& query, std::uint64_t from, std::uint64_t length);
  Step taken(Stream& stream, const Result<net::Response>& answer);
  std::string pathOf(const Stream& stream) const { return directory_ + "/" + stream.name; }

  const Identity& identity_;
  const std::string directory_;
  const std::string target_;
  /// The thread's alone, once it runs; close() sets the totals under the mutex before it says so.
  std::vector<Stream> streams_;
  std::unique_ptr<net::HttpClient> http_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool begun_ = false;
  bool closed_ = false;
  bool over_ = false;
};

}  // namespace sp::agent
