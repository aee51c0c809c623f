// What the runtime and the services ask of the parts above and beside them.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "json/json.h"
#include "store/store.h"

namespace sp::runtime {

/// Requests to agents, durable: a request lies in the store until its answer has been handled, is delivered at least once
/// (again after every reconnect) and done at most once by the agent, which remembers its ids. Core thread only.
class AgentPort {
 public:
  virtual ~AgentPort() = default;
  /// `agent` is an instance id, or "host" for the server's own host. `message` is one of agentwire's requests; its "id"
  /// must be unique for ever. Sent after the commit.
  virtual void request(store::Txn& txn, std::string_view agent, const json::Object& message) = 0;
  /// Forgets a request that no longer matters; the agent may have got it already.
  virtual void withdraw(store::Txn& txn, std::string_view agent, std::string_view id) = 0;
  /// A message without an id, sent once after the commit if the agent's session is up then, and kept nowhere.
  virtual void tell(store::Txn& /*txn*/, std::string_view /*agent*/, const json::Object& /*message*/) {}
  /// Whether that agent's session is up now, and since when (boot id and version in its hello).
  virtual bool connected(std::string_view agent) const = 0;
  /// For how long nothing has come from its session; zero if it has none. One that hangs is connected until that is a minute.
  virtual Duration quiet(std::string_view /*agent*/) const { return {}; }
  /// Whether that request waits for its answer and a session was there to take it: what came of it is not known.
  virtual bool mayHaveLeft(store::Txn& /*txn*/, std::string_view /*agent*/, std::string_view /*id*/) const { return false; }
};

/// What an agent tells about an id that no request of the server has (any more): the message as it came, its "type" being the agent's own;
/// at its hello {type: "unasked", id} for each such id that it says is open, after the hello itself. An answer is settled after that,
/// whatever came of it.
inline constexpr std::string_view kUnasked = "unasked";

/// Who gets what agents report, by message type; called on the core thread inside the transaction that also removes the
/// request, so that an answer is handled exactly once. Several may ask for one type ("progress", "accepted", "refused",
/// "hello", "absent", "connected", "disconnected", "unasked"): all are called, in the order they registered, and look at the message's id.
/// At "hello" the agent is not connected yet; "absent" {id} follows for each request that had been sent to it and that it does not name:
/// whoever knows that it had come withdraws it, else it goes out again. A "refused" with {fate: "unknown"} ends what an earlier enrolment
/// may have done. "connected" comes in a job of its own, once it is. Filled before the server listens.
class AgentReports {
 public:
  using Handler = std::function<void(store::Txn&, const std::string& agent, const json::Object& message)>;
  void on(std::string type, Handler handler) { handlers_[std::move(type)].push_back(std::move(handler)); }
  /// Calls them; false if nobody asked for that type.
  bool tell(store::Txn& txn, const std::string& agent, std::string_view type, const json::Object& message) const {
    const auto found = handlers_.find(type);
    if (found == handlers_.end()) return false;
    for (const auto& handler : found->second) handler(txn, agent, message);
    return true;
  }

 private:
  std::map<std::string, std::vector<Handler>, std::less<>> handlers_;
};

}  // namespace sp::runtime
