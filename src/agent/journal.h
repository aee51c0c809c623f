// What this agent was asked, how far it came and what it answered: an append-only file of checksummed records, fsynced
// before anything that rests on it happens. Survives kill -9 and power cuts at any byte: a torn tail is cut off. Zeros stand
// behind the records. Rewritten without what is settled at start and when it has grown. All members may be called by any thread.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/guard/order.h"
#include "json/json.h"
#include "os/file.h"

namespace sp::agent {

/// What is remembered of one freeze, for ever.
struct Freeze {
  /// Its freeze-phase script is never run (again): a thaw or a cancel was seen.
  bool refused = false;
  /// Why, for people ("freeze F was already thawed").
  std::string why;
  /// The result of the thaw that succeeded, without outputs beyond 4 KiB; any later thaw of this freeze is answered with it.
  std::optional<json::Object> thawed;
  /// "freeze/1" → id of the request that took this attempt.
  std::map<std::string, std::string> attempts;
  /// What the agent thaws it by itself with; from before the pre-script began until a thaw has succeeded.
  std::optional<GuardOrder> guard;
  /// What ended it although nobody had ordered its thaw ("the lease of 300 s ended …"); empty: nothing has.
  std::string broken;

  json::Object encode() const;
  static Freeze decode(const json::Object& object);
};

/// Member of a request that is journalled without its secrets.
inline constexpr std::string_view kWithheld = "withheld";

/// A request that is accepted and not settled.
struct Entry {
  json::Object request;
  std::vector<json::Object> notes;
  std::optional<json::Object> result;
  /// Order of acceptance.
  std::uint64_t sequence = 0;
};

class Journal {
 public:
  /// Opens or makes DIR/journal. Errors name the file ("journal.open", "os.full").
  static Result<std::unique_ptr<Journal>> open(const std::string& directory);

  enum class Seen { fresh, open, finished, settled };
  Seen seen(const std::string& id) const;
  /// Copies of all entries, oldest first.
  std::vector<std::pair<std::string, Entry>> entries() const;
  std::optional<Entry> find(const std::string& id) const;
  /// Results of requests not settled, oldest first, each with its "id".
  std::vector<json::Object> results() const;
  /// Of all entries, oldest first; but for those that the server must send again: without a result, kWithheld, and not told to be whole().
  std::vector<std::string> openIds() const;
  /// This process has of that request what is not journalled.
  void whole(const std::string& id);

  /// Each returns when its record is durable. Errors: "journal.full" (disk full), "journal.write"; nothing was recorded then,
  /// and the record is not in memory either.
  /// `freeze` (id, record) is stored in the same write. An acceptance that is not `durable` is so with the next record of any kind.
  Result<void> accept(const std::string& id, const json::Object& request, const std::optional<std::pair<std::string, Freeze>>& freeze,
                      bool durable = true);
  Result<void> note(const std::string& id, const json::Object& note);
  Result<void> finish(const std::string& id, const json::Object& result, const std::optional<std::pair<std::string, Freeze>>& freeze);
  /// The server has the result: both forget the request; its id is remembered (the last 4,096). Durable with the next record:
  /// should a power cut take it, the result is sent and settled once more. A large file that cannot be rewritten then is no error.
  Result<void> settle(const std::string& id);
  /// That request is cancelled, whether it runs, waits or has not come yet; remembered until it is settled.
  Result<void> cancel(const std::string& id);
  bool cancelled(const std::string& id) const;
  std::optional<Freeze> freeze(const std::string& freeze_id) const;
  Result<void> setFreeze(const std::string& freeze_id, const Freeze& freeze);
  /// Those that the agent is to thaw by itself in time.
  std::map<std::string, Freeze> guarded() const;

  /// Rewrites the file with what still counts. Called by open() and, when the file is large, by settle().
  Result<void> compact();
  std::uint64_t bytes() const;

  /// Gives the reserve kept for emergencies back to the file system, so that a thaw can be recorded on a full disk. It is
  /// taken again by restoreReserve() when there is room.
  void releaseReserve();
  void restoreReserve();

 private:
  explicit Journal(std::string directory) : directory_(std::move(directory)) {}
  Result<void> load();
  void apply(const json::Object& record);
  Result<void> append(const std::vector<json::Object>& records, bool durable = true);
  Result<void> compactLocked();
  std::vector<json::Object> snapshot() const;
  void rememberSettled(const std::string& id);

  const std::string directory_;
  mutable std::mutex mutex_;
  os::Fd file_;
  /// Where the records end; zeros follow up to allocated_.
  std::uint64_t size_ = 0;
  std::uint64_t allocated_ = 0;
  std::uint64_t compacted_size_ = 0;
  /// The size from which a compaction is tried again after one that failed.
  std::uint64_t compact_again_ = 0;
  std::uint64_t next_sequence_ = 1;
  std::map<std::string, Entry> entries_;
  std::map<std::string, Freeze> freezes_;
  std::deque<std::string> settled_order_;
  std::set<std::string> settled_;
  std::set<std::string> cancelled_;
  std::set<std::string> whole_;
};

/// One record as it stands in the file: length, CRC-32C, JSON text.
std::string encodeRecord(const json::Object& record);

}  // namespace sp::agent
