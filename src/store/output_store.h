// What scripts print, whole: a file for each stream, filled from its beginning while the script runs, under a quota for all.
//
// DIR/COMMAND/INSTANCE/STEP/stdout        the bytes from the first one on, as many as have come
//                          /stdout.tail   the last ones, where the quota did not let all in
//                          /stdout.end    {total, tailAt}: nothing more comes. Durable, as is what it speaks of
//
// The whole is on the agent's disk until the end stands here, so what has come of a stream without an end is not made durable: after a
// power cut (another boot) it is dropped and comes again. All members may be called by any thread; they wait for the disk.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"

namespace sp::store {

struct OutputKey {
  std::string command;
  std::string instance;
  /// Name of the step; any text.
  std::string step;
  /// "stdout" or "stderr".
  std::string stream;
};

/// How much of a stream is here.
struct OutputState {
  /// Bytes from the first one on.
  std::uint64_t have = 0;
  /// No more are taken: the quota is used up, or the disk nearly full.
  bool limited = false;
  bool ended = false;
  /// Once it has ended: how long the stream was, and where its last bytes begin that are here too; `have` if nothing is missing.
  std::uint64_t total = 0;
  std::uint64_t tail_at = 0;

  bool whole() const { return ended && have == total; }
};

/// Of a stream that does not fit so much of its beginning is kept all the same, and of its end at most.
inline constexpr std::uint64_t kOutputHead = 1U << 20U;
inline constexpr std::uint64_t kOutputTail = 1U << 20U;

class OutputStore {
 public:
  struct Limits {
    /// Bytes of all streams together; 0: half of what is free or theirs when the store is opened.
    std::uint64_t quota = 0;
    /// What stays free of the file system.
    std::uint64_t free_floor = 0;
  };
  /// Makes DIR if need be and counts what is in it. Errors "os.…".
  static Result<std::unique_ptr<OutputStore>> open(const std::string& directory, Limits limits);
  OutputStore(const OutputStore&) = delete;
  OutputStore& operator=(const OutputStore&) = delete;
  ~OutputStore();

  OutputState state(const OutputKey& key) const;
  /// Whether this stream was written to since the store was opened.
  bool writes(const OutputKey& key) const;

  /// The right to add to a stream. A newer one ends it.
  class Writer {
   public:
    virtual ~Writer() = default;
    /// Errors: "output.limited", "output.superseded", "os.write".
    virtual Result<void> write(std::string_view bytes) = 0;
  };
  /// From `offset` on, which must be what state() says: else "output.offset". "output.ended", "output.limited", "os.…".
  Result<std::unique_ptr<Writer>> append(const OutputKey& key, std::uint64_t offset);
  /// The stream had `total` bytes. Where `have` is less, `tail` are the last ones. Again: nothing happens. Errors "output.offset" (the
  /// numbers do not fit what is here), "os.full", "os.…": nothing has changed then.
  Result<void> end(const OutputKey& key, std::uint64_t total, std::string_view tail);

  /// At most `limit` bytes from `offset` on; empty where none are (a gap, or none yet). Errors "os.…".
  Result<std::string> read(const OutputKey& key, std::uint64_t offset, std::size_t limit) const;

  /// The steps of an invocation of which something is here; those with very long names are left out.
  std::vector<std::string> steps(const std::string& command, const std::string& instance) const;

  /// Calls `woken` after each change of a stream of that invocation, by the thread that changed it: it must not call this store.
  std::uint64_t watch(const std::string& command, const std::string& instance, std::function<void()> woken);
  /// After it returns it is not called any more.
  void unwatch(std::uint64_t id);

  /// Forgets all of a command. removeSoon() leaves that to a thread of the store's, and waits for nothing.
  void remove(const std::string& command);
  void removeSoon(std::string command);
  /// The commands of which something is here.
  std::vector<std::string> commands() const;
  std::uint64_t used() const { return used_; }
  /// What is in force, the default reckoned out.
  const Limits& limits() const { return limits_; }

 private:
  struct Stream;
  class Appending;
  OutputStore(std::string directory, Limits limits) : directory_(std::move(directory)), limits_(limits) {}
  Result<void> count();
  std::string pathOf(const OutputKey& key) const;
  OutputState onDisk(const OutputKey& key) const;
  std::shared_ptr<Stream> stream(const OutputKey& key);
  std::shared_ptr<Stream> streamIf(const OutputKey& key) const;
  bool hasRoom(const Stream& stream, std::uint64_t bytes) const;
  void changed(const OutputKey& key);
  void removeAll();

  const std::string directory_;
  Limits limits_;
  std::atomic<std::uint64_t> used_ = 0;
  mutable std::mutex mutex_;
  /// Streams that are written to, by path.
  std::map<std::string, std::shared_ptr<Stream>> streams_;
  struct Watch {
    std::string of;
    std::function<void()> woken;
  };
  std::mutex watch_mutex_;
  std::map<std::uint64_t, Watch> watches_;
  std::uint64_t next_watch_ = 1;
  std::mutex removal_mutex_;
  std::condition_variable removal_wake_;
  std::deque<std::string> to_remove_;
  bool ending_ = false;
  std::thread remover_;
};

}  // namespace sp::store
