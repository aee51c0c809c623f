// What this machine needs at least for what an execution leaves behind: bare SQLite, and a bare epoll server before it. No engine, no
// JSON, no signatures. ./x bench --guard holds the engine and the server against it.
//
//   floor --cpu BYTES DIRECTORY   writes what executions of 10 Pass with that much input leave, at once; prints the µs of CPU of one
//   floor --serve FILE            answers each request after a durable execution; prints HOST:PORT; ends when its input does
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sqlite3.h>

#include "usage.h"

namespace {

using sp::bench::Folder;
using sp::bench::Usage;

/// What one execution leaves, as seen in the store when the ratios were recorded. Numbers and not the store's own header, so that a
/// larger row or a new index of the store shows as a slower store.
struct Shape {
  /// Of the input.
  std::size_t bytes;
  /// Started at once.
  int executions;
  std::size_t arn;
  std::size_t machine;
  std::size_t execution_name;
  std::size_t description;
  /// Bytes of each of its rows of history.
  std::array<std::size_t, 2> history;
};
constexpr std::array kShapes = {
    Shape{300, 1000, 57, 56, 4, 740, {10'500}},
    Shape{64U << 10U, 100, 56, 56, 3, 136, {65'719, 3'824}},
    Shape{200U << 10U, 100, 56, 56, 3, 136, {204'984, 3'824}},
};
/// StartExecution of one Pass with 1 KB, and the answer to it.
constexpr Shape kStart = {1000, 1, 90, 56, 36, 171, {1'769}};
constexpr std::size_t kAnswerBytes = 136;

constexpr const char* kSchema = R"sql(
CREATE TABLE executions (id INTEGER PRIMARY KEY, arn TEXT NOT NULL UNIQUE, machine TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL,
  started INTEGER NOT NULL, stopped INTEGER, description BLOB NOT NULL);
CREATE INDEX executions_by_machine ON executions (machine, started, arn);
CREATE INDEX executions_running ON executions (started) WHERE status = 'RUNNING';
CREATE TABLE history (seq INTEGER PRIMARY KEY, execution INTEGER NOT NULL, first_id INTEGER NOT NULL, count INTEGER NOT NULL, events BLOB NOT NULL);
CREATE INDEX history_by_execution ON history (execution, first_id);
)sql";
// As the server: from so many pages on a thread brings the WAL over; from so many on (10 MiB) the committing thread ends it.
constexpr int kCheckpointPages = 1000;
constexpr int kRestPages = 1000;
constexpr int kRestartPages = 2400;
constexpr std::size_t kWalRoom = 10U << 20U;

[[noreturn]] void die(std::string_view message) {
  fmt::print(stderr, "floor: {}\n", message);
  std::exit(1);
}

sqlite3* openDatabase(const std::string& file) {
  sqlite3* db = nullptr;
  if (sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK)
    die(fmt::format("cannot open {}: {}", file, sqlite3_errmsg(db)));
  sqlite3_busy_timeout(db, 10'000);
  return db;
}

void execute(sqlite3* db, const char* sql) {
  if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) die(fmt::format("{}: {}", sql, sqlite3_errmsg(db)));
}

/// A thread with a connection of its own brings the WAL over, so that no commit waits for it.
class Checkpoints {
 public:
  explicit Checkpoints(const std::string& file) : db_(openDatabase(file)), thread_([this] { loop(); }) {}
  Checkpoints(const Checkpoints&) = delete;
  Checkpoints& operator=(const Checkpoints&) = delete;
  ~Checkpoints() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
    sqlite3_close(db_);
  }
  /// The WAL has that many pages. True: the caller is to bring over the rest.
  bool committed(int pages) {
    {
      const std::lock_guard lock(mutex_);
      if (working_ || pages < kCheckpointPages) return false;
      if (done_ > pages) done_ = 0;
      const bool little = pages - done_ < kRestPages;
      if (little || pages >= 4 * kRestartPages) return pages >= kRestartPages;
      working_ = true;
    }
    wake_.notify_one();
    return false;
  }

 private:
  void loop() {
    execute(db_, "SELECT count(*) FROM sqlite_schema");
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stop_ || working_; });
      if (stop_) return;
      lock.unlock();
      int done = 0;
      sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, &done);
      lock.lock();
      working_ = false;
      done_ = done;
    }
  }

  sqlite3* db_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool working_ = false;
  bool stop_ = false;
  int done_ = 0;
  std::thread thread_;
};

