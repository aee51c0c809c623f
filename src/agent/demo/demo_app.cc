#include "agent/demo/demo_app.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "agent/demo/demo_sql.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "base/strings.h"
#include "json/json.h"
#include "os/process.h"
#include "os/user.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr const char* kSocketFolder = "/run/postgresql";
constexpr const char* kLogFile = "/var/log/postgresql.log";
/// There once the first boot is done; without it the cluster is made anew.
constexpr const char* kReadyMark = "/var/lib/postgresql/first-boot-done";
constexpr std::int64_t kBallastBytes = std::int64_t{256} << 20;
/// With page, row and value headers one row fills a page of 8 KiB.
constexpr std::size_t kBallastRow = 8'000;
constexpr milliseconds kInitPatience{120'000};
constexpr milliseconds kReadyPatience{120'000};

constexpr const char* kSettings = R"(# Written at the first boot of the demo machine.
listen_addresses = ''
unix_socket_directories = '/run/postgresql'
shared_buffers = 32MB
max_connections = 30
dynamic_shared_memory_type = posix
wal_level = minimal
max_wal_senders = 0
max_wal_size = 256MB
min_wal_size = 32MB
checkpoint_timeout = 5min
jit = off
client_connection_check_interval = 1s
timezone = 'UTC'
log_timezone = 'UTC'
)";

std::string tool(const char* name) { return fmt::format("{}/{}", kPostgresBin, name); }

/// The same command as the user postgres; su and runuser would need PAM, which the machine does not have.
std::vector<std::string> asPostgres(std::vector<std::string> argv) {
  std::vector<std::string> out{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"};
  out.insert(out.end(), argv.begin(), argv.end());
  return out;
}

std::vector<std::string> psql() {
  return {tool("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", kSocketFolder, "-U", "postgres", "postgres"};
}

Result<void> mustSucceed(const std::vector<std::string>& argv, std::string_view input, const std::string& what) {
  SP_TRY(const auto output, os::run({.argv = argv, .cwd = "/"}, kInitPatience, input));
  if (output.status.ok() && !output.timed_out) return {};
  return fail("demo.setup", fmt::format("{}: {}: {}", what, output.timed_out ? "timed out" : output.status.text(), trim(output.err)));
}

/// What the machine was made with.
std::int64_t ballastBytes() {
  const auto text = os::readFile("/etc/stillpoint-machine.json", 65536);
  const auto value = text ? json::parse(*text) : Result<json::Value>(json::Value());
  return value && value->is_object() ? json::intOr(value->get_object(), "dataBytes", kBallastBytes) : kBallastBytes;
}

class Application {
 public:
  explicit Application(int stop_fd) : stop_fd_(stop_fd) {}
  /// Until told to stop; an error: try again after a while.
  Result<void> run();
  void stop();

 private:
  Result<void> prepareFolders();
  Result<void> makeCluster();
  Result<void> startPostgres();
  Result<void> awaitReady() const;
  Result<void> fill();
  Result<void> keepWriting();
  void stopPostgres();
  static pid_t postmaster();

  const int stop_fd_;
  std::optional<os::Process> postgres_;
  std::optional<os::Process> writer_;
};

Result<void> Application::prepareFolders() {
  SP_TRY(const auto user, withContext(os::findUser("postgres"), "prepare PostgreSQL's folders"));
  SP_CHECK_OK(os::makeDirectories(kSocketFolder, 0775));
  if (::chown(kSocketFolder, user.uid, user.gid) != 0 || ::chmod(kSocketFolder, 0775) != 0)
    return failErrno("demo.setup", fmt::format("cannot hand over {}", kSocketFolder), errno);
  const os::Fd log(::open(kLogFile, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (!log || ::fchown(log.get(), user.uid, user.gid) != 0) return failErrno("demo.setup", fmt::format("cannot open {}", kLogFile), errno);
  return {};
}

Result<void> Application::makeCluster() {
  std::error_code ignored;
  fs::remove_all(kPostgresData, ignored);
  // --no-sync: the fill that follows ends in a checkpoint, and until the ready mark the cluster is thrown away.
  SP_CHECK_OK(mustSucceed(asPostgres({tool("initdb"), "-D", kPostgresData, "-U", "postgres", "-A", "peer", "-k", "-E", "UTF8", "--locale=C",
                                      "--no-sync", "--no-instructions"}),
                          {}, "initdb"));
  const std::string data = kPostgresData;
  // The machine's root works as the database's superuser, over the unix socket only.
  for (const auto& [name, text] : {std::pair<const char*, const char*>{"postgresql.conf", kSettings},
                                   {"pg_hba.conf", "local all all peer map=machine\n"},
                                   {"pg_ident.conf", "machine root postgres\nmachine postgres postgres\n"}})
    SP_CHECK_OK(os::writeFile(data + "/" + name, text));
  return {};
}

pid_t Application::postmaster() {
  const auto text = os::readFile(std::string(kPostgresData) + "/postmaster.pid", 4096);
  if (!text) return -1;
  return static_cast<pid_t>(parseInt(split(*text, '\n').front()).value_or(-1));
}

Result<void> Application::startPostgres() {
  const auto pid = postmaster();
  const auto command = pid > 0 ? os::readFile(fmt::format("/proc/{}/comm", pid), 256) : Result<std::string>("");
  if (command && trim(*command) == "postgres") {
    // It outlived an earlier process of this kind.
    SP_TRY(auto pidfd, os::openPidfd(pid));
    postgres_.emplace(pid, std::move(pidfd));
    return awaitReady();
  }
  // The processes of this boot are all there are: the file is left from an earlier one, its number belongs to somebody else.
  ::unlink((std::string(kPostgresData) + "/postmaster.pid").c_str());
  const os::Fd log(::open(kLogFile, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  SP_TRY(auto process, os::spawn({.argv = asPostgres({tool("postgres"), "-D", kPostgresData}),
                                  .cwd = "/",
                                  .stdout_fd = log.get(),
                                  .stderr_fd = log.get(),
                                  .new_session = true}));
  postgres_ = std::move(process);
  return awaitReady();
}

Result<void> Application::awaitReady() const {
  const auto deadline = std::chrono::steady_clock::now() + kReadyPatience;
  const auto path = std::string(kPostgresData) + "/postmaster.pid";
  while (std::chrono::steady_clock::now() < deadline) {
    const auto text = os::readFile(path, 4096);
    if (text && text->find("ready") != std::string::npos) return {};
    if (os::waitEither(postgres_->pidfd(), stop_fd_, milliseconds(5)) != 0)
      return fail("demo.postgres", "PostgreSQL did not start; see /var/log/postgresql.log");
  }
  return fail("demo.postgres", "PostgreSQL was not ready in time; see /var/log/postgresql.log");
}

Result<void> Application::fill() {
  SP_CHECK_OK(mustSucceed(psql(), kDemoSchema, "demo schema"));
  auto copy = psql();
  copy.insert(copy.end() - 1,
              {"-1", "-c", kBallastTable, "-c",
               fmt::format("\\copy demo.ballast FROM PROGRAM '{} demo-ballast {}' (FORMAT binary)", os::ownProgram(), ballastBytes())});
  SP_CHECK_OK(mustSucceed(copy, {}, "demo data"));
  SP_CHECK_OK(mustSucceed(psql(), "SELECT demo.append('write', 'first'); CHECKPOINT;", "first row"));
  return os::writeFileDurably(kReadyMark, "");
}

Result<void> Application::keepWriting() {
  while (true) {
    auto argv = psql();
    argv.insert(argv.end() - 1, {"-c", "CALL demo.write_forever()"});
    SP_TRY(auto writer, os::spawn({.argv = argv, .cwd = "/", .stdout_fd = 1, .stderr_fd = 2, .new_session = true}));
    writer_ = std::move(writer);
    std::array<pollfd, 3> fds{pollfd{stop_fd_, POLLIN, 0}, pollfd{postgres_->pidfd(), POLLIN, 0}, pollfd{writer_->pidfd(), POLLIN, 0}};
    while (::poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) {}
    if (fds[0].revents != 0) return {};
    writer_->signal(SIGKILL);
    (void)writer_->wait();
    writer_.reset();
    if (fds[1].revents != 0) {
      (void)postgres_->wait();
      postgres_.reset();
      return fail("demo.postgres", "PostgreSQL ended");
    }
    log::warn("the writer ended and is started again");
    if (os::waitReadable(stop_fd_, milliseconds(200))) return {};
  }
}

Result<void> Application::run() {
  SP_CHECK_OK(prepareFolders());
  const bool first = ::access(kReadyMark, F_OK) != 0;
  if (first) {
    stopPostgres();
    SP_CHECK_OK(makeCluster());
  }
  SP_CHECK_OK(startPostgres());
  if (first) SP_CHECK_OK(fill());
  log::info("demo application runs", {{"first_boot", first ? "yes" : "no"}});
  return keepWriting();
}

void Application::stopPostgres() {
  if (!postgres_) return;
  // Fast shutdown: sessions are ended, then a checkpoint is written. Its own answer to a second request is none.
  postgres_->signal(SIGINT);
  os::waitReadable(postgres_->pidfd(), milliseconds(-1));
  (void)postgres_->wait();
  postgres_.reset();
}

void Application::stop() {
  if (writer_) writer_->signal(SIGTERM);
  stopPostgres();
}

std::uint64_t nextRandom(std::uint64_t& state) {
  // splitmix64: nobody can compress it, and it makes a gigabyte in a second.
  state += 0x9E3779B97F4A7C15ULL;
  auto z = state;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31U);
}

std::string bigEndian16(std::uint16_t value) { return {static_cast<char>(value >> 8U), static_cast<char>(value & 0xFFU)}; }

bool writeOut(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto put = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

}  // namespace

int demoApp() {
  const auto stop = os::stopSignals();
  Application application(stop.get());
  while (true) {
    const auto ran = application.run();
    if (os::waitReadable(stop.get(), milliseconds(ran ? 0 : 500))) break;
    if (!ran) log::error("demo application", {{"why", ran.error().text()}});
  }
  application.stop();
  return 0;
}

int demoBallast(const char* bytes) {
  const auto wanted = parseInt(bytes);
  if (!wanted || *wanted <= 0) return 2;
  SystemRandom random;
  std::uint64_t state = random.below(UINT64_MAX);
  std::string out("PGCOPY\n\377\r\n\0", 11);
  out += bigEndian32(0) + bigEndian32(0);
  std::array<std::uint64_t, kBallastRow / 8> row{};
  const auto rows = (static_cast<std::uint64_t>(*wanted) + kBallastRow - 1) / kBallastRow;
  for (std::uint64_t id = 1; id <= rows; ++id) {
    for (auto& word : row) word = nextRandom(state);
    out += bigEndian16(2) + bigEndian32(8) + bigEndian64(id) + bigEndian32(kBallastRow);
    out.append(reinterpret_cast<const char*>(row.data()), kBallastRow);
    if (out.size() < (1U << 20U)) continue;
    if (!writeOut(out)) return 1;
    out.clear();
  }
  out += bigEndian16(0xFFFF);
  return writeOut(out) ? 0 : 1;
}

}  // namespace sp::agent
