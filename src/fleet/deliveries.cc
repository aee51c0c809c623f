#include "fleet/deliveries.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "agentwire/messages.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/strings.h"
#include "fleet/enrol_http.h"

namespace sp::fleet {
namespace {

constexpr std::string_view kKind = "delivery";
constexpr std::size_t kBacklogMax = 10'000;
constexpr std::string_view kProbeTimer = "fleet.probe";
constexpr auto kProbeTime = std::chrono::seconds(5);
constexpr std::string_view kProbeId = "probe/";
/// The last word of a request's head line: it has not left, or it may have, to the enrolment whose name follows (which may be empty).
constexpr std::string_view kUnsent = "-";
constexpr char kSentTo = '=';

std::string keyOf(std::string_view agent, std::string_view id) { return fmt::format("{}/{}", agent, id); }

/// "command" of "command.run", "power" of "power.stop", "cancel".
std::string_view family(std::string_view type) { return type.substr(0, type.find('.')); }

/// What may be done once only. Power requests and cancellations name a state, and are the same done twice.
bool mayBeDoneOnceOnly(std::string_view type) {
  return type == agentwire::kCommandRun || type == agentwire::kBackupRun || type == agentwire::kRestoreRun;
}

std::string_view enrolmentOf(const json::Object& hello) {
  const auto* certificate = json::find(hello, "certificate");
  const auto* enrolment = certificate != nullptr && certificate->is_object() ? json::find(certificate->get_object(), "enrolment") : nullptr;
  return enrolment != nullptr && enrolment->is_string() ? std::string_view(enrolment->get_string()) : std::string_view();
}

/// What a server reads of a request that is younger than this: as if no time had gone by.
constexpr std::int64_t kFreshMs = 1000;

}  // namespace

std::string Deliveries::Pending::encode() const {
  return fmt::format("{} {} {} {} {}\n{}", seq, created, within, type, sent_to ? kSentTo + *sent_to : std::string(kUnsent), text);
}

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
    found.untold = true;
    return found;
  }
  const auto end = body.find('\n');
  const auto words = split(body.substr(0, end), ' ');
  if (end == std::string_view::npos || words.size() < 4) return fail("delivery.broken", fmt::format("request {} has no head line", id));
  found.seq = parseInt(words[0]).value_or(0);
  found.created = parseInt(words[1]).value_or(0);
  found.within = parseInt(words[2]).value_or(-1);
  found.type = words[3];
  if (words.size() > 4 && words[4].starts_with(kSentTo)) found.sent_to = words[4].substr(1);
  found.untold = words.size() == 4;
  found.text = body.substr(end + 1);
  return found;
}

std::string Deliveries::Pending::target() const {
  const auto message = json::parse(text);
  return message && message->is_object() ? json::textOr(message->get_object(), "target") : std::string();
}

Deliveries::Deliveries(runtime::Core& core, const runtime::AgentReports& reports, SessionSender& sender, std::string server_id)
    : core_(core), reports_(reports), sender_(sender), server_id_(std::move(server_id)) {
  core_.onTimer(std::string(kProbeTimer), [this](store::Txn& txn, const store::Timer& timer) { probed(txn, timer.id, false); });
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
  // Known to be on its way before it is: what may have left is never sent to another enrolment.
  if (const auto coming = arriving_.find(agent); coming != arriving_.end()) made.sent_to = coming->second.enrolment;
  else if (const auto session = sessions_.find(agent); session != sessions_.end()) made.sent_to = session->second.enrolment;
  txn.records().put(kKind, keyOf(agent, made.id), made.encode());
  txn.afterCommit([this, name = std::string(agent), made = std::move(made)] { deliver(name, made); });
}

void Deliveries::withdraw(store::Txn& txn, std::string_view agent, std::string_view id) { txn.records().erase(kKind, keyOf(agent, id)); }

void Deliveries::tell(store::Txn& txn, std::string_view agent, const json::Object& message) {
  auto framed = agentwire::frame(message);
  if (!framed) return log::error("a message to an agent is too long", {{"agent", agent}, {"type", json::textOr(message, "type")}});
  txn.afterCommit([this, name = std::string(agent), bytes = std::move(*framed)] {
    if (const auto session = sessions_.find(name); session != sessions_.end()) sender_.send(session->second.id, bytes);
  });
}