class Database {
 public:
  /// `wal_room`: zeros where the first commits will write, as the server has them.
  Database(const std::string& file, bool wal_room) : db_(openDatabase(file)) {
    for (const char* pragma : {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA wal_autocheckpoint=0",
                               "PRAGMA foreign_keys=OFF", "PRAGMA temp_store=MEMORY", "PRAGMA cache_size=-8192"})
      execute(db_, pragma);
    execute(db_, kSchema);
    if (wal_room) makeWalRoom(file + "-wal");
    checkpoints_ = std::make_unique<Checkpoints>(file);
    sqlite3_wal_hook(
        db_,
        [](void* self, sqlite3* db, const char*, int pages) {
          if (static_cast<Database*>(self)->checkpoints_->committed(pages))
            sqlite3_wal_checkpoint_v2(db, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
          return SQLITE_OK;
        },
        this);
    begin_ = prepare("BEGIN IMMEDIATE");
    commit_ = prepare("COMMIT");
    execution_ = prepare(
        "INSERT INTO executions (arn, machine, name, status, started, stopped, description) VALUES (?1, ?2, ?3, 'SUCCEEDED', ?4, ?4, ?5)");
    history_ = prepare("INSERT INTO history (execution, first_id, count, events) VALUES (?1, ?2, 4, ?3)");
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  /// Brings over all of the WAL, as every last connection does.
  ~Database() {
    for (auto* statement : {begin_, commit_, execution_, history_}) sqlite3_finalize(statement);
    checkpoints_.reset();
    sqlite3_close(db_);
  }

  void begin() { step(begin_); }
  void commit() { step(commit_); }
  /// What an execution of that shape leaves. `key`: what its ARN ends in; no two are alike.
  void insert(const Shape& shape, const std::string& key) {
    std::string arn(shape.arn - key.size(), 'a');
    arn += key;
    const std::string_view machine(text_.data(), shape.machine);
    sqlite3_bind_text(execution_, 1, arn.data(), size(arn), SQLITE_STATIC);
    sqlite3_bind_text(execution_, 2, machine.data(), size(machine), SQLITE_STATIC);
    sqlite3_bind_text(execution_, 3, text_.data(), static_cast<int>(shape.execution_name), SQLITE_STATIC);
    sqlite3_bind_int64(execution_, 4, 1'790'000'000'000'000 + ++started_);
    sqlite3_bind_blob(execution_, 5, text_.data(), static_cast<int>(shape.description), SQLITE_STATIC);
    step(execution_);
    const auto id = sqlite3_last_insert_rowid(db_);
    std::int64_t first_event = 1;
    for (const auto bytes : shape.history) {
      if (bytes == 0) break;
      sqlite3_bind_int64(history_, 1, id);
      sqlite3_bind_int64(history_, 2, std::exchange(first_event, 21));
      sqlite3_bind_blob(history_, 3, text_.data(), static_cast<int>(bytes), SQLITE_STATIC);
      step(history_);
    }
  }

 private:
  static int size(std::string_view text) { return static_cast<int>(text.size()); }
  static void makeWalRoom(const std::string& wal) {
    const int fd = ::open(wal.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    const std::vector<char> zeros(kWalRoom);
    if (fd < 0 || ::write(fd, zeros.data(), zeros.size()) != static_cast<ssize_t>(zeros.size()) || ::fdatasync(fd) != 0)
      die("cannot take room for the WAL: " + wal);
    ::close(fd);
  }
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK)
      die(fmt::format("{}: {}", sql, sqlite3_errmsg(db_)));
    return statement;
  }
  void step(sqlite3_stmt* statement) {
    if (sqlite3_step(statement) != SQLITE_DONE) die(fmt::format("{}: {}", sqlite3_sql(statement), sqlite3_errmsg(db_)));
    sqlite3_reset(statement);
  }

  sqlite3* db_;
  std::unique_ptr<Checkpoints> checkpoints_;
  sqlite3_stmt* begin_ = nullptr;
  sqlite3_stmt* commit_ = nullptr;
  sqlite3_stmt* execution_ = nullptr;
  sqlite3_stmt* history_ = nullptr;
  const std::string text_ = std::string(1U << 20U, 'x');
  std::int64_t started_ = 0;
};

int cpuOfOne(std::size_t bytes, const std::string& directory) {
  const auto* const shape = std::ranges::find(kShapes, bytes, &Shape::bytes);
  if (shape == kShapes.end()) die(fmt::format("it is not known what an execution of {} bytes leaves", bytes));
  const Folder folder(directory);
  auto database = std::make_unique<Database>(folder.store(), false);
  const Usage usage;
  database->begin();
  for (int i = 0; i < shape->executions; ++i) database->insert(*shape, fmt::format(":e{}", i));
  database->commit();
  database.reset();
  fmt::print("{:.2f}\n", usage.cpuSeconds() * 1e6 / shape->executions);
  return 0;
}

/// The length of a complete request at the front, else 0.
std::size_t completeRequest(std::string_view in) {
  const auto end = in.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  const auto at = in.find("Content-Length: ");
  std::size_t length = 0;
  if (at < end) std::from_chars(in.data() + at + 16, in.data() + end, length);
  return in.size() >= end + 4 + length ? end + 4 + length : 0;
}

/// Keys that follow each other, as the names that a server gives do.
std::string orderedKey(std::uint64_t number) { return fmt::format("{:036x}", number); }

class Server {
 public:
  explicit Server(const std::string& file) : database_(file, true) {
    poll_ = ::epoll_create1(EPOLL_CLOEXEC);
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(listener_, 128) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0)
      die("cannot listen on 127.0.0.1");
    watch(listener_);
    watch(STDIN_FILENO);
    answer_ = fmt::format(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: 00000000-0000-4000-8000-000000000000\r\n"
        "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: {}\r\n\r\n{}",
        kAnswerBytes, std::string(kAnswerBytes, 'x'));
    fmt::print("127.0.0.1:{}\n", ntohs(address.sin_port));
    std::fflush(stdout);
  }

  /// Until the standard input ends: a server does not outlive who started it.
  void run() {
    std::array<epoll_event, 256> events{};
    while (true) {
      const int ready = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), -1);
      for (const auto& event : std::span(events).first(static_cast<std::size_t>(std::max(ready, 0)))) {
        if (event.data.fd == STDIN_FILENO) return;
        if (event.data.fd == listener_) take();
        else read(event.data.fd);
      }
      answerAll();
    }
  }

 private:
  void watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event) != 0) die("cannot wait for input: standard input must be a pipe");
  }
  void take() {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(fd);
  }
  void read(int fd) {
    const auto got = ::recv(fd, buffer_.data(), buffer_.size(), 0);
    auto& in = connections_[fd];
    if (got <= 0) {
      ::close(fd);
      connections_.erase(fd);
      return;
    }
    in.append(buffer_.data(), static_cast<std::size_t>(got));
    const auto length = completeRequest(in);
    if (length == 0) return;
    in.erase(0, length);
    waiting_.push_back(fd);
  }
  /// All that wait share one commit.
  void answerAll() {
    if (waiting_.empty()) return;
    database_.begin();
    for (std::size_t i = 0; i < waiting_.size(); ++i) database_.insert(kStart, orderedKey(++serial_));
    database_.commit();
    for (const int fd : waiting_)
      if (::send(fd, answer_.data(), answer_.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(answer_.size()))
        die("an answer was not taken whole");
    waiting_.clear();
  }

  Database database_;
  int poll_ = -1;
  int listener_ = -1;
  std::string answer_;
  std::array<char, 16384> buffer_{};
  std::map<int, std::string> connections_;
  std::vector<int> waiting_;
  std::uint64_t serial_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::string_view(argv[1]) == "--cpu") return cpuOfOne(std::strtoul(argv[2], nullptr, 10), argv[3]);
  if (argc == 3 && std::string_view(argv[1]) == "--serve") {
    Server(argv[2]).run();
    return 0;
  }
  die("use: floor --cpu BYTES DIRECTORY, or floor --serve FILE");
}
