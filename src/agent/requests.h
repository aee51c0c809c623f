// Every request this agent has accepted: journalled, given to its handler on a thread, answered until settled.
#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/freeze_rules.h"
#include "agent/guard/guards.h"
#include "agent/journal.h"
#include "agent/outbox.h"
#include "agent/request_handler.h"

namespace sp::agent {

class Requests final : private GuardedRequests {
 public:
  /// All given outlive it, and it lives as long as the process: handlers' threads are not joined.
  Requests(Journal& journal, const Identity& identity, Outbox& outbox, std::vector<std::unique_ptr<RequestHandler>> handlers);
  ~Requests() override;

  /// Takes up what an earlier process left open. Once, before any message.
  void adopt();
  /// The same of freezes that the agent is to thaw by itself, and nothing else.
  void adoptGuarded();
  /// A request of the server ("command.run", "cancel" …). Session's thread; blocks for an fsync.
  void onRequest(const json::Object& message);
  /// "settled" {id}. Session's thread; what the request left on disk goes later.
  void onSettled(const std::string& id);
  /// Sends every result that is not settled. After each welcome.
  void resend();
  /// Requests under way.
  std::size_t running() const;
  Guards& guards() { return guards_; }

 private:
  class Running;
  RequestHandler* handlerOf(const std::string& type) const;
  Result<void> accept(const std::string& id, const json::Object& received);
  Result<void> changeFreeze(const std::string& freeze_id, const std::function<void(Freeze&)>& change) override;
  Result<void> beginThaw(const json::Object& request) override;
  bool thawUnderWay(const std::string& freeze_id) const override;
  void adopt(const std::string& id, const Entry& entry);
  void adoptLeases();
  void forgetTry(const json::Object& request, std::int64_t attempt);
  enum class Told { yes, with_note };
  /// `secrets`: if the server has told them to this process.
  void start(const std::string& id, const Entry& entry, bool adopted, std::optional<json::Object> secrets, Told told = Told::yes);
  void hearAgain(const std::string& id, const json::Object& message);
  void work(const std::shared_ptr<Running>& running);
  json::Object outcome(Running& running, const std::optional<FreezeTag>& tag);
  void finish(Running& running, const std::optional<FreezeTag>& tag, json::Object result);
  void cancel(const json::Object& message);
  void cancelTarget(const std::string& target);
  void cancelFreezePhase(const std::string& freeze_id);
  void awaitTurn(const std::string& freeze_id, const std::string& id);
  void endTurn(const std::string& freeze_id, const std::string& id);
  void tidyLater(RequestHandler* handler, const std::string& id);
  void tidy();

  Journal& journal_;
  const Identity& identity_;
  Outbox& outbox_;
  std::vector<std::unique_ptr<RequestHandler>> handlers_;
  mutable std::mutex mutex_;
  std::condition_variable turn_;
  std::map<std::string, std::shared_ptr<Running>> running_;
  /// Requests of one freeze in the order they were accepted; the first one has its turn.
  std::map<std::string, std::deque<std::string>> turns_;
  /// Settled requests whose traces on disk may go; a thread removes them while `tidying_`.
  std::vector<std::pair<RequestHandler*, std::string>> leftovers_;
  /// Some request was settled since the handlers' quiet().
  bool untidy_ = false;
  std::chrono::steady_clock::time_point last_settled_;
  bool tidying_ = false;
  /// A freeze's record is read, changed and written under this.
  std::mutex freeze_mutex_;
  Guards guards_;
};

/// A result that fits a frame: heads of outputs are cut further if all of them together are too long.
json::Object bounded(json::Object result);

}  // namespace sp::agent