bool Deliveries::mayHaveLeft(store::Txn& txn, std::string_view agent, std::string_view id) const {
  const auto record = txn.records().get(kKind, keyOf(agent, id));
  const auto request = record ? Pending::decode(id, *record) : std::unexpected(Error());
  return request && request->mayHaveLeft();
}

// Time has gone by since the request was made: "start within" shrinks by it, and what may no longer start stays here until
// its sender gives it up.
void Deliveries::deliver(std::string_view agent, const Pending& request) {
  const auto session = sessions_.find(agent);
  // One made before its session had come is in what that session is sent at first.
  if (session == sessions_.end() || request.sent_to != session->second.enrolment) return;
  if (failpoint::hit("fleet.before_send")) return;
  const auto elapsed_ms = std::max<std::int64_t>(0, (toMicros(core_.clock().now()) - request.created) / 1000);
  if (request.within < 0 || elapsed_ms < std::min(kFreshMs, request.within))
    return sender_.send(session->second.id, agentwire::frameOf(request.text));
  if (elapsed_ms >= request.within) return;
  auto adjusted = json::parse(request.text);
  if (!adjusted || !adjusted->is_object()) return;
  adjusted->get_object()["startWithinMs"] = request.within - elapsed_ms;
  if (auto framed = agentwire::frame(adjusted->get_object())) sender_.send(session->second.id, std::move(*framed));
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

void Deliveries::tellRejected(SessionId session, const runtime::AgentRefusal& why) {
  if (auto framed = agentwire::frame({{"type", agentwire::kRejected}, {"code", why.code}, {"message", why.message}}))
    sender_.send(session, std::move(*framed));
  sender_.close(session);
}

void Deliveries::reject(store::Txn& txn, SessionId session, const std::string& agent, const runtime::AgentRefusal& why) {
  log::warn("agent refused", {{"agent", agent}, {"why", why.code}, {"message", why.message}});
  txn.afterCommit([this, session, why] { tellRejected(session, why); });
}

void Deliveries::end(std::string_view agent, const runtime::AgentRefusal& why, std::optional<std::string_view> but) {
  const auto found = sessions_.find(agent);
  if (found == sessions_.end() || (but && found->second.enrolment == *but)) return;
  log::warn("agent's session ended", {{"agent", agent}, {"why", why.code}});
  tellRejected(found->second.id, why);
}

std::optional<std::int64_t> Deliveries::admitted(store::Txn& txn, SessionId session, const std::string& agent, const json::Object& hello) {
  const auto protocol = agentwire::chooseProtocol(hello);
  if (!protocol) {
    reject(txn, session, agent, {protocol.error().code, protocol.error().message});
    return std::nullopt;
  }
  const auto refused = admit_ ? admit_(txn, agent, hello) : std::nullopt;
  if (refused) {
    reject(txn, session, agent, *refused);
    return std::nullopt;
  }
  return *protocol;
}

void Deliveries::opened(store::Txn& txn, SessionId session, const std::string& agent, const json::Object& hello) {
  const auto protocol = admitted(txn, session, agent, hello);
  if (protocol && !mustWait(txn, session, agent, hello)) welcome(txn, session, agent, hello, *protocol);
}

// A process that lost its line comes again under the same name and takes over at once. Another process is the same machine after a
// restart, or a copy: only if the present session is dead may it take its place.
bool Deliveries::mustWait(store::Txn& txn, SessionId session, const std::string& agent, const json::Object& hello) {
  const auto present = sessions_.find(agent);
  if (present == sessions_.end() || present->second.id == session) return false;
  const auto run = json::textOr(hello, "run");
  if (run.empty() || present->second.run.empty() || present->second.run == run) return false;
  const auto waiting = waiting_.find(agent);
  if (waiting != waiting_.end() && waiting->second.session != session) sender_.close(waiting->second.session);
  waiting_.insert_or_assign(agent, Waiting{present->second.id, session, hello});
  txn.timers().set({std::string(kProbeTimer), agent, txn.now() + kProbeTime, ""});
  txn.afterCommit([this, id = present->second.id, agent] {
    if (auto framed = agentwire::frame({{"type", agentwire::kProbe}, {"id", std::string(kProbeId) + agent}}))
      sender_.send(id, std::move(*framed));
  });
  return true;
}

void Deliveries::probed(store::Txn& txn, const std::string& agent, bool alive) {
  const auto found = waiting_.find(agent);
  if (found == waiting_.end()) return;
  const auto newcomer = std::move(found->second);
  waiting_.erase(found);
  txn.timers().drop(kProbeTimer, agent);
  if (alive)
    return reject(
        txn, newcomer.session, agent,
        {std::string(agentwire::kDuplicate),
         fmt::format("another agent is connected as {} and is alive; this one came from {}. If this machine is a copy of another, "
                     "enrol it with a token of its own (`stillpoint enrol`); else end the second agent.",
                     agent, json::textOr(newcomer.hello, "remote"))});
  // Meanwhile it may have been revoked.
  if (const auto protocol = admitted(txn, newcomer.session, agent, newcomer.hello))
    welcome(txn, newcomer.session, agent, newcomer.hello, *protocol);
}

std::vector<Deliveries::Pending> Deliveries::toSend(store::Txn& txn, const std::string& agent, const std::string& enrolment,
                                                    const std::set<std::string, std::less<>>& open) {
  std::set<std::string> given_up;
  for (const auto& each : pending(txn, agent)) {
    // What it has already taken is not sent again; its "accepted" may have been lost.
    if (open.contains(each.id)) reports_.tell(txn, agent, agentwire::kAccepted, {{"type", agentwire::kAccepted}, {"id", each.id}});
    else if (!mayBeDoneOnceOnly(each.type) || !each.mayHaveLeft()) continue;
    // Lost on its way, or the agent has lost what it knew: who sent it may know that it had come.
    else if (each.untold || *each.sent_to == enrolment) reports_.tell(txn, agent, kAbsent, {{"type", kAbsent}, {"id", each.id}});
    else {
      txn.records().erase(kKind, keyOf(agent, each.id));
      given_up.insert(each.id);
      log::warn("a request may have been done by an earlier enrolment", {{"agent", agent}, {"id", each.id}});
      reports_.tell(
          txn, agent, agentwire::kRefused,
          {{"type", agentwire::kRefused},
           {"id", each.id},
           {"fate", "unknown"},
           {"message",
            fmt::format("{} was enrolled anew after this had been sent to it: its fate is unknown, and it is not done again", agent)}});
    }
  }
  // Anew: whoever heard that one is lost may have asked for another.
  std::vector<Pending> waiting;
  for (auto& each : pending(txn, agent)) {
    if (open.contains(each.id)) continue;
    if (each.type == agentwire::kCancel && given_up.contains(each.target())) {
      txn.records().erase(kKind, keyOf(agent, each.id));
      continue;
    }
    if (each.sent_to != enrolment) {
      each.sent_to = enrolment;
      txn.records().put(kKind, keyOf(agent, each.id), each.encode());
    }
    waiting.push_back(std::move(each));
  }
  // First of all, so that what was cancelled meanwhile does not begin.
  std::ranges::sort(waiting, {}, [](const Pending& each) { return std::pair(each.type != agentwire::kCancel, each.seq); });
  return waiting;
}

void Deliveries::welcome(store::Txn& txn, SessionId session, const std::string& agent, const json::Object& hello, std::int64_t protocol) {
  std::set<std::string, std::less<>> open;
  if (const auto* ids = json::find(hello, "open"); ids != nullptr && ids->is_array())
    for (const auto& id : ids->get_array())
      if (id.is_string()) open.insert(json::toStd(id.get_string()));
  const std::string enrolment(enrolmentOf(hello));
  // What is asked of it from here on goes to this session.
  arriving_.insert_or_assign(agent, Arriving{session, enrolment});
  // After this batch nothing arrives any more, whether it was committed or not.
  core_.post([this, agent, session](store::Txn&) {
    noLongerArriving(agent, session);
    return true;
  });
  reports_.tell(txn, agent, agentwire::kHello, hello);
  // What it has to tell of without having been asked; before it hears of anything that ends it.
  for (const auto& id : open)
    if (!txn.records().get(kKind, keyOf(agent, id)))
      reports_.tell(txn, agent, runtime::kUnasked, {{"type", runtime::kUnasked}, {"id", id}});
  auto waiting = toSend(txn, agent, enrolment, open);
  json::Object answer{{"type", agentwire::kWelcome}, {"serverId", server_id_}, {"protocol", protocol}};
  if (const auto* certificate = json::find(hello, "certificate"); certificate != nullptr && certificate->is_object()) {
    const auto ms = [&](std::string_view key) { return std::chrono::milliseconds(json::intOr(certificate->get_object(), key, 0)); };
    const double lot = static_cast<double>(core_.random().below(1000)) / 1000;
    answer["renewInMs"] = std::chrono::duration_cast<std::chrono::milliseconds>(renewIn(ms("leftMs"), ms("lifeMs"), lot)).count();
  }
  Live live{session, json::textOr(hello, "run"), enrolment};
  txn.afterCommit([this, agent, live = std::move(live), answer = std::move(answer), waiting = std::move(waiting)]() mutable {
    // It may have ended in the batch in which it came.
    if (!noLongerArriving(agent, live.id)) return;
    if (const auto older = sessions_.find(agent); older != sessions_.end() && older->second.id != live.id) sender_.close(older->second.id);
    const auto id = live.id;
    sessions_.insert_or_assign(agent, std::move(live));
    log::info("agent connected", {{"agent", agent}, {"waiting", waiting.size()}});
    if (auto framed = agentwire::frame(answer)) sender_.send(id, std::move(*framed));
    for (const auto& each : waiting) deliver(agent, each);
    // Only now is it connected to whoever asks.
    core_.post([this, agent](store::Txn& later) {
      if (sessions_.contains(agent)) reports_.tell(later, agent, "connected", {{"type", "connected"}});
      return true;
    });
  });
}

bool Deliveries::noLongerArriving(const std::string& agent, SessionId session) {
  const auto found = arriving_.find(agent);
  if (found == arriving_.end() || found->second.session != session) return false;
  arriving_.erase(found);
  return true;
}

Duration Deliveries::quiet(std::string_view agent) const {
  const auto found = sessions_.find(agent);
  return found == sessions_.end() ? Duration{0} : sender_.quiet(found->second.id);
}

void Deliveries::closed(store::Txn& txn, SessionId session, const std::string& agent, Duration quiet) {
  if (noLongerArriving(agent, session)) return;
  if (const auto newcomer = waiting_.find(agent); newcomer != waiting_.end() && newcomer->second.session == session) {
    waiting_.erase(newcomer);
    txn.timers().drop(kProbeTimer, agent);
    return;
  }
  const auto found = sessions_.find(agent);
  if (found == sessions_.end() || found->second.id != session) return;
  sessions_.erase(found);
  log::info("agent disconnected", {{"agent", agent}});
  reports_.tell(txn, agent, "disconnected",
                {{"type", "disconnected"}, {"quietUs", std::chrono::duration_cast<std::chrono::microseconds>(quiet).count()}});
  probed(txn, agent, false);
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
  if (id.starts_with(kProbeId)) {
    // Whatever the answer is, it came from the present session.
    const auto newcomer = waiting_.find(agent);
    if (newcomer != waiting_.end() && newcomer->second.present == session) probed(txn, agent, true);
    return;
  }
  if (id.empty()) {
    if (!reports_.tell(txn, agent, type, message)) log::warn("an agent's message has no reader", {{"agent", agent}, {"type", type}});
    return;
  }
  if (failpoint::hit("fleet.result_received")) return;
  const auto key = keyOf(agent, id);
  const auto record = txn.records().get(kKind, key);
  if (!record) {
    reports_.tell(txn, agent, runtime::kUnasked, message);
    if (agentwire::isAnswer(type)) settle(txn, session, id);
    return;
  }
  if (agentwire::isAnswer(type)) {
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
