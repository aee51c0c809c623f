#include "agent/enrolment.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "agent/facts.h"
#include "agent/former.h"
#include "agent/identity.h"
#include "agentwire/messages.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/strings.h"
#include "net/certificate_request.h"
#include "net/http_client.h"
#include "net/pinned_authority.h"
#include "os/file.h"
#include "os/process.h"
#include "os/systemd.h"

namespace sp::agent {
namespace {

constexpr const char* kTokenVariable = "STILLPOINT_ENROL_TOKEN";
constexpr const char* kServerName = "stillpoint";
constexpr std::size_t kHexHash = 64;
constexpr std::uint64_t kTokenFileMost = 4096;
constexpr int kConnectMs = 10'000;
constexpr int kAnswerSeconds = 20;
constexpr std::size_t kAnswerMost = 64 * 1024;
constexpr double kFirstDelayMs = 500;
constexpr double kDelayMost = 30'000;
constexpr int kTooMany = 429;
constexpr int kServerErrors = 500;

bool isHex(std::string_view text, std::size_t size) {
  return text.size() == size && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool exists(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0;
}

/// What agent.json of an enrolled agent says.
struct Enrolled {
  std::string agent;
  std::string token;
  std::string machine;
  std::string server;
};

Result<Enrolled> readEnrolled(const std::string& state_dir) {
  const auto path = state_dir + "/agent.json";
  SP_TRY(const auto text, os::readFile(path, 1U << 20U));
  SP_TRY(const auto value, withContext(json::parse(text), "read " + path));
  if (!value.is_object()) return fail("agent.identity", path + " is not a JSON object");
  const auto server = os::readFile(state_dir + "/endpoint", 1024);
  const auto& object = value.get_object();
  return Enrolled{json::textOr(object, "agent"), json::textOr(object, "token"), json::textOr(object, "machine"),
                  server ? std::string(trim(*server)) : ""};
}

/// True: there is an identity to run with. False: there is none any more.
Result<bool> judgeEnrolled(const Options& options, const std::string& token) {
  SP_TRY(const auto enrolled, readEnrolled(options.state_dir));
  SP_TRY(const auto machine, machineHash(options.machine_id_file));
  const auto hardware = checkHardware(enrolled.machine, machine, options.state_dir, enrolled.agent);
  const bool refused = exists(options.state_dir + "/rejected");
  std::string id;
  if (!token.empty()) {
    SP_TRY(const auto parsed, parseToken(token));
    id = parsed.id;
  }
  if ((!hardware || refused) && !id.empty() && id != enrolled.token) {
    SP_CHECK_OK(setIdentityAside(options.state_dir, enrolled.agent, hardware.has_value()));
    return false;
  }
  SP_CHECK_OK(hardware);
  if (!options.server.empty() && options.server != enrolled.server)
    return fail(
        "agent.enrolled",
        fmt::format("{} is enrolled as {} with the server {}, not {}. Another server needs another --state-dir; if this server has moved, "
                    "write its new HOST:PORT to {}/endpoint",
                    options.state_dir, enrolled.agent, enrolled.server, options.server, options.state_dir));
  if (!token.empty()) log::info("already enrolled: the token is not used", {{"agent", enrolled.agent}, {"server", enrolled.server}});
  return true;
}

Result<std::string> ownKey(const std::string& state_dir) {
  const auto path = state_dir + "/key.pem";
  // Of an attempt whose answer was lost: the server knows the key and answers the same again.
  if (exists(path)) return os::readFile(path, kAnswerMost);
  SP_TRY(auto key, net::makePrivateKey());
  SP_CHECK_OK(os::writeFileDurably(path, key, 0600));
  return key;
}

Error refusal(const net::Response& response) {
  const auto parsed = json::parse(response.body, 8);
  if (!parsed || !parsed->is_object())
    return {"agent.enrol", fmt::format("the server answered {} and no reason", response.status), {}, nullptr};
  return {"agent." + json::textOr(parsed->get_object(), "error"), json::textOr(parsed->get_object(), "message"), {}, nullptr};
}

/// One attempt. `again`: the error may pass.
Result<void> enrolOnce(const Options& options, const Token& token, const std::string& machine, int stop_fd, bool& again) {
  again = true;
  SP_TRY(const auto address, parseHostPort(options.server));
  const auto authority = net::fetchPinnedAuthority(address.host, address.port, kServerName, token.pin, kConnectMs);
  if (!authority) {
    again = authority.error().code != "net.pin";
    return std::unexpected(authority.error());
  }
  const auto& dir = options.state_dir;
  SP_CHECK_OK(os::writeFileDurably(dir + "/ca.pem", *authority, 0644));
  SP_TRY(const auto key, ownKey(dir));
  const auto facts = machineFacts(machine);
  SP_TRY(const auto request, net::makeCertificateRequest(key, json::textOr(facts, "hostname", "agent")));
  const auto client =
      net::makeHttpClient(address.host, address.port, net::ClientTls{dir + "/ca.pem", "", "", kServerName, true}, kAnswerSeconds);
  net::ClientRequest post;
  post.method = "POST";
  post.target = "/enrol";
  post.headers = {{"Content-Type", "application/json"}};
  post.body = json::toText(json::Object{{"token", token.id + "." + token.secret}, {"request", request}, {"facts", facts}});
  SP_TRY(const auto response, client->send(post, kAnswerMost));
  if (response.status != 200) {
    again = response.status == kTooMany || response.status >= kServerErrors;
    return std::unexpected(refusal(response));
  }
  SP_TRY(const auto answer, json::parse(response.body, 8));
  const auto agent = answer.is_object() ? json::textOr(answer.get_object(), "agent") : "";
  const auto certificate = answer.is_object() ? json::textOr(answer.get_object(), "certificate") : "";
  if (agent.empty()) return fail("agent.enrol", "the server's answer names no agent");
  SP_CHECK_OK(net::checkCertificateKey(certificate, key));
  SP_CHECK_OK(os::writeFileDurably(dir + "/cert.pem", certificate, 0644));
  SP_CHECK_OK(os::writeFileDurably(dir + "/endpoint", options.server + "\n", 0644));
  SP_CHECK_OK(settleFormer(dir, agent, *authority, stop_fd));
  // Last: its presence says that the rest is whole.
  const json::Object self{{"agent", agent}, {"serverName", kServerName}, {"token", token.id}, {"machine", machine}};
  SP_CHECK_OK(os::writeFileDurably(dir + "/agent.json", json::toText(self) + "\n", 0644));
  forgetFormer(dir);
  log::info("enrolled", {{"agent", agent}, {"server", options.server}});
  return {};
}

}  // namespace

Result<Token> parseToken(std::string_view text) {
  const auto whole = trim(text);
  const auto first = whole.find_first_of(".:");
  const auto second = first == std::string_view::npos ? first : whole.find('.', first + 1);
  if (second == std::string_view::npos)
    return fail("agent.token",
                "the token is cut short: it has the form ID.SECRET.PIN (`stillpoint enrol` prints it), or ACTIVATIONID:CODE");
  Token token{std::string(whole.substr(0, first)), std::string(whole.substr(first + 1, second - first - 1)),
              std::string(whole.substr(second + 1))};
  if (token.id.empty() || !isHex(token.secret, kHexHash) || !isHex(token.pin, kHexHash))
    return fail("agent.token",
                fmt::format("the token '{}…' is damaged: behind its id it has twice 64 lower-case hex digits, with a point between",
                            token.id.substr(0, 40)));
  return token;
}

Result<std::string> givenToken(const Options& options) {
  std::string from_environment;
  if (const char* value = std::getenv(kTokenVariable)) from_environment = value;
  ::unsetenv(kTokenVariable);
  if (!options.token.empty()) return options.token;
  if (!options.token_file.empty()) {
    auto text = os::readFile(options.token_file, kTokenFileMost);
    // Removed once it was used: a unit's command line stays the same.
    if (!text && exists(options.state_dir + "/agent.json")) return std::string();
    if (!text) return fail("agent.token", "cannot read the token: " + text.error().text());
    return std::string(trim(*text));
  }
  return std::string(trim(from_environment));
}

Result<void> enrolIfNeeded(const Options& options, int stop_fd) {
  SP_TRY(const auto text, givenToken(options));
  if (exists(options.state_dir + "/agent.json")) {
    SP_TRY(const bool stays, judgeEnrolled(options, text));
    if (stays) return {};
  }
  if (options.server.empty() || text.empty())
    return fail("agent.identity",
                fmt::format("{} is not the state directory of an enrolled agent: give --server HOST:PORT and a token of `stillpoint enrol` "
                            "(--token-file, {} or --token)",
                            options.state_dir, kTokenVariable));
  SP_TRY(const auto token, parseToken(text));
  SP_CHECK_OK(parseHostPort(options.server));
  SP_CHECK_OK(os::makeDirectories(options.state_dir, 0700));
  SP_TRY(const auto machine, machineHash(options.machine_id_file));
  SystemRandom random;
  std::string last;
  for (double limit = kFirstDelayMs;; limit = std::min(limit * 2, kDelayMost)) {
    bool again = false;
    const auto done = enrolOnce(options, token, machine, stop_fd, again);
    if (done) return {};
    if (!again) return std::unexpected(done.error());
    if (done.error().text() != last) {
      last = done.error().text();
      // The unit is up and waits; a start that hangs would be ended.
      os::notifySystemd("READY=1\nSTATUS=Not enrolled yet: " + last);
      log::warn("not enrolled yet: tries again", {{"server", options.server}, {"why", last}});
    }
    os::beatWatchdog();
    const std::chrono::milliseconds delay(random.below(static_cast<std::uint64_t>(limit)) + 1);
    if (os::waitReadable(stop_fd, delay)) return fail("agent.stopped", "stopped before the machine was enrolled; last: " + last);
  }
}

Result<void> checkHardware(const std::string& bound, const std::string& here, const std::string& state_dir, const std::string& agent) {
  if (bound.empty() || here == bound) return {};
  const auto way_out = fmt::format(
      "To enrol this machine as itself, give a new token of `stillpoint enrol`; if the hardware of {} was replaced, one of `stillpoint "
      "enrol --instance {}`",
      agent, agent);
  if (!here.empty())
    return fail("agent.cloned", fmt::format("{} is the state of the agent of {}, and this is other hardware: a copy of that machine, which "
                                            "does nothing. {}",
                                            state_dir, agent, way_out));
  return fail(
      "agent.hardware_unknown",
      fmt::format("{} is the state of the agent of {} and bound to its hardware, whose name cannot be read here ({}, {}): it may be "
                  "a copy of that machine, and does nothing. Run the agent as root, or with the --machine-id-file that it was "
                  "enrolled with. {}",
                  state_dir, agent, kMachineIdFiles[0], kMachineIdFiles[1], way_out));
}

void noteRejected(const std::string& state_dir, std::string_view code) {
  (void)os::writeFile(state_dir + "/rejected", fmt::format("{}\n", code), 0644);
}

void noteWelcomed(const std::string& state_dir) { ::unlink((state_dir + "/rejected").c_str()); }

}  // namespace sp::agent
