#include "fleet/deliveries.h"

#include <fmt/format.h>

#include "agentwire/messages.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/strings.h"

namespace sp::fleet {
namespace {

constexpr std::string_view kKind = "delivery";
constexpr std::size_t kBacklogMax = 10'000;

std::string keyOf(std::string_view agent, std::string_view id) { return fmt::format("{}/{}", agent, id); }

/// "command" of "command.run", "power" of "power.stop", "cancel".
std::string_view family(std::string_view type) { return type.substr(0, type.find('.')); }

/// What a server reads of a request that is younger than this: as if no time had gone by.
constexpr std::int64_t kFreshMs = 1000;

bool isAnswer(std::string_view type) { return type.ends_with(".result") || type == agentwire::kRefused; }

}  // namespace

std::string Deliveries::Pending::encode() const { return fmt::format("{} {} {} {}\n{}", seq, created, within, type, text); }

Result<Deliveries::Pending> Deliveries::Pending::decode(std::string_view id, std::string_view body) {
  Pending found;
  found.id = id;
  if (body.starts_with('{')) {  // of before requests had a head line
    SP_TRY(const auto parsed, json::parse(body));
    const auto* message = parsed.is_object() ? json::find(parsed.get_object(), "message") : nullptr;
    if (message == nullptr || !message->is_object()) return fail("delivery.broken", fmt::format("request {} has no message", id));
    found.seq = json::intOr(parsed.get_object(), "seq", 0);
    found.created = json::intOr(parsed.get_object(), "created", 0);
    found.within = json::intOr(message->get_object(), "startWithinMs", -1);
    found.type = json::textOr(message->get_object(), "type");
    found.text = json::toText(*message);
    return found;
  }
  const auto end = body.find('\n');
  const auto words = split(body.substr(0, end), ' ');
  if (end == std::string_view::npos || words.size() != 4) return fail("delivery.broken", fmt::format("request {} has no head line", id));
  found.seq = parseInt(words[0]).value_or(0);
  found.created = parseInt(words[1]).value_or(0);
  found.within = parseInt(words[2]).value_or(-1);
  found.type = words[3];
  found.text = body.substr(end + 1);
  return found;
}

// The order must outlive restarts and clocks that jump back, so the first request looks at what is there.
std::int64_t Deliveries::nextSeq(store::Txn& txn) {
  if (last_seq_ == 0) {
    std::string after;
    while (true) {
      const auto page = txn.records().scan(kKind, "", after, 1000);
      for (const auto& record : page)
        if (const auto one = Pending::decode("", record.body)) last_seq_ = std::max(last_seq_, one->seq);
      if (page.size() < 1000) break;
      after = page.back().key;
    }
  }
  last_seq_ = std::max(last_seq_ + 1, toMicros(txn.now()));
  return last_seq_;
}

void Deliveries::request(store::Txn& txn, std::string_view agent, const json::Object& message) {
  Pending made;
  made.id = json::textOr(message, "id");
  made.text = json::toText(message);
  if (const auto fits = agentwire::checkSize(made.text); !fits) {
    // Nobody waits for ever: the sender hears of it as if the agent had refused.
    core_.follow([this, name = std::string(agent), id = made.id, why = fits.error().message](store::Txn& later) {
      reports_.tell(later, name, agentwire::kRefused, {{"type", agentwire::kRefused}, {"id", id}, {"message", why}});
      return true;
    });
    return;
  }
  made.seq = nextSeq(txn);
  made.created = toMicros(txn.now());
  made.within = json::intOr(message, "startWithinMs", -1);
  made.type = json::textOr(message, "type");
  txn.records().put(kKind, keyOf(agent, made.id), made.encode());
  txn.afterCommit([this, name = std::string(agent), made = std::move(made)] { deliver(name, made); });
}

void Deliveries::withdraw(store::Txn& txn, std::string_view agent, std::string_view id) { txn.records().erase(kKind, keyOf(agent, id)); }

// Time has gone by since the request was made: "start within" shrinks by it, and what may no longer start stays here until
// its sender gives it up.
void Deliveries::deliver(std::string_view agent, const Pending& request) {
  const auto session = sessions_.find(agent);
  if (session == sessions_.end()) return;
  if (failpoint::hit("fleet.before_send")) return;
  const auto elapsed_ms = std::max<std::int64_t>(0, (toMicros(core_.clock().now()) - request.created) / 1000);
  if (request.within < 0 || elapsed_ms < std::min(kFreshMs, request.within))
    return sender_.send(session->second, agentwire::frameOf(request.text));
  if (elapsed_ms >= request.within) return;
  auto adjusted = json::parse(request.text);
  if (!adjusted || !adjusted->is_object()) return;
  adjusted->get_object()["startWithinMs"] = request.within - elapsed_ms;
  if (auto framed = agentwire::frame(adjusted->get_object())) sender_.send(session->second, std::move(*framed));
}

std::vector<Deliveries::Pending> Deliveries::pending(store::Txn& txn, std::string_view agent) const {
  std::vector<Pending> found;
  const auto prefix = keyOf(agent, "");
  for (const auto& record : txn.records().scan(kKind, prefix, "", kBacklogMax)) {
    auto one = Pending::decode(std::string_view(record.key).substr(prefix.size()), record.body);
    if (one) found.push_back(std::move(*one));
    else log::error("a record of a request to an agent is broken", {{"agent", agent}, {"error", one.error().text()}});
  }
  std::ranges::sort(found, {}, &Pending::seq);
  return found;
}

void Deliveries::opened(store::Txn& txn, SessionId session, const std::string& agent, const json::Object& hello) {
  if (admit_ && !admit_(txn, agent)) {
    log::warn("agent refused: no such machine, or it is terminated", {{"agent", agent}});
    txn.afterCommit([this, session] { sender_.close(session); });
    return;
  }
  std::set<std::string, std::less<>> open;
  if (const auto* ids = json::find(hello, "open"); ids != nullptr && ids->is_array())
    for (const auto& id : ids->get_array())
      if (id.is_string()) open.insert(json::toStd(id.get_string()));
  auto waiting = pending(txn, agent);
  reports_.tell(txn, agent, agentwire::kHello, hello);
  // What it has already taken is not sent again; its "accepted" may have been lost.
  std::erase_if(waiting, [&](const Pending& each) {
    if (!open.contains(each.id)) return false;
    reports_.tell(txn, agent, agentwire::kAccepted, {{"type", agentwire::kAccepted}, {"id", each.id}});
    return true;
  });
  txn.afterCommit([this, session, agent, waiting = std::move(waiting)] {
    if (const auto older = sessions_.find(agent); older != sessions_.end() && older->second != session) sender_.close(older->second);
    sessions_.insert_or_assign(agent, session);
    log::info("agent connected", {{"agent", agent}, {"waiting", waiting.size()}});
    if (auto welcome = agentwire::frame({{"type", agentwire::kWelcome}, {"serverId", server_id_}}))
      sender_.send(session, std::move(*welcome));
    for (const auto& each : waiting) deliver(agent, each);
  });
}

void Deliveries::closed(store::Txn& txn, SessionId session, const std::string& agent) {
  const auto found = sessions_.find(agent);
  if (found == sessions_.end() || found->second != session) return;
  sessions_.erase(found);
  log::info("agent disconnected", {{"agent", agent}});
  reports_.tell(txn, agent, "disconnected", {{"type", "disconnected"}});
}

void Deliveries::settle(store::Txn& txn, SessionId session, const std::string& id) {
  txn.afterCommit([this, session, id] {
    if (failpoint::hit("fleet.before_settled")) return;
    if (auto framed = agentwire::frame({{"type", agentwire::kSettled}, {"id", id}})) sender_.send(session, std::move(*framed));
  });
}

void Deliveries::received(store::Txn& txn, SessionId session, const std::string& agent, const json::Object& message) {
  const auto type = json::textOr(message, "type");
  const auto id = json::textOr(message, "id");
  if (type == agentwire::kPong) return;
  if (id.empty()) {
    if (!reports_.tell(txn, agent, type, message)) log::warn("an agent's message has no reader", {{"agent", agent}, {"type", type}});
    return;
  }
  if (failpoint::hit("fleet.result_received")) return;
  const auto key = keyOf(agent, id);
  const auto record = txn.records().get(kKind, key);
  if (!record) {
    if (isAnswer(type)) settle(txn, session, id);
    return;
  }
  if (isAnswer(type)) {
    const auto request = Pending::decode(id, *record);
    const auto asked = request ? request->type : std::string();
    if (type != agentwire::kRefused && family(asked) != family(type)) {
      log::error("an agent answered with the wrong kind of result", {{"agent", agent}, {"id", id}, {"asked", asked}, {"answer", type}});
      return;
    }
    // Removed first: what the handler asks of this agent under the same id is then a new request.
    txn.records().erase(kKind, key);
    if (!reports_.tell(txn, agent, type, message))
      log::warn("an agent's answer has no reader", {{"agent", agent}, {"type", type}, {"id", id}});
    settle(txn, session, id);
    return;
  }
  reports_.tell(txn, agent, type, message);
}

}  // namespace sp::fleet
