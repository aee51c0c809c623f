// A few threads for what may block: fsync of blobs, their removal, reading them to compute a checksum.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sp::services::s3 {

class Pool {
 public:
  explicit Pool(unsigned threads);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  /// Runs what is queued, then ends the threads.
  ~Pool();

  /// Any thread.
  void post(std::function<void()> work);
  /// Returns when nothing is queued or running; for tests.
  void waitIdle();

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::deque<std::function<void()>> queue_;
  std::size_t running_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace sp::services::s3
