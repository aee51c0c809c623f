// The way of deliveries to API destinations: each destination's queue, how fast and how many at once it is called, and the tokens of
// connections.
//
// A delivery to a destination is a record from the commit that takes it from services/delivery to the commit that learns its end or hands
// it back for a later try. What was under way when the server died is sent again, under the same id: at least once. A destination that
// hangs holds one connection for 5 seconds at a time; the others have their own. Core thread only.
#pragma once
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "services/context.h"
#include "services/delivery/deliveries.h"
#include "services/events/destinations/pace.h"
#include "services/events/destinations/verdict.h"
#include "services/events/destinations/web.h"

namespace sp::services::events {

class Hooks {
 public:
  /// What the target is given of a delivery's event.
  using InputOf = std::function<std::expected<std::string, delivery::Failure>(const json::Object& delivery)>;
  /// Both given outlive this.
  Hooks(Context& context, delivery::Deliveries& deliveries, InputOf input_of);
  Hooks(const Hooks&) = delete;
  Hooks& operator=(const Hooks&) = delete;

  /// Who sends; once, before the core starts. Without, nothing is sent.
  void attach(Web& web) { web_ = &web; }
  /// Sends again what was under way and authorises what was being authorised: the first job after every start.
  void recover(store::Txn& txn);

  /// Takes a delivery to the destination `arn`; `id`: the same for all its tries. A Failure if there is no such destination, or its
  /// connection has no authorization.
  delivery::Started take(store::Txn& txn, const json::Object& delivery, const std::string& arn, const std::string& id);
  /// A destination was written or removed: what waits for it is looked at again.
  void changed(store::Txn& txn, const std::string& arn);
  /// A connection has new parameters: its token is fetched, and its state with it. Or (`gone`) it has none any more.
  void authorise(store::Txn& txn, const json::Object& connection);
  /// `connection`: its ARN. What waits for it is looked at again.
  void forget(const std::string& connection);

 private:
  struct Lane {
    std::set<std::string, std::less<>> under_way;
    Pace pace;
    Window window;
    /// The ARN of its destination's connection when it was last looked at.
    std::string connection;
    /// From when on the ages of what waits are looked at again.
    Duration ages_at{0};
    bool looking = false;
    bool sleeping = false;
    /// It stands in crowded_.
    bool crowded = false;
    /// Its destination is gone, and nothing waits for it.
    bool over = false;
  };
  /// Of a connection.
  struct Kept {
    std::int64_t version = 0;
    std::string token;
    /// On the clock that does not jump; nullopt: until it is refused.
    std::optional<Duration> until;
    bool fetching = false;
    /// Why there is none, and until when that counts.
    std::optional<delivery::Failure> failure;
    Duration failure_until{0};
    /// Destinations that wait for it.
    std::set<std::string, std::less<>> waiting;
  };
  /// Parameters that a connection has or had: another of its name has another ARN, and new parameters another version.
  struct Parameters {
    std::string connection;
    std::int64_t version = 0;
  };
  using TokenOrFailure = std::expected<Token, delivery::Failure>;
  struct Outgoing {
    std::string key;
    WebRequest request;
    /// Its ARN.
    std::string connection;
    std::string token;
  };
  struct Answered {
    std::string arn;
    Outgoing sent;
    std::expected<WebAnswer, delivery::Failure> answer;
  };

  void look(const std::string& arn);
  void lookLater(const std::string& arn, Duration pause);
  void work(store::Txn& txn, const std::string& arn, std::vector<Outgoing>& out);
  /// The token to send with, or nothing: it is fetched now, and the destination looked at again then.
  std::expected<std::optional<std::string>, delivery::Failure> tokenFor(store::Txn& txn, const json::Object& connection,
                                                                        const json::Object& auth, const std::string& arn);
  void fetch(const Parameters& of, WebRequest request);
  void settle(const Parameters& of, const TokenOrFailure& token);
  void fetched(const Parameters& of, const TokenOrFailure& token);
  void send(const std::string& arn, Outgoing outgoing);
  /// Until its commit stands.
  void answered(const std::shared_ptr<const Answered>& told);
  void released(const std::string& arn, const std::string& key);
  /// There may be room: the one that has waited longest.
  void nextOfCrowd();

  Context& context_;
  delivery::Deliveries& deliveries_;
  InputOf input_of_;
  Web* web_ = nullptr;
  /// By the destination's ARN.
  std::map<std::string, Lane, std::less<>> lanes_;
  /// By the connection's ARN.
  std::map<std::string, Kept, std::less<>> tokens_;
  std::size_t under_way_ = 0;
  /// Destinations that wait because too many requests are under way altogether, in the order in which they came.
  std::deque<std::string> crowded_;
};

}  // namespace sp::services::events
