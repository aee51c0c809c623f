// Of how many events, one set off by the other, a thing's own events are the next: what an event started counts one more than the event,
// and so does what that starts in turn. It is how events that set each other off come to an end (queue.h). Core thread only.
//
// Only things in a chain have a record: most work is started by people and schedules, and leaves none.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "store/store.h"

namespace sp::services::events {

/// Where something stands in a chain of events.
struct Chain {
  /// 0: no event set it off.
  std::int64_t hops = 0;
  /// Id of the event that began it.
  std::string root;
};

class Chains {
 public:
  Chains() = default;
  Chains(const Chains&) = delete;
  Chains& operator=(const Chains&) = delete;

  /// While it lives, what is done is done for an event, or by an execution. They stand one within the other.
  class Doing {
   public:
    ~Doing();
    Doing(const Doing&) = delete;
    Doing& operator=(const Doing&) = delete;

   private:
    friend class Chains;
    Doing(Chains& chains, Chain chain, std::string execution);
    Chains& chains_;
    Chain chain_;
    std::string execution_;
  };
  /// What a delivery starts stands there.
  [[nodiscard]] Doing following(Chain chain) { return {*this, std::move(chain), {}}; }
  [[nodiscard]] Doing by(std::string execution) { return {*this, chain_, std::move(execution)}; }

  /// Of what is being done now.
  Chain now(store::Txn& txn) const;
  /// Of a subject: an execution's ARN, or "KIND/ID" of anything else that lasts.
  static Chain of(store::Txn& txn, std::string_view subject);
  /// `subject` begins now, by what is being done or by `execution` (may be empty): if that is in a chain, so is the subject, until it is
  /// forgotten. Where its events stand.
  Chain inherit(store::Txn& txn, std::string_view subject, std::string_view execution = "") const;
  static void forget(store::Txn& txn, std::string_view subject);

 private:
  Chain chain_;
  std::string execution_;
};

/// How often events of the chains that were counted last have been delivered: 32 hops alone are no bound where each event sets off two.
/// Only in memory: it begins anew with the server. What the store undoes is not to be counted: a step counts in a copy (Events::overrun).
class ChainCounts {
 public:
  /// `most`: deliveries of one chain, and `most_bytes` of their events; `chains`: so many are counted at once.
  ChainCounts(std::int64_t most, std::int64_t most_bytes, std::size_t chains) : most_(most), most_bytes_(most_bytes), chains_(chains) {}
  enum class Verdict {
    deliver,
    /// No more of this chain; told so for the first time.
    stopped,
    /// The same, told before.
    over
  };
  Verdict count(const std::string& root, std::int64_t bytes);
  /// So many of the chain were to be delivered.
  std::int64_t delivered(const std::string& root) const;

 private:
  struct Count {
    std::int64_t deliveries = 0;
    std::int64_t bytes = 0;
    bool stopped = false;
  };
  std::int64_t most_;
  std::int64_t most_bytes_;
  std::size_t chains_;
  std::map<std::string, Count, std::less<>> counts_;
};

/// The longer one.
Chain furthest(Chain a, Chain b);

}  // namespace sp::services::events
