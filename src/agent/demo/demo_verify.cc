#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "agent/agent.h"
#include "agent/demo/demo_app.h"
#include "agent/demo/demo_sql.h"
#include "base/strings.h"
#include "os/process.h"
#include "os/user.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kPatience{120'000};

/// Settings of the check's own server: the restored ones are left out, so that it listens nowhere else.
constexpr const char* kSettings = "listen_addresses = ''\nshared_buffers = 32MB\nfsync = off\nautovacuum = off\nlog_checkpoints = on\n";

std::string tool(const char* name) { return fmt::format("{}/{}", kPostgresBin, name); }

/// The database folder in what was given: itself, or below a machine's tree.
std::optional<std::string> findData(const std::string& given) {
  std::error_code ignored;
  for (const auto& path : {given, given + kPostgresData})
    if (fs::exists(path + "/PG_VERSION", ignored)) return path;
  return std::nullopt;
}

class Verification {
 public:
  Verification(std::string data, std::string marker) : data_(std::move(data)), marker_(std::move(marker)) {}
  ~Verification();
  Verification(const Verification&) = delete;
  Verification& operator=(const Verification&) = delete;
  Result<bool> run();

 private:
  void find(bool holds, const std::string& what, const std::string& detail = "");
  std::vector<std::string> command(std::vector<std::string> argv) const;
  Result<os::Output> say(std::vector<std::string> argv, std::string_view input = {}) const;
  Result<void> copy();
  Result<void> checkShutdown();
  Result<void> checkPages();
  Result<bool> start();
  Result<void> checkChains();
  void checkEnd(const std::vector<std::string_view>& values);
  std::string log() const { return os::readFile(scratch_ + "/log").value_or(""); }

  const std::string data_;
  const std::string marker_;
  std::string scratch_;
  std::optional<os::Process> server_;
  bool good_ = true;
};

