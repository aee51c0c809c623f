#include "store/sqlite/sqlite_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <sqlite3.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "os/file.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/tables.h"

namespace sp::store {
namespace {

// The WAL is checkpointed by a thread with a connection of its own once it holds this many pages: in the committing
// thread a checkpoint would stand in the way of every waiting reply.
constexpr int kCheckpointPages = 1000;
// SQLite goes back to the WAL's start only once all of it is checkpointed, and while commits follow each other the thread is
// never quite done. From this many pages on, which is what is written ahead below, the committing thread does the rest, if that is
// at most kRestPages.
constexpr int kRestartPages = 2400;
constexpr int kRestPages = 1'000;
// A WAL that has grown so far (40 MiB) is dealt with however much is left: the next start would have to read all of it.
constexpr int kLimitPages = 4 * kRestartPages;

// A commit that makes the WAL longer costs the file system a commit of its own journal, and with it whatever else is under way on
// that disk; one within the file is a single write. So zeros stand where the first frames will: SQLite reads none without the
// WAL's salt. It overwrites the WAL from its beginning after each whole checkpoint.
constexpr std::uint64_t kWalRoom = 10U << 20U;
constexpr std::size_t kZeros = 64U << 10U;

/// Not on a disk with less than twenty times as much left, nor after an error: there the WAL grows as it is needed. Before the first
/// commit; flushed by the checkpointer.
void makeWalRoom(const std::string& file) {
  const os::Fd wal(::open((file + "-wal").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  struct stat info{};
  struct statvfs disk{};
  if (!wal || ::fstat(wal.get(), &info) != 0 || ::fstatvfs(wal.get(), &disk) != 0) return;
  if (static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize < 20 * kWalRoom) return;
  const std::vector<char> zeros(kZeros);
  for (auto at = static_cast<std::uint64_t>(info.st_size); at < kWalRoom; at += kZeros)
    if (::pwrite(wal.get(), zeros.data(), zeros.size(), static_cast<off_t>(at)) != static_cast<ssize_t>(zeros.size())) return;
}

class Checkpointer {
 public:
  explicit Checkpointer(std::string file) : file_(std::move(file)), thread_([this] { loop(); }) {}
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;
  ~Checkpointer() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  /// The committing thread's WAL holds that many pages now. True: that thread is to do the rest.
  bool committed(int pages) {
    if (pages < kCheckpointPages) return false;
    {
      const std::lock_guard lock(mutex_);
      if (absent_) return pages >= kRestartPages;
      if (working_) return false;
      // Fewer pages than were brought over: the WAL has begun anew.
      if (done_ > pages) done_ = 0;
      if (pages >= kRestartPages && (pages >= kLimitPages || pages - done_ <= kRestPages)) {
        done_ = 0;
        return true;
      }
      if (pages - done_ < kRestPages) return false;
      working_ = true;
    }
    wake_.notify_one();
    return false;
  }

 private:
  void loop() {
    sqlite3* db = nullptr;
    // A connection that has read nothing does not know that there is a WAL, and its checkpoints would do nothing.
    if (sqlite3_open_v2(file_.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr) != SQLITE_OK || sqlite3_busy_timeout(db, 1000) != SQLITE_OK ||
        sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema", nullptr, nullptr, nullptr) != SQLITE_OK) {
      log::error("cannot open the store for checkpoints", {{"file", file_}, {"error", sqlite3_errmsg(db)}});
      sqlite3_close(db);
      const std::lock_guard lock(mutex_);
      absent_ = true;
      working_ = false;
      return;
    }
    if (const os::Fd wal(::open((file_ + "-wal").c_str(), O_WRONLY | O_CLOEXEC)); wal) ::fdatasync(wal.get());
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stop_ || working_; });
      if (stop_) break;
      lock.unlock();
      int done = 0;
      const int code = sqlite3_wal_checkpoint_v2(db, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, &done);
      if (code != SQLITE_OK && code != SQLITE_BUSY) log::error("a checkpoint of the store failed", {{"error", sqlite3_errmsg(db)}});
      lock.lock();
      working_ = false;
      done_ = code == SQLITE_OK ? done : 0;
    }
    sqlite3_close(db);
  }

  std::string file_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool working_ = false;
  /// The thread could not open the store: the committing thread does all of it, late.
  bool absent_ = false;
  /// Pages of the WAL that the last checkpoint had brought over.
  int done_ = 0;
  bool stop_ = false;
  std::thread thread_;
};

class SqliteTxn final : public Txn {
 public:
  SqliteTxn(Connection& connection, std::vector<std::function<void()>>& actions, Instant now)
      : c_(connection), records_(c_), timers_(c_), items_(c_), objects_(c_), executions_(c_), actions_(actions), now_(now) {}

  RecordTable& records() override { return records_; }
  TimerTable& timers() override { return timers_; }
  ItemTable& items() override { return items_; }
  ObjectTable& objects() override { return objects_; }
  ExecutionTable& executions() override { return executions_; }
  void afterCommit(std::function<void()> action) override { actions_.push_back(std::move(action)); }
  Instant now() const override { return now_; }

