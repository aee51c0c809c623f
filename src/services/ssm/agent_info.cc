#include "services/ssm/agent_info.h"

#include "agentwire/messages.h"
#include "base/log.h"
#include "base/strings.h"
#include "json/json.h"

namespace sp::services::ssm {
namespace {

constexpr std::string_view kKind = "agent_info";
/// Clocks further apart than this are worth a warning.
constexpr Duration kClockSkew = std::chrono::seconds(60);
/// What agents say of themselves is kept, shown and compared: not more of it than anybody needs.
constexpr std::size_t kTextMost = 255;

void save(store::Txn& txn, std::string_view instance, const AgentInfo& info) {
  txn.records().put(kKind, instance,
                    json::toText(json::Object{{"version", info.version},
                                              {"hostname", info.hostname},
                                              {"platformName", info.platform_name},
                                              {"platformVersion", info.platform_version},
                                              {"address", info.address},
                                              {"bootId", info.boot_id},
                                              {"boot", info.boot},
                                              {"clockOffset", info.clock_offset.count()},
                                              {"protocol", info.protocol},
                                              {"heard", toMicros(info.heard)},
                                              {"registered", toMicros(info.registered)}}));
}

std::string textOf(const json::Object& hello, std::string_view member) {
  std::string text(cutText(json::textOr(hello, member), kTextMost));
  return isUtf8(text) ? text : "";
}

/// An agent of the first protocol tells that number alone.
std::string versionOf(const json::Object& hello) {
  auto version = textOf(hello, "agentVersion");
  return version.empty() ? "1.0.0.0" : version;
}

Duration clockOffset(store::Txn& txn, const std::string& agent, const json::Object& message) {
  const auto told = json::intOr(message, "clock", 0);
  if (told == 0) return Duration::zero();
  const Duration offset(told - toMicros(txn.now()));
  if (offset > kClockSkew || offset < -kClockSkew)
    log::warn("an agent's clock is off: times in its logs and those here do not belong together",
              {{"agent", agent}, {"ahead_s", std::chrono::duration_cast<std::chrono::seconds>(offset).count()}});
  return offset;
}

}  // namespace

// "BOOTID/INITSTART"
std::string bootOf(const json::Object& hello) {
  const auto id = textOf(hello, "bootId");
  return id.empty() ? std::string() : fmt::format("{}/{}", id, json::intOr(hello, "initStart", 0));
}

bool rebooted(std::string_view before, std::string_view now) {
  if (before.empty() || now.empty()) return false;
  const auto one = before.rfind('/');
  const auto other = now.rfind('/');
  if (before.substr(0, one) != now.substr(0, other)) return true;
  // An agent that was upgraded meanwhile tells more than the one before.
  return before != now && !before.ends_with("/0") && !now.ends_with("/0");
}

void keepAgentInfo(Context& context, ec2::Instances& instances) {
  context.reports.on("hello", [&instances](store::Txn& txn, const std::string& agent, const json::Object& hello) {
    if (!instances.find(txn, agent)) return;
    const auto before = findAgentInfo(txn, agent);
    save(txn, agent,
         {versionOf(hello), textOf(hello, "hostname"), textOf(hello, "platformName"), textOf(hello, "platformVersion"),
          textOf(hello, "address"), textOf(hello, "bootId"), bootOf(hello), clockOffset(txn, agent, hello),
          agentwire::chooseProtocol(hello).value_or(1), txn.now(), before ? before->registered : txn.now()});
  });
  const auto touch = [](store::Txn& txn, const std::string& agent, Instant heard, const std::optional<Duration>& offset) {
    auto info = findAgentInfo(txn, agent);
    if (!info) return;
    info->heard = heard;
    if (offset) info->clock_offset = *offset;
    save(txn, agent, *info);
  };
  context.reports.on("disconnected", [touch](store::Txn& txn, const std::string& agent, const json::Object& message) {
    touch(txn, agent, txn.now() - std::chrono::microseconds(json::intOr(message, "quietUs", 0)), std::nullopt);
  });
  context.reports.on("clock", [touch](store::Txn& txn, const std::string& agent, const json::Object& message) {
    touch(txn, agent, txn.now(), clockOffset(txn, agent, message));
  });
  instances.onSettled([](store::Txn& txn, const Instance& instance, const std::string&) {
    if (instance.state == InstanceState::terminated) txn.records().erase(kKind, instance.id);
  });
}

std::optional<AgentInfo> findAgentInfo(store::Txn& txn, std::string_view instance) {
  const auto body = txn.records().get(kKind, instance);
  if (!body) return std::nullopt;
  const auto parsed = json::parse(*body);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const auto& object = parsed->get_object();
  return AgentInfo{json::textOr(object, "version"),
                   json::textOr(object, "hostname"),
                   json::textOr(object, "platformName"),
                   json::textOr(object, "platformVersion"),
                   json::textOr(object, "address"),
                   json::textOr(object, "bootId"),
                   json::textOr(object, "boot"),
                   Duration(json::intOr(object, "clockOffset", 0)),
                   json::intOr(object, "protocol", 1),
                   fromMicros(json::intOr(object, "heard", 0)),
                   fromMicros(json::intOr(object, "registered", 0))};
}

Instant lastHeard(const Context& context, std::string_view instance, const AgentInfo& info, Instant now) {
  return context.agents.connected(instance) ? now - context.agents.quiet(instance) : info.heard;
}

}  // namespace sp::services::ssm
