// The core: one thread on which everything that decides runs. It takes jobs from any thread, runs what has gathered in
// one durable commit (group commit), then lets their effects out. Timers are rows; what came due while the server was
// down fires at once, in order.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "runtime/waiters.h"
#include "store/store.h"

namespace sp::runtime {

class Core {
 public:
  /// `store`, `clock` and `random` outlive the core.
  Core(store::Store& store, const Clock& clock, Random& random);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;
  ~Core();

  /// Queues a job. Any thread. `done` runs on the core thread: after the commit with nullptr, or with the error that kept
  /// the whole batch from becoming durable (disk full). A job that returned false had its writes undone, and `done` is
  /// called with nullptr all the same: the job itself knows what it answers.
  void post(store::Job job, std::function<void(const Error*)> done = {});

  /// The same of a job whose writes make room: where the disk is full, it is tried once more after `onFull` has made some.
  void postDeletion(store::Job job, std::function<void(const Error*)> done);

  /// Who makes room for deletions where the disk is full: true if there is some more now. Called by the core thread. Before start().
  void onFull(std::function<bool()> make_room) { make_room_ = std::move(make_room); }

  /// A job to run at the end of the same batch (the writes of the job that asks for it are seen). Core thread only.
  void follow(store::Job job);

  /// Who gets the timers of `kind`. Before start().
  using TimerHandler = std::function<void(store::Txn&, const store::Timer&)>;
  void onTimer(std::string kind, TimerHandler handler);

  /// Who is told, in a job of its own, that the wall clock was set, and by how much. Before start(). It is seen within a second while
  /// anybody waits for a time. Timers stay where they are on the clock: what else waits for a while is its owner's to move.
  using ClockSetHandler = std::function<void(store::Txn&, Duration by)>;
  void onClockSet(ClockSetHandler handler);
  /// The same for whoever keeps times of the calendar and has to look for the next one anew. They are also told, after what was posted
  /// before the start, of a clock that shows less than when a server last worked here. One that is behind by more than two days may not
  /// have been put right yet since the machine came up: that is told after ten minutes, if it lasts.
  void onDatesSet(ClockSetHandler handler);

  /// Long polls. Core thread only.
  Waiters& waiters() { return waiters_; }
  /// Ends all long polls and admits no more: before the server waits for the answers under way. Any thread.
  void endWaiting();

  /// Starts the thread. Jobs posted before wait for it, and are committed before any timer fires that came due meanwhile.
  void start();
  /// Runs what is queued, then ends the thread. Later posts are dropped with an error "core.stopped".
  void stop();

  /// Without a thread, for tests and simulation: runs queued jobs and due timers until nothing is left to do now.
  void runPending();
  /// When the next timer is due (for simulation).
  std::optional<Instant> nextTimer();

  const Clock& clock() const { return clock_; }
  Random& random() { return random_; }

 private:
  struct Entry {
    store::Job job;
    std::function<void(const Error*)> done;
    bool deletes = false;
  };
  void enqueue(Entry entry);
  Result<std::vector<bool>> commit(std::vector<store::Job> jobs);
  void loop();
  bool runBatch(std::deque<Entry> batch);
  void runPostedFirst();
  Instant now() const;
  bool fireTimers();
  void watchClock();
  void lookBack();
  bool tellClockSet(const std::vector<const std::vector<ClockSetHandler>*>& whom, Duration by);
  void tellDatesBehind();
  void rememberClock(store::Txn& txn);

  store::Store& store_;
  const Clock& clock_;
  Random& random_;
  std::map<std::string, TimerHandler, std::less<>> timer_handlers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Entry> queue_;
  std::deque<store::Job> following_;
  Waiters waiters_;
  std::vector<ClockSetHandler> clock_set_;
  std::vector<ClockSetHandler> dates_set_;
  /// The time that the dates go by, as it is kept.
  std::optional<Instant> dates_;
  /// The clock was behind the time that the dates go by when this core began, and nobody was told yet.
  struct Behind {
    Instant dates;
    /// Of the clock that never jumps.
    Duration since;
  };
  std::optional<Behind> behind_;
  std::function<bool()> make_room_;
  /// Of the wall clock over the one that never jumps, when it was last looked at.
  std::optional<Duration> clock_offset_;
  bool stopping_ = false;
  bool stopped_ = false;
  bool timers_known_ = false;
  std::optional<Instant> next_timer_;
  std::thread thread_;
};

}  // namespace sp::runtime
