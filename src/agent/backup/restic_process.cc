#include "agent/backup/restic_process.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "agent/backup/contain.h"
#include "agent/identity.h"
#include "agent/scripts/supervisor.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/strings.h"
#include "net/relay.h"
#include "os/file.h"

namespace sp::agent {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRepositoryFd = 3;
constexpr int kKeyFd = 4;
constexpr int kCaFd = 5;
constexpr int kClientFd = 6;

constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr auto kTick = std::chrono::milliseconds(250);
constexpr std::chrono::milliseconds kKillAfter{20'000};
constexpr auto kFirstDelay = std::chrono::milliseconds(200);
constexpr auto kMostDelay = std::chrono::milliseconds(5'000);
/// Runs that had begun to move bytes and broke: a server that comes and goes must not be read for without an end.
constexpr int kMostBroken = 20;
/// What an exit code is above when a signal ended the process.
constexpr int kSignalled = 128;

std::string fdPath(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

/// Text behind a descriptor that a child can open by /proc/self/fd: in memory only.
Result<os::Fd> memory(const char* name, std::string_view text) {
  os::Fd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) return failErrno("restic.memory", "cannot make a memory file", errno);
  while (!text.empty()) {
    const auto put = ::write(fd.get(), text.data(), text.size());
    if (put <= 0) return failErrno("restic.memory", "cannot write a memory file", errno);
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return fd;
}

/// restic uses every core for as long as it reads: more of them than cores only slow each other.
class Places {
 public:
  bool take(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    if (!free_.wait_for(lock, limit, [this] { return left_ > 0; })) return false;
    --left_;
    return true;
  }
  /// For one that runs already.
  void takeAnyway() {
    const std::lock_guard lock(mutex_);
    --left_;
  }
  void give() {
    const std::lock_guard lock(mutex_);
    ++left_;
    free_.notify_one();
  }
  static Places& all() {
    static Places places;
    return places;
  }

 private:
  std::mutex mutex_;
  std::condition_variable free_;
  int left_ = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
};

struct Place {
  Place() = default;
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    if (held) Places::all().give();
  }
  bool take(std::chrono::milliseconds limit) { return held = Places::all().take(limit); }
  void takeAnyway() {
    Places::all().takeAnyway();
    held = true;
  }
  bool held = false;
};

/// When a run last got on, over all its tries.
struct Movement {
  std::uint64_t seen = 0;
  /// `seen` when the present try began.
  std::uint64_t from = 0;
  Clock::time_point at = Clock::now();
  void begin(std::uint64_t now) { seen = from = now; }
  void look(std::uint64_t now) {
    if (now == seen) return;
    seen = now;
    at = Clock::now();
  }
};

/// restic checks the server's certificate against what it dials, and has no option to name another: the server's names the
/// loopback, where a relay goes on to the server. None is needed where the server is on this host.
bool needsRelay(const std::string& endpoint) {
  return !endpoint.starts_with("127.0.0.1:") && !endpoint.starts_with("[::1]:") && !endpoint.starts_with("localhost:");
}

/// What becomes kRepositoryFd and those after it, in their order.
struct Given {
  std::vector<os::Fd> files;
  /// "HOST:PORT" that the last one's connections go on to; empty: there is none.
  std::string relay;

  Result<void> add(const char* name, std::string_view text) {
    SP_TRY(auto fd, memory(name, text));
    files.push_back(std::move(fd));
    return {};
  }
  std::vector<int> numbers() const {
    std::vector<int> out;
    for (const auto& file : files) out.push_back(file.get());
    return out;
  }
};

Result<Given> give(const Identity& identity, const ResticAccess& access, const std::string& paths) {
  SP_TRY(const auto endpoint, identity.endpoint());
  const auto tls = identity.tls();
  SP_TRY(const auto ca, os::readFile(tls.ca_file));
  SP_TRY(const auto cert, os::readFile(tls.cert_file));
  SP_TRY(const auto private_key, os::readFile(tls.key_file));
  Given given;
  os::Fd listener;
  auto address = endpoint;
  if (needsRelay(endpoint)) {
    SP_TRY(const int listening, net::Relay::listen());
    listener = os::Fd(listening);
    address = net::Relay::endpointOf(listening);
    given.relay = endpoint;
  }
  SP_CHECK_OK(given.add("repository", fmt::format("rest:https://{}:{}@{}{}", access.user, access.secret, address, access.repository)));
  SP_CHECK_OK(given.add("key", access.key + "\n"));
  SP_CHECK_OK(given.add("ca", ca));
  SP_CHECK_OK(given.add("client", cert + "\n" + private_key));
  SP_CHECK_OK(given.add("files", paths));
  if (listener) given.files.push_back(std::move(listener));
  return given;
}

/// A request's restic, from its first try to its last.
class Tries {
 public:
  Tries(RequestContext& context, ResticTask& task, std::chrono::milliseconds stall, const std::function<void(std::string_view)>& waiting)
      : context_(context),
        task_(task),
        stall_(stall),
        waiting_(waiting),
        folder_(folderOf(context.identity(), context.id()) + "/restic"),
        name_(fmt::format("{}/restic/{}/{}", context.id(), os::bootId(), os::processStartTime(1))) {}

  static std::string folderOf(const Identity& identity, const std::string& id) {
    return identity.stateDir() + "/runs/" + percentEncode(id);
  }
  Result<ResticOutcome> run();

 private:
  Result<std::optional<ResticOutcome>> adopted();
  Result<std::optional<ResticOutcome>> anew();
  Result<void> start(SupervisedRun& supervised, const ResticRun& run, const ResticAccess& access) const;
  Result<ResticOutcome> follow(SupervisedRun& supervised);
  Result<ResticOutcome> outcomeOf(const SupervisedRun& supervised, std::optional<ResticEnd> asked, std::string words) const;

  RequestContext& context_;
  ResticTask& task_;
  const std::chrono::milliseconds stall_;
  const std::function<void(std::string_view)>& waiting_;
  const std::string folder_;
  /// Of a run in this boot of the machine: one of an earlier boot is over, and what it left may not be whole.
  const std::string name_;
  Movement movement_;
};

/// What an earlier agent's restic came to; nullopt: it started none, or that one was lost.
Result<std::optional<ResticOutcome>> Tries::adopted() {
  SupervisedRun supervised(folder_, name_);
  if (!supervised.alive() && !supervised.status()) return std::nullopt;
  log::info("a restic of an earlier agent is followed", {{"id", context_.id()}});
  failpoint::hit("agent.restic.adopted");
  Place place;
  place.takeAnyway();
  movement_.begin(task_.moved());
  SP_TRY(auto outcome, follow(supervised));
  return outcome;
}

/// One more try; nullopt: cancelled before it began.
Result<std::optional<ResticOutcome>> Tries::anew() {
  std::optional<json::Object> secrets;
  while (!(secrets = context_.secrets(std::chrono::seconds(1))) && !context_.cancelled()) {
    if (Clock::now() - movement_.at > stall_)
      return ResticOutcome{ResticEnd::stalled, {}, "The server has not told the job's credential to the agent that was started again."};
    waiting_("Waiting for the job's credential.");
  }
  Place place;
  while (!place.take(std::chrono::seconds(1))) {
    if (context_.cancelled()) return std::nullopt;
    movement_.at = Clock::now();
    waiting_("Waiting for other backups on this host.");
  }
  if (context_.cancelled()) return std::nullopt;
  SP_TRY(const auto run, task_.prepare());
  movement_.begin(task_.moved());
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
  SupervisedRun supervised(folder_, name_);
  SP_CHECK_OK(start(supervised, run, ResticAccess::of(context_.request(), *secrets)));
  SP_TRY(auto outcome, follow(supervised));
  return outcome;
}

Result<void> Tries::start(SupervisedRun& supervised, const ResticRun& run, const ResticAccess& access) const {
  const auto& identity = context_.identity();
  SP_TRY(const auto given, give(identity, access, run.files));
  const auto work = identity.stateDir() + "/restic";
  SP_CHECK_OK(os::makeDirectories(work + "/cache"));
  SP_CHECK_OK(os::makeDirectories(work + "/tmp"));
  const auto seen = run.root.empty() ? work : std::string(kContainedWork);
  std::vector<std::string> command{"restic",       "--json",       "--repository-file", fdPath(kRepositoryFd), "--password-file",
                                   fdPath(kKeyFd), "--cacert",     fdPath(kCaFd),       "--tls-client-cert",   fdPath(kClientFd),
                                   "--cache-dir",  seen + "/cache"};
  command.insert(command.end(), run.arguments.begin(), run.arguments.end());
  SuperviseSpec spec;
  spec.argv = containedCommand({folder_, run.root, work, given.relay}, std::move(command));
  const auto* path = std::getenv("PATH");
  spec.environment = {fmt::format("PATH={}", path != nullptr && *path != '\0' ? path : kPath),
                      "HOME=/nonexistent",
                      "TZ=UTC",
                      "LC_ALL=C.UTF-8",
                      "RESTIC_PROGRESS_FPS=2",
                      "TMPDIR=" + seen + "/tmp"};
  spec.cwd = "/";
  // SIGINT alone makes restic take back its lock.
  spec.end_signal = SIGINT;
  spec.grace_ms = kKillAfter.count();
  spec.reserve = identity.stateDir() + "/journal/reserve";
  SP_TRY(const auto program, superviseProgram(identity.stateDir()));
  SP_CHECK_OK(supervised.prepare(spec));
  failpoint::hit("agent.restic.starting");
  SP_CHECK_OK(supervised.launch(program, given.numbers()));
  failpoint::hit("agent.restic.started");
  return {};
}

/// Until restic has ended and its lines are read; asks it to stop when cancelled or stalled.
Result<ResticOutcome> Tries::follow(SupervisedRun& supervised) {
  ResticOutput output(folder_, task_);
  std::optional<ResticEnd> asked;
  const auto end = [&](ResticEnd why) {
    asked = why;
    supervised.cancel();
  };
  const auto stalled = folder_ + "/stalled";
  if (::access(stalled.c_str(), F_OK) == 0) end(ResticEnd::stalled);
  while (true) {
    const bool ended = supervised.endsWithin(asked ? -1 : context_.cancelFd(), kTick);
    output.read(ended);
    if (ended) break;
    task_.tick(supervised.scriptPid());
    movement_.look(task_.moved());
    if (asked) continue;
    if (context_.cancelled()) {
      end(ResticEnd::cancelled);
    } else if (Clock::now() - movement_.at > stall_) {
      // For an agent that hears of its end without having asked for it.
      if (const auto noted = os::writeFile(stalled, ""); !noted) log::warn("a stall is not noted", {{"why", noted.error().text()}});
      end(ResticEnd::stalled);
    }
  }
  failpoint::hit("agent.restic.ended");
  return outcomeOf(supervised, asked, output.words());
}

Result<ResticOutcome> Tries::outcomeOf(const SupervisedRun& supervised, std::optional<ResticEnd> asked, std::string words) const {
  ResticOutcome outcome;
  outcome.words = std::move(words);
  const auto status = supervised.status();
  if (status && status->reason == "not_started") return fail("restic.start", status->message);
  if (asked) outcome.end = *asked;
  else if (!status || status->reason != "exited") outcome.end = context_.cancelled() ? ResticEnd::cancelled : ResticEnd::lost;
  if (status) outcome.status = {status->exit_code, status->exit_code > kSignalled ? status->exit_code - kSignalled : 0};
  return outcome;
}

Result<ResticOutcome> Tries::run() {
  auto delay = kFirstDelay;
  int broken = 0;
  std::optional<ResticOutcome> tried;
  if (context_.adopted()) { SP_TRY(tried, adopted()); }
  while (true) {
    if (!tried) { SP_TRY(tried, anew()); }
    if (!tried) return ResticOutcome{ResticEnd::cancelled, {}, ""};
    auto outcome = std::move(*tried);
    tried.reset();
    const bool lost = outcome.end == ResticEnd::lost;
    const bool away = outcome.end == ResticEnd::exited && !outcome.status.ok() && tellsOfAbsence(outcome.words);
    if (!lost && !away) {
      const bool failed = outcome.end == ResticEnd::exited && !outcome.status.ok();
      if (!failed || !task_.changesCourse(outcome.words)) return outcome;
      log::warn("restic is started again in another way", {{"id", context_.id()}, {"words", outcome.words}});
      continue;
    }
    if (lost || movement_.seen != movement_.from) {
      delay = kFirstDelay;
      if (++broken >= kMostBroken) return outcome;
    }
    const std::string_view why = lost ? "restic was ended from outside" : "The server was away";
    log::warn("restic is started again", {{"id", context_.id()}, {"why", why}, {"words", outcome.words}});
    waiting_(fmt::format("{}; starting again.", why));
    if (context_.sleep(delay)) outcome.end = ResticEnd::cancelled;
    else if (Clock::now() - movement_.at > stall_) outcome.end = ResticEnd::stalled;
    else {
      delay = std::min(delay * 2, kMostDelay);
      continue;
    }
    return outcome;
  }
}

}  // namespace

ResticAccess ResticAccess::of(const json::Object& request, const json::Object& secrets) {
  return {json::textOr(request, "repository"), json::textOr(request, "user"), json::textOr(secrets, "secret"),
          json::textOr(secrets, "key")};
}

std::vector<std::string> textsOf(const json::Object& request, std::string_view key) {
  std::vector<std::string> out;
  const auto* value = json::find(request, key);
  if (value == nullptr || !value->is_array()) return out;
  for (const auto& entry : value->get_array())
    if (entry.is_string()) out.push_back(json::toStd(entry.get_string()));
  return out;
}

std::string literalPattern(std::string_view path) {
  std::string out;
  for (const char c : path) {
    if (c == '*' || c == '?' || c == '[' || c == ']' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

bool tellsOfAbsence(std::string_view words) {
  // What was said of earlier requests that restic itself sent again is over.
  if (const auto retried = words.rfind("returned error, retrying"); retried != std::string_view::npos) {
    const auto next = words.find("; ", retried);
    words = next == std::string_view::npos ? std::string_view() : words.substr(next);
  }
  for (const std::string_view answer : {"unexpected HTTP response (5", "server response unexpected: 5"})
    if (const auto at = words.find(answer); at != std::string_view::npos) return !words.substr(at + answer.size()).starts_with("07");
  // `Head "https://…": why` is how a request that got no answer is told. A certificate that is not trusted stays so.
  return words.find(" \"https://") != std::string_view::npos && words.find("x509:") == std::string_view::npos &&
         words.find("remote error: tls") == std::string_view::npos;
}

bool tellsOfUnwrittenLock(std::string_view words) {
  return words.find("unable to create lock in backend") != std::string_view::npos && words.find("already locked") == std::string_view::npos;
}

Result<ResticOutcome> runRestic(RequestContext& context, ResticTask& task, std::chrono::milliseconds stall,
                                const std::function<void(std::string_view)>& waiting) {
  return Tries(context, task, stall, waiting).run();
}

void removeResticRun(const Identity& identity, const std::string& id) {
  const auto folder = Tries::folderOf(identity, id);
  if (SupervisedRun left(folder + "/restic"); left.alive()) {
    left.cancel();
    left.wait(-1);
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

}  // namespace sp::agent
