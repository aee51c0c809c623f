#include "daemon/config.h"

#include <functional>
#include <limits>
#include <map>
#include <tuple>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "os/file.h"
#include "tasks/lambda_calls.h"

namespace sp::daemon {
namespace {

std::string place(const std::string& file, const toml::source_region& at) {
  return fmt::format("{}:{}:{}", file, at.begin.line, at.begin.column);
}
std::string place(const std::string& file, const toml::key& key) { return place(file, key.source()); }

/// The error of what a key's value led to, told where the key stands.
Result<void> placed(Result<void> checked, const Config& config, std::string_view key) {
  if (checked) return {};
  auto error = std::move(checked.error());
  error.message = config.at(key) + error.message;
  return std::unexpected(std::move(error));
}

class Section {
 public:
  Section(const std::string& file, std::string name, Config& config) : file_(file), name_(std::move(name)), places_(config.places) {}

  void text(std::string key, std::string& target) {
    keys_[std::move(key)] = [&target](const toml::node& node) {
      const auto value = node.value_exact<std::string>();
      if (value) target = *value;
      return value ? "" : "a string";
    };
  }
  void boolean(std::string key, bool& target) {
    keys_[std::move(key)] = [&target](const toml::node& node) {
      const auto value = node.value_exact<bool>();
      if (value) target = *value;
      return value ? "" : "true or false";
    };
  }
  void number(std::string key, std::int64_t least, std::int64_t most, std::int64_t& target) {
    keys_[std::move(key)] = [least, most, &target](const toml::node& node) {
      const auto value = node.value_exact<std::int64_t>();
      const bool good = value && *value >= least && *value <= most;
      if (good) target = *value;
      return good ? std::string() : fmt::format("a whole number from {} to {}", least, most);
    };
  }
  void choice(std::string key, std::vector<std::string> words, std::function<void(std::size_t)> set) {
    keys_[std::move(key)] = [words = std::move(words), set = std::move(set), this](const toml::node& node) {
      const auto value = node.value_exact<std::string>().value_or("");
      for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] != value) continue;
        set(i);
        return "";
      }
      wanted_ = "one of";
      for (const auto& word : words) wanted_ += " \"" + word + "\"";
      return wanted_.c_str();
    };
  }

  Result<void> read(const toml::table& table, const std::map<std::string, Section*>& subsections = {}) {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      const auto full = name_.empty() ? name : name_ + "." + name;
      places_[full] = place(file_, key);
      if (const auto sub = subsections.find(name); sub != subsections.end()) {
        if (!node.is_table()) return fail("config.type", fmt::format("{}: {} must be a table ([{}])", place(file_, key), full, full));
        SP_CHECK_OK(sub->second->read(*node.as_table()));
        continue;
      }
      const auto known = keys_.find(name);
      if (known == keys_.end()) return fail("config.unknown", fmt::format("{}: unknown key {}", place(file_, key), full));
      const std::string wanted = known->second(node);
      if (!wanted.empty()) return fail("config.type", fmt::format("{}: {} must be {}", place(file_, key), full, wanted));
    }
    return {};
  }

 private:
  const std::string& file_;
  std::string name_;
  std::map<std::string, std::string, std::less<>>& places_;
  std::string wanted_;
  std::map<std::string, std::function<std::string(const toml::node&)>, std::less<>> keys_;
};

Result<void> checkReadable(const std::string& file, const char* key) {
  SP_TRY(const auto text, withContext(os::readFile(file, 1U << 24U), fmt::format("read {}", key)));
  return text.empty() ? fail("config.type", fmt::format("{} '{}' is an empty file", key, file)) : Result<void>();
}

}  // namespace

std::string Config::at(std::string_view key) const {
  const auto found = places.find(key);
  return found == places.end() ? std::string() : found->second + ": ";
}

