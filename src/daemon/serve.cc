#include "daemon/serve.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "cli/environment.h"
#include "daemon/credentials.h"
#include "daemon/data_dir.h"
#include "daemon/installation.h"
#include "os/limits.h"
#include "os/systemd.h"

namespace sp::daemon {
namespace {

constexpr int kGraceSeconds = 10;
/// What the disk is like.
constexpr std::chrono::milliseconds kBetweenLooks = std::chrono::seconds(10);

// Port 0 means any free one; the one of the last time is tried first, so that agents find the server again.
Result<net::Endpoint> endpointOf(const std::string& listen, std::uint16_t last) {
  SP_TRY(auto endpoint, net::Endpoint::parse(listen));
  if (endpoint.port == 0) endpoint.port = last;
  return endpoint;
}

std::string urlOf(const net::Endpoint& endpoint, bool tls) {
  auto shown = endpoint;
  if (shown.address == "0.0.0.0") shown.address = "127.0.0.1";
  if (shown.address == "::") shown.address = "::1";
  return (tls ? "https://" : "http://") + shown.text();
}

/// Waits for SIGTERM or SIGINT, and keeps the reserve meanwhile. systemd hears that the server lives only as long as its core thread
/// answers.
int awaitStop(const sigset_t& signals, Installation& installation, const DataDir& dir) {
  const std::chrono::milliseconds every = os::watchdogInterval();
  const auto answered = std::make_shared<std::atomic<bool>>(true);
  const auto pause = every.count() == 0 ? kBetweenLooks : std::min(every / 2, kBetweenLooks);
  const timespec wait{.tv_sec = pause.count() / 1000, .tv_nsec = (pause.count() % 1000) * 1'000'000};
  while (true) {
    dir.keepReserve();
    if (every.count() != 0 && answered->exchange(false)) {
      os::beatWatchdog();
      installation.whenAnswering([answered] { *answered = true; });
    }
    if (const int taken = sigtimedwait(&signals, nullptr, &wait); taken > 0) return taken;
  }
}

Result<void> run(Config config) {
  if (config.data_dir.empty()) config.data_dir = cli::defaultDataDir();
  config.data_dir = std::filesystem::absolute(config.data_dir).lexically_normal();
  SP_CHECK_OK(checkConfig(config));
  log::configure(config.log_level, config.log_format);
  if (!config.failpoints.empty()) SP_CHECK_OK(failpoint::arm(config.failpoints));

  // All threads inherit the blocked signals; this one takes them below.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(0077);
  // A connected agent is an open file.
  os::raiseOpenFiles();

  SP_TRY(const auto dir, DataDir::open(config.data_dir));
  SystemRandom random;
  SP_TRY(const auto key, loadOrMakeRootKey(dir.path(), std::getenv("STILLPOINT_ROOT_ACCESS_KEY_ID"),
                                           std::getenv("STILLPOINT_ROOT_SECRET_ACCESS_KEY"), random));
  ::unsetenv("STILLPOINT_ROOT_SECRET_ACCESS_KEY");
  SP_TRY(const auto agents_at, endpointOf(config.agent_listen, dir.lastPort("agents")));
  SP_TRY(const auto installation, Installation::open(config, agents_at, key, random));
  SP_TRY(const auto api_at, endpointOf(config.listen, dir.lastPort("api")));
  auto server = net::listenHttp(api_at, installation->apiHandler(), net::HttpLimits{}, config.tls);
  if (!server && api_at.port != 0 && net::Endpoint::parse(config.listen)->port == 0) {
    // Somebody else has the last port by now.
    server = net::listenHttp(*net::Endpoint::parse(config.listen), installation->apiHandler(), net::HttpLimits{}, config.tls);
  }
  if (!server) {
    auto error = std::move(server.error());
    if (error.code == "net.tls") error.message = config.at("tls") + error.message;
    return std::unexpected(std::move(error));
  }

  const auto api = urlOf((*server)->endpoint(), config.tls.has_value());
  installation->serving(api.substr(api.find("//") + 2));
  installation->onFull([&dir] { return dir.giveUpReserve(); });
  SP_CHECK_OK(installation->start());
  (*server)->start();
  const auto agents = installation->agentsEndpoint().text();
  // What is there already, from the last time, is right mostly; a server that does not start thaws nobody.
  const auto published = [&](const Result<void>& written) {
    if (!written) log::error("others are not told of this start", {{"why", written.error().text()}});
  };
  published(dir.savePorts((*server)->endpoint().port, installation->agentsEndpoint().port));
  published(dir.publishModel(ownModel()));
  published(dir.announce(api, agents, config.realm.region, config.realm.account));
  dir.keepReserve();
  log::info("ready", {{"api", api}, {"agents", agents}, {"data_dir", dir.path()}});
  log::info("IAM roles are records: policies are not enforced yet; whoever holds the root key may do everything");
  fmt::print("stillpoint ready api={} agents={}\n", api, agents);
  std::fflush(stdout);
  os::notifySystemd("READY=1");

  const int taken = awaitStop(signals, *installation, dir);
  log::info("stopping", {{"signal", taken == SIGTERM ? "SIGTERM" : "SIGINT"}});
  os::notifySystemd("STOPPING=1");
  dir.withdraw();
  installation->endWaiting();
  (*server)->stop(kGraceSeconds);
  installation->stop();
  log::info("stopped");
  return {};
}

}  // namespace

int serve(Config config) {
  const auto ran = run(std::move(config));
  if (ran) return 0;
  fmt::print(stderr, "stillpoint serve: {}\n", ran.error().text());
  return 1;
}

}  // namespace sp::daemon