  bool nested(const std::function<bool()>& part) override {
    const auto actions_before = actions_.size();
    // Savepoints of the same name nest: RELEASE and ROLLBACK TO mean the innermost.
    Query(c_.prepare("SAVEPOINT job")).run();
    bool keep = false;
    try {
      keep = part();
    } catch (const Fault&) { throw; } catch (const std::exception& e) {
      log::error("INVARIANT broken: a job threw", {{"what", e.what()}});
    }
    if (!keep) {
      Query(c_.prepare("ROLLBACK TO job")).run();
      actions_.resize(actions_before);
    }
    Query(c_.prepare("RELEASE job")).run();
    return keep;
  }

 private:
  Connection& c_;
  SqliteRecords records_;
  SqliteTimers timers_;
  SqliteItems items_;
  SqliteObjects objects_;
  SqliteExecutions executions_;
  std::vector<std::function<void()>>& actions_;
  Instant now_;
};

class SqliteStore final : public Store {
 public:
  SqliteStore(sqlite3* db, const std::string& file) : connection_(db), checkpointer_(file) {
    sqlite3_wal_hook(
        db,
        [](void* self, sqlite3* db, const char*, int pages) {
          if (static_cast<SqliteStore*>(self)->checkpointer_.committed(pages))
            sqlite3_wal_checkpoint_v2(db, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
          return SQLITE_OK;
        },
        this);
  }

  Result<std::vector<bool>> run(const std::vector<Job>& jobs, Instant now) override {
    std::vector<std::function<void()>> actions;
    std::vector<bool> outcomes;
    outcomes.reserve(jobs.size());
    try {
      const auto changes_before = sqlite3_total_changes64(connection_.db());
      Query(connection_.prepare("BEGIN IMMEDIATE")).run();
      SqliteTxn txn(connection_, actions, now);
      for (const auto& job : jobs) outcomes.push_back(txn.nested([&] { return job(txn); }));
      const bool wrote = sqlite3_total_changes64(connection_.db()) != changes_before;
      if (wrote && failpoint::hit("store.before_commit")) throw Fault("fail point store.before_commit", true);
      Query(connection_.prepare("COMMIT")).run();
      if (wrote) failpoint::hit("store.after_commit");
    } catch (const Fault& fault) {
      if (sqlite3_get_autocommit(connection_.db()) == 0) sqlite3_exec(connection_.db(), "ROLLBACK", nullptr, nullptr, nullptr);
      return fail(fault.full() ? "store.full" : "store.io",
                  fault.full() ? fmt::format("the disk with the data directory is full: {}", fault.what()) : fault.what());
    }
    for (const auto& action : actions) action();
    return outcomes;
  }

 private:
  Connection connection_;
  Checkpointer checkpointer_;
};

Result<void> migrate(Connection& connection) {
  const auto version = [&] {
    Query q(connection.prepare("PRAGMA user_version"));
    q.step();
    return q.number(0);
  }();
  const auto known = static_cast<std::int64_t>(kSchemaSteps.size());
  if (version > known)
    return fail("store.newer",
                fmt::format("the store has schema {}, this version of stillpoint knows up to {}: use the newer version", version, known));
  for (auto step = version; step < known; ++step) {
    connection.execute("BEGIN IMMEDIATE");
    connection.execute(kSchemaSteps.at(static_cast<std::size_t>(step)));
    connection.execute(fmt::format("PRAGMA user_version = {}", step + 1).c_str());
    connection.execute("COMMIT");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Store>> openSqlite(const std::string& file, WalRoom room) {
  // Nobody asks SQLite for the memory it has taken, and counting costs a lock at each piece. Refused without harm when it is in use.
  static const int uncounted = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  static_cast<void>(uncounted);
  sqlite3* db = nullptr;
  if (sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK) {
    auto error = fail("store.io", fmt::format("cannot open {}: {}", file, sqlite3_errmsg(db)));
    sqlite3_close(db);
    return error;
  }
  try {
    {
      Connection connection(db);
      sqlite3_busy_timeout(db, 10000);
      connection.execute("PRAGMA journal_mode=WAL");
      SP_CHECK_OK(withContext(migrate(connection), "open " + file));
    }
    // Statements of the migration are gone with their connection; the store gets one of its own.
    db = nullptr;
    if (sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK)
      return fail("store.io", fmt::format("cannot open {}", file));
    sqlite3_busy_timeout(db, 10000);
    for (const char* pragma : {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA wal_autocheckpoint=0",
                               "PRAGMA foreign_keys=OFF", "PRAGMA temp_store=MEMORY", "PRAGMA cache_size=-8192"})
      sqlite3_exec(db, pragma, nullptr, nullptr, nullptr);
    if (room == WalRoom::ahead) makeWalRoom(file);
    return std::make_unique<SqliteStore>(db, file);
  } catch (const Fault& fault) { return fail(fault.full() ? "store.full" : "store.io", fmt::format("open {}: {}", file, fault.what())); }
}

}  // namespace sp::store