Result<void> loadConfig(const std::string& file, Config& config) {
  SP_TRY(const auto text, withContext(os::readFile(file, 1U << 20U), "read the configuration"));
  toml::table table;
  try {
    table = toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    return fail("config.syntax",
                fmt::format("{}:{}:{}: {}", file, error.source().begin.line, error.source().begin.column, error.description()));
  }
  net::TlsFiles tls;
  Section root(file, "", config);
  root.text("data_dir", config.data_dir);
  root.text("listen", config.listen);
  root.text("console_listen", config.console_listen);
  root.text("agent_listen", config.agent_listen);
  root.boolean("insecure", config.insecure);
  Section realm(file, "realm", config);
  realm.text("account", config.realm.account);
  realm.text("region", config.realm.region);
  Section tls_section(file, "tls", config);
  tls_section.text("cert", tls.cert);
  tls_section.text("key", tls.key);
  Section lambda(file, "lambda", config);
  lambda.text("endpoint", config.lambda_endpoint);
  Section events(file, "events", config);
  events.text("ca_file", config.events_ca_file);
  Section log(file, "log", config);
  log.choice("level", {"debug", "info", "warn", "error"}, [&config](std::size_t i) { config.log_level = static_cast<log::Level>(i); });
  log.choice("format", {"text", "json"}, [&config](std::size_t i) { config.log_format = static_cast<log::Format>(i); });
  Section machines(file, "machines", config);
  machines.number("stop_timeout_seconds", 1, 86'400, config.stop_timeout_seconds);
  Section runs(file, "runs", config);
  runs.number("freeze_lease_seconds", 2, 86'400, config.freeze_lease_seconds);
  Section backups(file, "backups", config);
  // Each has up to five connections, and each of these a thread.
  backups.number("at_once", 1, 400, config.backups_at_once);
  Section commands(file, "commands", config);
  commands.number("kept_days", 1, 36'500, config.commands_kept_days);
  commands.number("most_open_invocations", 1, 100'000'000, config.most_open_invocations);
  commands.number("output_quota_bytes", 0, std::numeric_limits<std::int64_t>::max() / 2, config.output_quota_bytes);
  commands.number("output_free_bytes", 0, std::numeric_limits<std::int64_t>::max() / 2, config.output_free_bytes);
  Section agents(file, "agents", config);
  // Long enough for a renewal over a bad line; no longer than TLS libraries take a certificate for.
  agents.number("certificate_seconds", 3, 825LL * 24 * 3600, config.certificate_seconds);
  Section executions(file, "executions", config);
  executions.number("kept_days", 1, 36'500, config.executions_kept_days);
  executions.number("history_events", 10, 10'000'000, config.history_events);
  executions.number("most_open", 1, 10'000'000, config.quotas.open_executions);
  executions.number("most_state_machines", 1, 10'000'000, config.quotas.state_machines);
  executions.number("most_activities", 1, 10'000'000, config.quotas.activities);
  SP_CHECK_OK(root.read(table, {{"realm", &realm},
                                {"tls", &tls_section},
                                {"lambda", &lambda},
                                {"events", &events},
                                {"commands", &commands},
                                {"agents", &agents},
                                {"executions", &executions},
                                {"machines", &machines},
                                {"runs", &runs},
                                {"backups", &backups},
                                {"commands", &commands},
                                {"log", &log}}));
  if (tls.cert.empty() != tls.key.empty()) return fail("config.type", config.at("tls") + "[tls] needs both cert and key");
  if (!tls.cert.empty()) config.tls = tls;
  return {};
}

Result<void> checkConfig(const Config& config) {
  SP_CHECK_OK(placed(tasks::LambdaCalls::checkEndpoint(config.lambda_endpoint), config, "lambda.endpoint"));
  if (!config.events_ca_file.empty()) SP_CHECK_OK(placed(checkReadable(config.events_ca_file, "events.ca_file"), config, "events.ca_file"));
  if (config.tls) {
    SP_CHECK_OK(placed(checkReadable(config.tls->cert, "tls.cert"), config, "tls.cert"));
    SP_CHECK_OK(placed(checkReadable(config.tls->key, "tls.key"), config, "tls.key"));
  }
  if (config.realm.account.size() != 12 || config.realm.account.find_first_not_of("0123456789") != std::string::npos)
    return fail("config.type", fmt::format("{}realm.account '{}' must be twelve digits", config.at("realm.account"), config.realm.account));
  if (config.realm.region.empty() || config.realm.region.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos)
    return fail("config.type",
                fmt::format("{}realm.region '{}' must be a region name such as us-east-1", config.at("realm.region"), config.realm.region));
  for (const auto& [flag, key, value] : {std::tuple{"--listen", "listen", &config.listen},
                                         {"--console-listen", "console_listen", &config.console_listen},
                                         {"--agent-listen", "agent_listen", &config.agent_listen}}) {
    const auto endpoint = withContext(net::Endpoint::parse(*value), flag);
    if (!endpoint) return placed(std::unexpected(endpoint.error()), config, key);
    if (endpoint->isLoopback()) continue;
    if (!config.failpoints.empty())
      return fail("config.failpoints", fmt::format("--failpoints works with loopback addresses only, not with {} {}", flag, *value));
    // The agents' port speaks TLS with certificates of its own always.
    if (std::string_view(flag) != "--agent-listen" && !config.tls && !config.insecure)
      return fail("config.insecure",
                  fmt::format("{}{} {} is not a loopback address: give [tls] cert and key in the configuration, or --insecure",
                              config.at(key), flag, *value));
  }
  return {};
}

}  // namespace sp::daemon
