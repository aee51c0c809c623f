#include "agent/backup/restic_process.h"

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "agent/backup/contain.h"
#include "agent/identity.h"
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
constexpr int kFilesFd = 7;
constexpr auto kTick = std::chrono::milliseconds(250);
constexpr auto kKillAfter = std::chrono::seconds(20);
constexpr std::size_t kWordsKept = 2000;
constexpr auto kFirstDelay = std::chrono::milliseconds(200);
constexpr auto kMostDelay = std::chrono::milliseconds(5'000);
/// Runs that had begun to move bytes and broke: a server that comes and goes must not be read for without an end.
constexpr int kMostBroken = 20;
constexpr std::size_t kLineMost = 1U << 20U;

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
  unsigned left_ = std::max(1U, std::thread::hardware_concurrency());
};

struct Place {
  Place() = default;
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    if (held) Places::all().give();
  }
  bool held = false;
};

/// One stream, cut into lines.
struct Stream {
  os::Fd fd;
  std::string partial;

  void read(bool error_stream, ResticListener& listener) {
    std::array<char, 65536> buffer{};
    const auto got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got <= 0) {
      if (!partial.empty()) listener.line(error_stream, partial);
      partial.clear();
      fd.reset();
      return;
    }
    partial.append(buffer.data(), static_cast<std::size_t>(got));
    std::size_t start = 0;
    for (auto end = partial.find('\n'); end != std::string::npos; end = partial.find('\n', start)) {
      listener.line(error_stream, std::string_view(partial).substr(start, end - start));
      start = end + 1;
    }
    partial.erase(0, start);
    if (partial.size() > kLineMost) partial.clear();
  }
};

/// Keeps what restic said in plain words beside passing lines on.
class Words final : public ResticListener {
 public:
  explicit Words(ResticListener& next) : next_(next) {}
  void line(bool error_stream, std::string_view text) override {
    if (error_stream) keep(text);
    next_.line(error_stream, text);
  }
  void tick(pid_t pid) override { next_.tick(pid); }
  std::uint64_t moved() const override { return next_.moved(); }
  void again() override {
    words.clear();
    next_.again();
  }
  std::string words;

 private:
  void keep(std::string_view text) {
    std::string said(trim(text));
    if (said.starts_with("{")) {
      // Newer releases say with --json why they end as an object, too.
      const auto parsed = json::parse(plainText(said));
      if (!parsed || !parsed->is_object() || json::textOr(parsed->get_object(), "message_type") != "exit_error") return;
      said = json::textOr(parsed->get_object(), "message");
    }
    if (said.empty()) return;
    words += fmt::format("{}{}", words.empty() ? "" : "; ", said);
    if (words.size() > kWordsKept) words.erase(0, words.size() - kWordsKept);
  }
  ResticListener& next_;
};

/// When a run last got on, over all its tries.
struct Movement {
  std::uint64_t seen = 0;
  Clock::time_point at = Clock::now();
  void look(std::uint64_t now) {
    if (now == seen) return;
    seen = now;
    at = Clock::now();
  }
};

struct Started {
  /// Ends after restic.
  std::unique_ptr<net::Relay> relay;
  os::Process process;
  Stream out;
  Stream err;
};

/// restic checks the server's certificate against what it dials, and has no option to name another: the server's names the
/// loopback, where a relay goes on to the server. None is needed where the server is on this host.
Result<std::unique_ptr<net::Relay>> relayTo(const std::string& endpoint) {
  if (endpoint.starts_with("127.0.0.1:") || endpoint.starts_with("[::1]:") || endpoint.starts_with("localhost:")) return nullptr;
  SP_TRY(const auto server, parseHostPort(endpoint));
  return net::Relay::start(server.host, server.port);
}

Result<Started> start(const RequestContext& context, const ResticRun& run) {
  const auto& identity = context.identity();
  SP_TRY(const auto endpoint, identity.endpoint());
  const auto tls = identity.tls();
  SP_TRY(const auto ca, os::readFile(tls.ca_file));
  SP_TRY(const auto cert, os::readFile(tls.cert_file));
  SP_TRY(const auto private_key, os::readFile(tls.key_file));
  SP_TRY(auto relay, relayTo(endpoint));
  const auto url = fmt::format("rest:https://{}:{}@{}{}", run.access.user, run.access.secret, relay ? relay->endpoint() : endpoint,
                               run.access.repository);
  SP_TRY(const auto repository, memory("repository", url));
  SP_TRY(const auto key, memory("key", run.access.key + "\n"));
  SP_TRY(const auto ca_fd, memory("ca", ca));
  SP_TRY(const auto client, memory("client", cert + "\n" + private_key));
  SP_TRY(const auto files, memory("files", run.files));
  const auto work = identity.stateDir() + "/restic";
  SP_CHECK_OK(os::makeDirectories(work + "/cache"));
  SP_CHECK_OK(os::makeDirectories(work + "/tmp"));
  const auto seen = run.root.empty() ? work : std::string(kContainedWork);

  std::vector<std::string> command{"restic",       "--json",       "--repository-file", fdPath(kRepositoryFd), "--password-file",
                                   fdPath(kKeyFd), "--cacert",     fdPath(kCaFd),       "--tls-client-cert",   fdPath(kClientFd),
                                   "--cache-dir",  seen + "/cache"};
  command.insert(command.end(), run.arguments.begin(), run.arguments.end());
  SP_TRY(auto out, os::makePipe());
  SP_TRY(auto err, os::makePipe());
  os::SpawnSpec spec;
  spec.argv = containedCommand(run.root, work, std::move(command));
  spec.environment = {{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/nonexistent", "TZ=UTC", "LC_ALL=C.UTF-8",
                       "RESTIC_PROGRESS_FPS=4", "TMPDIR=" + seen + "/tmp"}};
  spec.stdout_fd = out.write.get();
  spec.stderr_fd = err.write.get();
  spec.pass = {
      {repository.get(), kRepositoryFd}, {key.get(), kKeyFd}, {ca_fd.get(), kCaFd}, {client.get(), kClientFd}, {files.get(), kFilesFd}};
  spec.new_group = true;
  SP_TRY(auto process, os::spawn(spec));
  return Started{std::move(relay), std::move(process), {std::move(out.read), ""}, {std::move(err.read), ""}};
}

