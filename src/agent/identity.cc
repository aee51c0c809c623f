#include "agent/identity.h"

#include <fcntl.h>

#include <fmt/format.h>

#include "base/strings.h"
#include "os/file.h"

namespace sp::agent {

Result<FileIdentity> FileIdentity::load(const Options& options) {
  const auto path = options.state_dir + "/agent.json";
  const auto text = os::readFile(path, 1U << 20U);
  if (!text)
    return fail("agent.identity",
                fmt::format("{} is not the state directory of an enrolled agent: {}", options.state_dir, text.error().text()));
  SP_TRY(const auto value, withContext(json::parse(*text), "read " + path));
  if (!value.is_object()) return fail("agent.identity", path + " is not a JSON object");
  FileIdentity identity;
  identity.agent_ = json::textOr(value.get_object(), "agent");
  identity.server_name_ = json::textOr(value.get_object(), "serverName");
  identity.state_dir_ = options.state_dir;
  identity.machines_dir_ = options.machines_dir;
  identity.run_as_ = options.run_as;
  if (identity.run_as_.empty()) {
    json::Reader reader(value.get_object(), path);
    identity.run_as_ = reader.textsIf("runAs");
    SP_CHECK_OK(reader.finish());
  }
  if (identity.agent_.empty()) return fail("agent.identity", path + " does not name the agent (member \"agent\")");
  return identity;
}

Result<std::string> FileIdentity::endpoint() const {
  const auto path = state_dir_ + "/endpoint";
  const auto text = os::readFile(path, 1024);
  if (!text) return fail("agent.endpoint", "no server is known: " + text.error().text());
  return std::string(trim(*text));
}

net::ClientTls FileIdentity::tls() const {
  return {state_dir_ + "/ca.pem", state_dir_ + "/cert.pem", state_dir_ + "/key.pem", server_name_, true};
}

Result<HostPort> parseHostPort(const std::string& text) {
  const auto colon = text.rfind(':');
  const auto port = colon == std::string::npos ? std::nullopt : parseInt(std::string_view(text).substr(colon + 1));
  if (!port || *port <= 0 || *port > 65535) return fail("agent.endpoint", fmt::format("'{}' is not HOST:PORT", text));
  auto host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host.empty()) return fail("agent.endpoint", fmt::format("'{}' is not HOST:PORT", text));
  return HostPort{host, static_cast<std::uint16_t>(*port)};
}

Result<std::string> machineRoot(const Identity& identity, const std::string& instance) {
  if (identity.machinesDir().empty()) return fail("agent.machine", "this agent keeps no machines");
  const bool named =
      instance.size() > 2 && instance.starts_with("i-") && instance.find_first_not_of("0123456789abcdef", 2) == std::string::npos;
  if (!named) return fail("agent.machine", fmt::format("'{}' is not an instance id", instance));
  auto root = fmt::format("{}/{}/root", identity.machinesDir(), instance);
  if (const os::Fd folder(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)); !folder)
    return fail("agent.machine", fmt::format("there is no machine {}: {} does not exist", instance, root));
  return root;
}

}  // namespace sp::agent
