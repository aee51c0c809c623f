// So many backups run at once; the others wait in a fair queue: docs/schedule.md, "Runs that meet". Durable; core thread only.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/context.h"

namespace sp::services::backup {

class Places {
 public:
  /// Each backup keeps up to five connections to the agents' port, which has 256 for backups, restores and scripts together.
  static constexpr std::size_t kMostDefault = 32;

  /// Takes the core's timer: before it starts. `core` outlives it.
  explicit Places(runtime::Core& core);
  Places(const Places&) = delete;
  Places& operator=(const Places&) = delete;

  /// How many there are, from 1; before the core starts. When there are fewer than were given, those stay and no more are given until
  /// enough have been left.
  void setMost(std::size_t most) { most_ = most; }
  /// Called in the transaction in which a holder that waited gets its place. `kind` is what stands before the first ':' of the holder
  /// ("run", "job"). Registered before the core starts.
  using Granted = std::function<void(store::Txn&, const std::string& holder)>;
  void onGranted(std::string kind, Granted handler) { granted_[std::move(kind)] = std::move(handler); }

  /// True: the holder has a place, now or from before. False: it waits, once, and is told. Of those that wait the next place goes to one
  /// whose owner has the fewest at that moment; of such owners to the one that was given none for the longest time; of an owner's to the
  /// one that came first. So an owner of a thousand holders and one of a single holder take turns, however few places there are, and
  /// nobody waits for more than one round. `owner` has no '#'.
  bool take(store::Txn& txn, std::string_view owner, std::string_view holder);
  /// The same for one that is under way already and cannot wait.
  void occupy(store::Txn& txn, std::string_view owner, std::string_view holder);
  /// Gives up the place, or the turn in the queue; the next ones are granted. Harmless for others.
  void leave(store::Txn& txn, std::string_view holder);
  /// Whether it has a place. False while it waits for one.
  bool holds(store::Txn& txn, std::string_view holder) const;
  /// Gives up all turns of that owner; its places stay.
  void leaveTurns(store::Txn& txn, std::string_view owner);
  /// After a start: there may be more of them than before.
  void recover(store::Txn& txn);

  struct Use {
    std::int64_t held = 0;
    std::int64_t waiting = 0;
  };
  /// Of all owners together.
  Use use(store::Txn& txn) const;
  std::size_t most() const { return most_; }

 private:
  struct Owner {
    std::string name;
    std::int64_t held = 0;
    std::int64_t waiting = 0;
    /// The turn in which it was last given a place, or in which it came.
    std::int64_t turn = 0;
  };
  std::vector<Owner> owners(store::Txn& txn) const;
  /// `given`: a place, just now.
  void change(store::Txn& txn, std::string_view owner, std::int64_t held, std::int64_t waiting, bool given = false) const;
  /// Key and holder of who comes next; nullopt: nobody waits.
  static std::optional<store::Record> next(store::Txn& txn, const std::vector<Owner>& owners);
  void hold(store::Txn& txn, std::string_view owner, std::string_view holder) const;
  /// Gives what is free.
  void fill(store::Txn& txn);

  std::size_t most_ = kMostDefault;
  /// A grant may lead to a place that is given up within it: it is given on by the outermost.
  bool filling_ = false;
  std::map<std::string, Granted, std::less<>> granted_;
};

}  // namespace sp::services::backup
