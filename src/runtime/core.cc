#include "runtime/core.h"

#include <utility>

#include "base/log.h"
#include "base/strings.h"

namespace sp::runtime {
namespace {
constexpr std::size_t kBatchMax = 512;
constexpr std::size_t kTimersAtOnce = 256;
// Less is what keeps a clock right.
constexpr Duration kClockSet = std::chrono::seconds(5);
/// What the clock showed when a timer last fired: the time that the dates go by.
constexpr std::string_view kClock = "clock";
constexpr std::string_view kDates = "dates";
constexpr Duration kKeptEvery = std::chrono::minutes(1);
// A machine without a battery comes up in the past, and asks for the time when it has a network.
constexpr Duration kMayComeRight = std::chrono::days(2);
constexpr Duration kComesRightWithin = std::chrono::minutes(10);

std::int64_t inSeconds(Duration by) { return std::chrono::duration_cast<std::chrono::seconds>(by).count(); }
}  // namespace

Core::Core(store::Store& store, const Clock& clock, Random& random) : store_(store), clock_(clock), random_(random) {}

Core::~Core() { stop(); }

void Core::post(store::Job job, std::function<void(const Error*)> done) { enqueue({std::move(job), std::move(done)}); }

void Core::postDeletion(store::Job job, std::function<void(const Error*)> done) { enqueue({std::move(job), std::move(done), true}); }

void Core::enqueue(Entry entry) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopped_) {
      queue_.push_back(std::move(entry));
      wake_.notify_one();
      return;
    }
  }
  const Error error{"core.stopped", "the server is shutting down", {}, nullptr};
  if (entry.done) entry.done(&error);
}

void Core::follow(store::Job job) { following_.push_back(std::move(job)); }

void Core::onTimer(std::string kind, TimerHandler handler) { timer_handlers_[std::move(kind)] = std::move(handler); }

void Core::endWaiting() {
  post([this](store::Txn&) {
    waiters_.close();
    return true;
  });
}

void Core::start() {
  thread_ = std::thread([this] { loop(); });
}

void Core::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  std::deque<Entry> left;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    left.swap(queue_);
  }
  const Error error{"core.stopped", "the server is shutting down", {}, nullptr};
  for (auto& entry : left)
    if (entry.done) entry.done(&error);
}

void Core::onClockSet(ClockSetHandler handler) { clock_set_.push_back(std::move(handler)); }

void Core::onDatesSet(ClockSetHandler handler) { dates_set_.push_back(std::move(handler)); }

bool Core::tellClockSet(const std::vector<const std::vector<ClockSetHandler>*>& whom, Duration by) {
  std::deque<Entry> batch;
  for (const auto* handlers : whom)
    for (const auto& handler : *handlers)
      batch.push_back({[&handler, by](store::Txn& txn) {
                         handler(txn, by);
                         return true;
                       },
                       {}});
  batch.push_back({[this](store::Txn& txn) {
                     rememberClock(txn);
                     return true;
                   },
                   {}});
  return runBatch(std::move(batch));
}

// With what is written anyway: a batch that only reads writes nothing, and succeeds on a full disk.
void Core::rememberClock(store::Txn& txn) {
  if (behind_ || (dates_ && txn.now() >= *dates_ && txn.now() - *dates_ < kKeptEvery)) return;
  txn.records().put(kClock, kDates, std::to_string(toMicros(txn.now())));
  txn.afterCommit([this, now = txn.now()] { dates_ = now; });
}

// Delays are left as they are: a machine may come up in the past, and what was moved back for that would all be over once its clock is put
// right while no server is there to see it.
void Core::lookBack() {
  const auto read = store_.run({[this](store::Txn& txn) {
                                 const auto body = txn.records().get(kClock, kDates);
                                 if (const auto micros = body ? parseInt(*body) : std::nullopt) dates_ = fromMicros(*micros);
                                 return true;
                               }},
                               now());
  if (!read) return log::error("what the clock showed last cannot be read", {{"error", read.error().text()}});
  if (!dates_ || *dates_ - now() < kClockSet) return;
  behind_ = Behind{*dates_, clock_.boottime()};
  log::warn("the clock shows less than it did while the server worked here before",
            {{"seconds", inSeconds(*dates_ - now())},
             {"schedules", *dates_ - now() > kMayComeRight ? "follow it in ten minutes, if it is not put right" : "follow it"}});
}

void Core::tellDatesBehind() {
  if (!behind_) return;
  const auto by = now() - behind_->dates;
  const bool right = -by < kClockSet;
  if (!right && -by > kMayComeRight && clock_.boottime() - behind_->since < kComesRightWithin) return;
  const auto before = std::exchange(behind_, std::nullopt);
  // No longer behind: rememberClock() keeps the new time in the commit that tells it, so that it is told once.
  if (!right && !tellClockSet({&dates_set_}, by)) behind_ = before;
}

