// Requests to agents that survive everything: a record each until the answer has been handled. Core thread only.
//
// Records of kind "delivery", key AGENT/ID: the line "SEQ CREATED WITHIN TYPE SENT" (its order, when it was made in microseconds since
// the epoch, its startWithinMs or -1, its type, "=ENROLMENT" if it may have left for that one or "-"; older ones have no SENT), then the
// message's text: most are sent as they lie there. A script, backup or restore that may have left for one enrolment is never sent to
// another: it is reported as "refused" with {fate: "unknown"}. Sent after the commit that made them, again, in their order, whenever the
// agent's session comes up, and forgotten in the transaction that handles the answer; then the agent is told "settled". What an agent
// reports of requests nobody knows (any more) is told as "unasked", and answers among it are settled.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"
#include "runtime/agent_registry.h"
#include "runtime/core.h"
#include "runtime/ports.h"

namespace sp::fleet {

using SessionId = std::uint64_t;

/// The other end of the sessions. Any thread.
class SessionSender {
 public:
  virtual ~SessionSender() = default;
  /// One framed message; nothing if the session has gone.
  virtual void send(SessionId session, std::string frame) = 0;
  virtual void close(SessionId session) = 0;
  /// For how long nothing has come from it; zero if it has gone.
  virtual Duration quiet(SessionId session) const = 0;
};

/// Reported at "hello" of a request that is sent once more to the enrolment it was sent to: the agent has not named it.
inline constexpr std::string_view kAbsent = "absent";

class Deliveries final : public runtime::AgentPort {
 public:
  /// `server_id` is what "welcome" tells. All given outlive it.
  /// Before the core starts.
  Deliveries(runtime::Core& core, const runtime::AgentReports& reports, SessionSender& sender, std::string server_id);

  void request(store::Txn& txn, std::string_view agent, const json::Object& message) override;
  void withdraw(store::Txn& txn, std::string_view agent, std::string_view id) override;
  void tell(store::Txn& txn, std::string_view agent, const json::Object& message) override;
  bool connected(std::string_view agent) const override { return sessions_.contains(agent); }
  Duration quiet(std::string_view agent) const override;
  bool mayHaveLeft(store::Txn& txn, std::string_view agent, std::string_view id) const override;

  /// Who may connect: a refusal, or nothing.
  using Decide = std::function<std::optional<runtime::AgentRefusal>(store::Txn&, const std::string& agent, const json::Object& hello)>;
  void admit(Decide decide) { admit_ = std::move(decide); }
  /// Ends the agent's session, if it has one by another enrolment than `but`, and tells it why.
  void end(std::string_view agent, const runtime::AgentRefusal& why, std::optional<std::string_view> but = std::nullopt);

  /// A session said hello: it becomes the agent's only one, and is sent what waits for it. Where another process has a session as
  /// that agent, it waits until that one has answered a probe, and is refused then; or has not within 5 s, and takes its place.
  void opened(store::Txn& txn, SessionId session, const std::string& agent, const json::Object& hello);
  /// It ended, `quiet` after the last that came from it; reported as a message of type "disconnected" {quietUs} unless a newer session has
  /// taken its place.
  void closed(store::Txn& txn, SessionId session, const std::string& agent, Duration quiet = {});
  /// Any later message.
  void received(store::Txn& txn, SessionId session, const std::string& agent, const json::Object& message);

 private:
  struct Pending {
    std::int64_t seq = 0;
    std::int64_t created = 0;
    std::int64_t within = -1;
    std::string type;
    std::string id;
    std::string text;
    /// The enrolment that it may have been sent to; nullopt: it never left.
    std::optional<std::string> sent_to;
    /// Of a server that did not write down whether it had left: it may have, to whom nobody knows.
    bool untold = false;

    bool mayHaveLeft() const { return sent_to || untold; }
    /// Of a cancellation.
    std::string target() const;
    std::string encode() const;
    static Result<Pending> decode(std::string_view id, std::string_view body);
  };
  struct Live {
    SessionId id = 0;
    /// Names the agent's process; empty for agents that do not tell.
    std::string run;
    std::string enrolment;
  };
  /// A session whose welcome is not committed yet.
  struct Arriving {
    SessionId session = 0;
    std::string enrolment;
  };
  /// A newcomer that waits for what the agent's present session says.
  struct Waiting {
    SessionId present = 0;
    SessionId session = 0;
    json::Object hello;
  };
  /// The protocol to speak; nullopt: it was refused and told so.
  std::optional<std::int64_t> admitted(store::Txn& txn, SessionId session, const std::string& agent, const json::Object& hello);
  bool mustWait(store::Txn& txn, SessionId session, const std::string& agent, const json::Object& hello);
  void welcome(store::Txn& txn, SessionId session, const std::string& agent, const json::Object& hello, std::int64_t protocol);
  /// Tells what has become of the requests that wait, and returns those to be sent to that enrolment.
  std::vector<Pending> toSend(store::Txn& txn, const std::string& agent, const std::string& enrolment,
                              const std::set<std::string, std::less<>>& open);
  /// False: that session was not arriving (any more).
  bool noLongerArriving(const std::string& agent, SessionId session);
  void probed(store::Txn& txn, const std::string& agent, bool alive);
  void reject(store::Txn& txn, SessionId session, const std::string& agent, const runtime::AgentRefusal& why);
  void tellRejected(SessionId session, const runtime::AgentRefusal& why);
  std::int64_t nextSeq(store::Txn& txn);
  std::vector<Pending> pending(store::Txn& txn, std::string_view agent) const;
  void deliver(std::string_view agent, const Pending& request);
  void settle(store::Txn& txn, SessionId session, const std::string& id);

  runtime::Core& core_;
  const runtime::AgentReports& reports_;
  SessionSender& sender_;
  std::string server_id_;
  Decide admit_;
  std::map<std::string, Live, std::less<>> sessions_;
  std::map<std::string, Arriving, std::less<>> arriving_;
  std::map<std::string, Waiting, std::less<>> waiting_;
  /// Of the last request; 0 until the first one looked at what the store holds.
  std::int64_t last_seq_ = 0;
};

}  // namespace sp::fleet