/// Reads until restic has ended and its streams are empty; asks it to stop when cancelled or stalled.
Result<ResticOutcome> follow(const RequestContext& context, const ResticRun& run, Started& started, Words& listener, Movement& movement) {
  ResticOutcome outcome;
  auto ticked = Clock::now();
  std::optional<Clock::time_point> interrupted;
  bool ended = false;
  const auto interrupt = [&](ResticEnd why) {
    outcome.end = why;
    interrupted = Clock::now();
    // SIGINT alone makes restic take back its lock.
    started.process.signal(SIGINT);
  };
  while (!ended || started.out.fd || started.err.fd) {
    std::array<pollfd, 4> fds{pollfd{started.out.fd.get(), POLLIN, 0}, pollfd{started.err.fd.get(), POLLIN, 0},
                              pollfd{ended ? -1 : started.process.pidfd(), POLLIN, 0},
                              pollfd{interrupted ? -1 : context.cancelFd(), POLLIN, 0}};
    const int got = ::poll(fds.data(), fds.size(), ended ? 0 : static_cast<int>(kTick.count()));
    if (got < 0 && errno != EINTR) return failErrno("restic.poll", "cannot wait for restic", errno);
    if (got == 0 && ended) break;
    if (fds[0].revents != 0) started.out.read(false, listener);
    if (fds[1].revents != 0) started.err.read(true, listener);
    if (fds[2].revents != 0) ended = true;
    const auto now = Clock::now();
    if (now - ticked >= kTick) {
      ticked = now;
      listener.tick(started.process.pid());
      movement.look(listener.moved());
    }
    if (!interrupted && context.cancelled()) interrupt(ResticEnd::cancelled);
    else if (!interrupted && now - movement.at > run.stall) interrupt(ResticEnd::stalled);
    else if (interrupted && now - *interrupted > kKillAfter) started.process.killGroup(SIGKILL);
  }
  SP_TRY(const auto status, started.process.wait());
  outcome.status = status.value_or(os::ExitStatus{});
  outcome.words = plainText(listener.words);
  return outcome;
}

/// One try; nullopt: cancelled before it began.
Result<std::optional<ResticOutcome>> tryOnce(const RequestContext& context, const ResticRun& run, Words& words, Movement& movement,
                                             const std::function<void(std::string_view)>& waiting) {
  Place place;
  while (!place.held) {
    if (context.cancelled()) return std::nullopt;
    place.held = Places::all().take(std::chrono::seconds(1));
    if (place.held) break;
    movement.at = Clock::now();
    waiting("Waiting for other backups on this host.");
  }
  SP_TRY(auto started, start(context, run));
  return follow(context, run, started, words, movement);
}

}  // namespace

ResticAccess ResticAccess::of(const json::Object& request) {
  return {json::textOr(request, "repository"), json::textOr(request, "user"), json::textOr(request, "secret"),
          json::textOr(request, "key")};
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

Result<ResticOutcome> runRestic(RequestContext& context, const ResticRun& run, ResticListener& listener,
                                const std::function<void(std::string_view)>& waiting) {
  Words words(listener);
  Movement movement{listener.moved(), Clock::now()};
  auto delay = kFirstDelay;
  int broken = 0;
  while (true) {
    const auto before = movement.seen;
    SP_TRY(auto tried, tryOnce(context, run, words, movement, waiting));
    if (!tried) return ResticOutcome{ResticEnd::cancelled, {}, ""};
    auto& outcome = *tried;
    if (outcome.end != ResticEnd::exited || outcome.status.ok() || !tellsOfAbsence(outcome.words)) return std::move(outcome);
    if (movement.seen != before) {
      delay = kFirstDelay;
      if (++broken >= kMostBroken) return std::move(outcome);
    }
    log::warn("restic lost the server and is started again", {{"id", context.id()}, {"words", outcome.words}});
    waiting("The server was away; starting again.");
    if (context.sleep(delay)) outcome.end = ResticEnd::cancelled;
    else if (Clock::now() - movement.at > run.stall) outcome.end = ResticEnd::stalled;
    if (outcome.end != ResticEnd::exited) return std::move(outcome);
    delay = std::min(delay * 2, kMostDelay);
    words.again();
    movement.seen = listener.moved();
  }
}

std::string plainText(std::string_view text) {
  std::string out(text);
  if (isUtf8(out)) return out;
  for (auto& c : out)
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  return out;
}

}  // namespace sp::agent