void Core::watchClock() {
  const Duration offset = clock_.now().time_since_epoch() - clock_.boottime();
  const auto by = clock_offset_ ? offset - *clock_offset_ : Duration(0);
  if (std::chrono::abs(by) < kClockSet) {
    clock_offset_ = offset;
    return tellDatesBehind();
  }
  // Before any timer that a clock put forward has made due. If it does not stand, all goes on in the old time, and this is tried again.
  const auto before = std::exchange(clock_offset_, offset);
  std::vector<const std::vector<ClockSetHandler>*> whom{&clock_set_};
  if (!behind_) whom.push_back(&dates_set_);
  if (!tellClockSet(whom, by)) {
    clock_offset_ = before;
    return;
  }
  log::warn("the clock was set", {{"seconds", inSeconds(by)}});
  waiters_.shift(by);
}

// The wall clock as the last watchClock() saw it go: a step of it that was not seen yet is in no transaction.
Instant Core::now() const { return clock_offset_ ? Instant(clock_.boottime() + *clock_offset_) : clock_.now(); }

// What was posted before the start, the recovery of all services, comes before every timer that has come due while nobody was there.
void Core::runPostedFirst() {
  if (timers_known_) return;
  lookBack();
  std::deque<Entry> batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(queue_);
  }
  if (!batch.empty()) runBatch(std::move(batch));
  tellDatesBehind();
}

void Core::loop() {
  watchClock();
  runPostedFirst();
  while (true) {
    watchClock();
    fireTimers();
    waiters_.expire(now());
    std::deque<Entry> batch;
    {
      auto next = next_timer_;
      if (const auto poll = waiters_.earliest()) next = next ? std::min(*next, *poll) : *poll;
      std::unique_lock lock(mutex_);
      const auto ready = [this] { return stopping_ || !queue_.empty(); };
      if (next) {
        // The wall clock may jump: look again at least once a second.
        const auto wait = std::clamp<Duration>(*next - now(), Duration(0), std::chrono::seconds(1));
        wake_.wait_for(lock, wait, ready);
      } else {
        wake_.wait(lock, ready);
      }
      if (queue_.empty() && stopping_) return;
      while (!queue_.empty() && batch.size() < kBatchMax) {
        batch.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
    }
    // It may have been set while this waited.
    watchClock();
    if (!batch.empty()) runBatch(std::move(batch));
  }
}

// Jobs that a job asked to follow it run in the same transaction, each in a savepoint of its own: the batch's last job
// drains them.
Result<std::vector<bool>> Core::commit(std::vector<store::Job> jobs) {
  jobs.emplace_back([this](store::Txn& txn) {
    while (!following_.empty()) {
      const auto next = std::move(following_.front());
      following_.pop_front();
      txn.nested([&] { return next(txn); });
    }
    next_timer_ = txn.timers().earliest();
    return true;
  });
  auto outcome = store_.run(jobs, now());
  following_.clear();
  return outcome;
}

bool Core::runBatch(std::deque<Entry> batch) {
  std::vector<store::Job> jobs;
  std::vector<store::Job> deletions;
  jobs.reserve(batch.size() + 1);
  for (auto& entry : batch) {
    if (entry.deletes) deletions.push_back(entry.job);
    jobs.push_back(std::move(entry.job));
  }
  const auto outcome = commit(std::move(jobs));
  const Error* error = nullptr;
  bool deleted = false;
  if (!outcome) {
    error = &outcome.error();
    log::error("commit failed", {{"error", error->text()}, {"jobs", batch.size()}});
    if (!deletions.empty() && error->code == "store.full") {
      // Alone: the others would take the room again, or wanted more than there is.
      const bool others = deletions.size() < batch.size();
      const bool made = make_room_ && make_room_();
      if (made || others) deleted = commit(std::move(deletions)).has_value();
    }
  }
  for (auto& entry : batch)
    if (entry.done) entry.done(entry.deletes && deleted ? nullptr : error);
  return outcome.has_value();
}

bool Core::fireTimers() {
  if (timers_known_ && (!next_timer_ || *next_timer_ > now())) return false;
  bool fired = false;
  std::deque<Entry> batch;
  const auto fire = [this, &fired](store::Txn& txn) {
    const auto due = txn.timers().due(txn.now(), kTimersAtOnce);
    for (const auto& timer : due) {
      fired = true;
      txn.timers().drop(timer.kind, timer.id);
      const auto handler = timer_handlers_.find(timer.kind);
      if (handler == timer_handlers_.end()) {
        log::error("a timer has no handler", {{"kind", timer.kind}, {"id", timer.id}});
        continue;
      }
      handler->second(txn, timer);
    }
    if (!due.empty()) rememberClock(txn);
    return true;
  };
  batch.push_back({fire, {}});
  const bool durable = runBatch(std::move(batch));
  timers_known_ = true;
  // A full disk: try again in a second rather than at once.
  if (!durable) next_timer_ = now() + std::chrono::seconds(1);
  return fired && durable;
}

void Core::runPending() {
  watchClock();
  runPostedFirst();
  while (true) {
    watchClock();
    const bool fired = fireTimers();
    waiters_.expire(now());
    std::deque<Entry> batch;
    {
      const std::lock_guard lock(mutex_);
      batch.swap(queue_);
    }
    if (batch.empty() && !fired) return;
    if (!batch.empty()) runBatch(std::move(batch));
  }
}

std::optional<Instant> Core::nextTimer() {
  fireTimers();
  return next_timer_;
}

}  // namespace sp::runtime
