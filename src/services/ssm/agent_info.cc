#include "services/ssm/agent_info.h"

#include "json/json.h"

namespace sp::services::ssm {
namespace {

constexpr std::string_view kKind = "agent_info";

void save(store::Txn& txn, std::string_view instance, const AgentInfo& info) {
  txn.records().put(kKind, instance,
                    json::toText(json::Object{{"version", info.version},
                                              {"hostname", info.hostname},
                                              {"heard", toMicros(info.heard)},
                                              {"registered", toMicros(info.registered)}}));
}

/// Agents tell the version of their protocol as a number, or of themselves as a text.
std::string versionOf(const json::Object& hello) {
  const auto* version = json::find(hello, "version");
  if (version == nullptr) return "";
  return version->is_string() ? json::toStd(version->get_string()) : json::toText(*version) + ".0.0.0";
}

}  // namespace

void keepAgentInfo(Context& context, ec2::Instances& instances) {
  context.reports.on("hello", [&instances](store::Txn& txn, const std::string& agent, const json::Object& hello) {
    if (!instances.find(txn, agent)) return;
    const auto before = findAgentInfo(txn, agent);
    save(txn, agent, {versionOf(hello), json::textOr(hello, "hostname"), txn.now(), before ? before->registered : txn.now()});
  });
  context.reports.on("disconnected", [](store::Txn& txn, const std::string& agent, const json::Object&) {
    auto info = findAgentInfo(txn, agent);
    if (!info) return;
    info->heard = txn.now();
    save(txn, agent, *info);
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
  return AgentInfo{json::textOr(object, "version"), json::textOr(object, "hostname"), fromMicros(json::intOr(object, "heard", 0)),
                   fromMicros(json::intOr(object, "registered", 0))};
}

}  // namespace sp::services::ssm