Verification::~Verification() {
  if (server_) {
    server_->signal(SIGQUIT);
    if (!os::waitReadable(server_->pidfd(), milliseconds(10'000))) server_->killGroup(SIGKILL);
    (void)server_->wait();
  }
  std::error_code ignored;
  if (!scratch_.empty()) fs::remove_all(scratch_, ignored);
}

void Verification::find(bool holds, const std::string& what, const std::string& detail) {
  good_ = good_ && holds;
  std::puts(fmt::format("{} {}{}{}", holds ? "ok  " : "FAIL", what, detail.empty() ? "" : ": ", detail).c_str());
}

std::vector<std::string> Verification::command(std::vector<std::string> argv) const {
  if (::geteuid() != 0) return argv;
  std::vector<std::string> out{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"};
  out.insert(out.end(), argv.begin(), argv.end());
  return out;
}

Result<os::Output> Verification::say(std::vector<std::string> argv, std::string_view input) const {
  return os::run({.argv = command(std::move(argv)), .cwd = scratch_}, kPatience, input);
}

/// The restored files stay as they are: the server that checks them gets a copy, which it may read whoever owns the folders above.
Result<void> Verification::copy() {
  std::string scratch = "/var/tmp/stillpoint-verify-XXXXXX";
  if (::mkdtemp(scratch.data()) == nullptr) return failErrno("verify.copy", "cannot create " + scratch, errno);
  scratch_ = scratch;
  SP_TRY(const auto copied, os::run({.argv = {"cp", "-a", "--reflink=auto", "--", data_, scratch_ + "/data"}}, kPatience));
  if (!copied.status.ok()) return fail("verify.copy", fmt::format("cannot copy {}: {}", data_, trim(copied.err)));
  for (const char* name : {"postgresql.conf", "pg_hba.conf", "postgresql.auto.conf", "postmaster.pid", "postmaster.opts"})
    ::unlink((scratch_ + "/data/" + name).c_str());
  SP_CHECK_OK(os::writeFile(scratch_ + "/data/postgresql.conf", kSettings, 0644));
  SP_CHECK_OK(os::writeFile(scratch_ + "/data/pg_hba.conf", "local all all trust\n", 0644));
  if (::geteuid() != 0) return {};
  const auto user = os::findUser("postgres");
  if (!user) return fail("verify.user", fmt::format("{} on this host: apt-get install postgresql-15", user.error().message));
  SP_TRY(const auto owned, os::run({.argv = {"chown", "-R", fmt::format("{}:{}", user->uid, user->gid), scratch_}}, kPatience));
  if (!owned.status.ok() || ::chmod((scratch_ + "/data").c_str(), 0700) != 0)
    return fail("verify.copy", "cannot hand the copy to the user postgres");
  return {};
}

Result<void> Verification::checkShutdown() {
  SP_TRY(const auto said, say({tool("pg_controldata"), "-D", scratch_ + "/data"}));
  std::string state = "unreadable: " + std::string(trim(said.err));
  for (const auto line : split(said.out, '\n'))
    if (line.starts_with("Database cluster state:")) state = trim(line.substr(23));
  find(said.status.ok() && state == "shut down", "the database was shut down cleanly", state);
  return {};
}

Result<void> Verification::checkPages() {
  SP_TRY(const auto said, say({tool("pg_checksums"), "--check", "-D", scratch_ + "/data"}));
  std::string detail(trim(said.err.empty() ? said.out : said.err));
  if (said.status.ok()) {
    for (const auto line : split(said.out, '\n'))
      if (line.starts_with("Blocks scanned:")) detail = fmt::format("{} blocks", trim(line.substr(15)));
  }
  find(said.status.ok(), "every page has its checksum", detail);
  return {};
}

Result<bool> Verification::start() {
  const auto log_path = scratch_ + "/log";
  SP_CHECK_OK(os::writeFile(log_path, "", 0644));
  const os::Fd log_file(::open(log_path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  SP_TRY(auto server, os::spawn({.argv = command({tool("postgres"), "-D", scratch_ + "/data", "-k", scratch_}),
                                 .cwd = scratch_,
                                 .stdout_fd = log_file.get(),
                                 .stderr_fd = log_file.get(),
                                 .new_session = true}));
  server_ = std::move(server);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  bool ready = false;
  while (!ready && std::chrono::steady_clock::now() < deadline) {
    ready = os::readFile(scratch_ + "/data/postmaster.pid").value_or("").find("ready") != std::string::npos;
    if (!ready && os::waitReadable(server_->pidfd(), milliseconds(5))) break;
  }
  const auto text = log();
  find(ready, "PostgreSQL starts on the files", ready ? "" : std::string(trim(text)));
  const bool recovered = text.find("not properly shut down") != std::string::npos || text.find("redo starts") != std::string::npos ||
                         text.find("automatic recovery") != std::string::npos ||
                         text.find("database system was interrupted") != std::string::npos;
  if (ready) find(!recovered, "it starts without recovery", recovered ? "the log tells of recovery" : "");
  return ready;
}

Result<void> Verification::checkChains() {
  SP_TRY(const auto said,
         say({tool("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-F", " ", "-h", scratch_, "-U", "postgres", "postgres"}, kDemoCheck));
  const auto values = split(trim(said.out), ' ');
  if (!said.status.ok() || values.size() < 7) {
    find(false, "the chains can be read", std::string(trim(said.err)));
    return {};
  }
  const auto rows = [&](std::size_t index) { return fmt::format("{} rows, {} broken links", values[index], values[index + 2]); };
  find(values[0] != "0" && values[2] == "0", "chain a is whole", rows(0));
  find(values[1] != "0" && values[3] == "0", "chain b is whole", rows(1));
  find(values[0] == values[1] && values[4] == "0", "both chains are equal", fmt::format("{} differing rows", values[4]));
  checkEnd(values);
  return {};
}

void Verification::checkEnd(const std::vector<std::string_view>& values) {
  const auto hash = values.size() > 7 ? values[7] : std::string_view();
  const bool marked = values[6] == "marker";
  find(marked, marked ? "the chains end at a marker" : "the chains do not end at a marker",
       fmt::format("last row {}, kind {}, hash {}", values[5], values[6], hash));
  if (!marker_.empty()) {
    const auto last = fmt::format("{}:{}", values[5], hash);
    find(last == marker_, "it is the pre-script's marker", last == marker_ ? marker_ : fmt::format("expected {}, found {}", marker_, last));
  }
  if (marked) std::puts(fmt::format("MARKER {} {}", values[5], hash).c_str());
}

Result<bool> Verification::run() {
  SP_CHECK_OK(copy());
  SP_CHECK_OK(checkShutdown());
  SP_CHECK_OK(checkPages());
  SP_TRY(const bool started, start());
  if (started) SP_CHECK_OK(checkChains());
  return good_;
}

int usage() {
  std::fputs("usage: stillpoint demo-verify DIR [--marker N:HASH]\n", stderr);
  return 2;
}

}  // namespace

int demoVerify(int argc, char** argv) {
  std::string directory;
  std::string marker;
  for (int i = 0; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--marker" && i + 1 < argc) marker = argv[++i];
    else if (directory.empty() && !argument.starts_with("--")) directory = argument;
    else return usage();
  }
  if (directory.empty()) return usage();
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  const auto data = findData(directory);
  if (!data) {
    std::fputs(
        fmt::format("stillpoint demo-verify: there is no PostgreSQL database in {} or {}{}\n", directory, directory, kPostgresData).c_str(),
        stderr);
    return 1;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const auto good = Verification(*data, marker).run();
  if (good) return *good ? 0 : 1;
  std::fputs(fmt::format("stillpoint demo-verify: {}\n", good.error().text()).c_str(), stderr);
  return 1;
}

}  // namespace sp::agent
