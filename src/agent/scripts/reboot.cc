#include "agent/scripts/reboot.h"

#include <unistd.h>

#include <fmt/format.h>

#include "agent/identity.h"
#include "base/log.h"
#include "base/strings.h"
#include "net/http_client.h"
#include "os/process.h"

namespace sp::agent {
namespace {

constexpr int kTimeoutSeconds = 30;
constexpr std::chrono::milliseconds kBetween{1'000};
constexpr std::chrono::seconds kInitPatience{30};
constexpr std::size_t kAnswerMax = 4096;

Result<net::Response> ask(const Identity& identity, const std::string& command) {
  SP_TRY(const auto endpoint, identity.endpoint());
  SP_TRY(const auto address, parseHostPort(endpoint));
  const auto http = net::makeHttpClient(address.host, address.port, identity.tls(), kTimeoutSeconds);
  net::ClientRequest request;
  request.method = "POST";
  request.target = fmt::format("/commands/{}/reboot", percentEncode(command));
  return http->send(request, kAnswerMax);
}

/// By this machine's own init.
Result<void> rebootHere() {
  const bool systemd = ::access("/run/systemd/system", F_OK) == 0;
  const auto argv =
      systemd ? std::vector<std::string>{"/bin/systemctl", "reboot"} : std::vector<std::string>{"/sbin/shutdown", "-r", "now"};
  log::info("this machine is rebooted, as a script asks", {{"by", argv.front()}});
  const auto ran = os::run({.argv = argv}, kInitPatience);
  if (!ran) return fail("reboot.failed", fmt::format("this machine cannot be rebooted: {}", ran.error().text()));
  if (!ran->status.ok())
    return fail("reboot.failed",
                fmt::format("this machine cannot be rebooted: {} ended by {}: {}", argv.front(), ran->status.text(), trim(ran->err)));
  return {};
}

}  // namespace

Result<void> askForReboot(RequestContext& context, const std::string& command) {
  while (true) {
    const auto answer = ask(context.identity(), command);
    if (answer && answer->status == 202) return {};
    if (answer && answer->status == 200) return rebootHere();
    // A server that has trouble of its own is asked again.
    if (answer && answer->status < 500) return fail("reboot.refused", std::string(trim(answer->body)));
    if (context.sleep(kBetween)) return fail("reboot.cancelled", "cancelled");
  }
}

}  // namespace sp::agent
