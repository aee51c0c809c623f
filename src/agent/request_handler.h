// How a kind of request plugs into the agent. The agent has journalled the request before a handler sees it, gives each
// one a thread, journals the result and sends it until it is settled. A handler is straight-line code.
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"
#include "net/http_client.h"

namespace sp::agent {

/// Who this agent is and where its server is. Immutable but for endpoint().
class Identity {
 public:
  virtual ~Identity() = default;
  /// "i-…" or "host".
  virtual const std::string& agent() const = 0;
  virtual const std::string& stateDir() const = 0;
  /// Where demo machines live; empty on an agent without a power driver.
  virtual const std::string& machinesDir() const = 0;
  /// Users that scripts may run as, the first one where none is asked for; empty: any, and the agent's own where none is asked for.
  virtual const std::vector<std::string>& runAs() const {
    static const std::vector<std::string> any;
    return any;
  }
  /// "HOST:PORT" of the server's agents' port, read anew from the file `endpoint`. Error "agent.endpoint".
  virtual Result<std::string> endpoint() const = 0;
  /// ca.pem, cert.pem and key.pem of the state directory, for net::makeHttpClient and restic.
  virtual net::ClientTls tls() const = 0;
};

/// One request on its way. Used by the handler's thread; cancelled() and cancelFd() by any.
class RequestContext {
 public:
  virtual ~RequestContext() = default;
  virtual const std::string& id() const = 0;
  /// As the journal keeps it: without what the handler's secrets() name.
  virtual const json::Object& request() const = 0;
  /// Those members. An agent that was started again has them from the server once it is connected: nullopt if not within `limit`.
  virtual std::optional<json::Object> secrets(std::chrono::milliseconds limit) = 0;
  virtual const Identity& identity() const = 0;
  /// True when an earlier agent process had accepted this request already: notes() tell how far it came.
  virtual bool adopted() const = 0;
  /// Notes of this request in the order they were made.
  virtual const std::vector<json::Object>& notes() const = 0;
  /// Adds a durable note (fsynced before it returns), "starting" for example. Error "journal.full" or "journal.write":
  /// the caller must then not do what the note announces.
  virtual Result<void> note(json::Object note) = 0;
  /// The server, or a person, asked to cancel. cancelFd() is readable from then on.
  virtual bool cancelled() const = 0;
  virtual int cancelFd() const = 0;
  /// Time since the request was accepted, also across restarts of the agent and the machine.
  virtual std::chrono::milliseconds age() const = 0;
  /// Sends {type:"progress", id, …}; may be lost; at most a few a second.
  virtual void progress(json::Object members) = 0;
  /// Waits for `time` or until cancelled; true: cancelled.
  virtual bool sleep(std::chrono::milliseconds time) = 0;
};

class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  /// The message types this handler takes ("backup.run").
  virtual std::vector<std::string> types() const = 0;
  /// True: run() makes a note, or ends, before it does anything that takes time or lasts. Acceptance and note are then one durable
  /// write, and the server hears of the acceptance after it.
  virtual bool notesAtOnce(const json::Object& request) const {
    (void)request;
    return false;
  }
  /// Members of these requests that stand in no file.
  virtual std::vector<std::string_view> secrets() const { return {}; }
  /// Does the request and returns its result message: "type" and members; "id" is set by the agent. Runs on a thread of
  /// its own, many at once. When the agent is killed and started again it is called anew with adopted() true: it must not
  /// do twice what may be done once. A cancelled request still returns a result.
  virtual json::Object run(RequestContext& context) = 0;
  /// The server has the result. By the thread that hears it, so in a moment; true: nothing is left for settled().
  virtual bool settledAtOnce(const std::string& id) {
    (void)id;
    return false;
  }
  /// The server has the result: what was kept on disk for this request may go. Called a while later, when the agent is quiet,
  /// by a thread of its own; not at all if the agent ends before.
  virtual void settled(const std::string& id) { (void)id; }
  /// After requests were settled and none followed for a while: time to prepare for the next. By the same thread.
  virtual void quiet() {}
};

/// Folder on this host that is "/" inside a stopped demo machine (MACHINES_DIR/i-…/root). Error "agent.machine" if there is
/// no such machine, or its name is not an instance id.
Result<std::string> machineRoot(const Identity& identity, const std::string& instance);

}  // namespace sp::agent
