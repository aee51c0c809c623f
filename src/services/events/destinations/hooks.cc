#include "services/events/destinations/hooks.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/strings.h"
#include "services/events/destinations/records.h"
#include "services/events/destinations/request.h"

namespace sp::services::events {
namespace {

/// Keys: the destination's ARN, then the time at which it was taken and the delivery's id.
constexpr std::string_view kHook = "event_hook";
constexpr std::size_t kMostUnderWay = 512;
constexpr std::size_t kScanned = 1'000;
// After a step that could not be made durable (a full disk) the next is tried so much later.
constexpr Duration kAgain = std::chrono::seconds(1);
// So long a token that could not be had is not asked for again.
constexpr Duration kFailureCounts = std::chrono::seconds(1);
// So much before its end a token is not used any more: the request takes its time too.
constexpr Duration kBeforeItsEnd = std::chrono::seconds(10);

// So often the ages of what cannot go yet are looked at.
constexpr Duration kAges = std::chrono::seconds(1);

constexpr std::size_t kReasonLength = 512;

std::string prefixOf(std::string_view arn) { return fmt::format("{}\x1f", arn); }

std::unexpected<delivery::Failure> gone(std::string_view arn) {
  return std::unexpected(delivery::Failure{"NO_RESOURCE", fmt::format("API destination {} does not exist.", arn), false});
}

delivery::Failure tooOld(std::string_view arn) {
  return {"THROTTLING", fmt::format("The event waited to be sent to API destination {} until it was too old.", arn), true};
}

// Whether deliveries may go with this connection now.
delivery::Started usable(const std::optional<json::Object>& connection, std::string_view arn) {
  if (!connection)
    return std::unexpected(
        delivery::Failure{"NO_RESOURCE", fmt::format("The connection of API destination {} does not exist.", arn), false});
  const auto state = json::textOr(*connection, "ConnectionState");
  if (state == "AUTHORIZED") return {};
  return std::unexpected(delivery::Failure{"NO_PERMISSIONS", fmt::format("Connection {} is {}.", json::textOr(*connection, "Name"), state),
                                           state == "AUTHORIZING"});
}

}  // namespace

Hooks::Hooks(Context& context, delivery::Deliveries& deliveries, InputOf input_of)
    : context_(context), deliveries_(deliveries), input_of_(std::move(input_of)) {
  context_.core.onClockSet([](store::Txn& txn, Duration by) { delivery::moveAges(txn, kHook, delivery::always(by)); });
}

void Hooks::recover(store::Txn& txn) {
  delivery::moveAges(txn, kHook, delivery::outOfTheFuture(txn.now()));
  // The next destination's first key is behind all of this one's.
  std::string after;
  while (true) {
    const auto next = txn.records().scan(kHook, "", after, 1);
    if (next.empty()) break;
    const auto arn = next[0].key.substr(0, next[0].key.find('\x1f'));
    changed(txn, arn);
    after = prefixOf(arn) + "\x7f";
  }
  after.clear();
  while (true) {
    const auto records = txn.records().scan(kConnection, "", after, kScanned);
    for (const auto& record : records) {
      const auto connection = decode(record.body);
      if (json::textOr(connection, "ConnectionState") == "AUTHORIZING") authorise(txn, connection);
    }
    if (records.size() < kScanned) return;
    after = records.back().key;
  }
}

delivery::Started Hooks::take(store::Txn& txn, const json::Object& delivery, const std::string& arn, const std::string& id) {
  const auto destination = destinationOf(txn, arn);
  if (!destination) return gone(arn);
  if (auto ready = usable(connectionOf(txn, json::textOr(*destination, "ConnectionArn")), arn); !ready) return ready;
  auto kept = delivery;
  kept["delivery-id"] = id;
  txn.records().put(kHook, fmt::format("{}{:020}/{}", prefixOf(arn), toMicros(txn.now()), id), delivery::SharedEvents::kept(kept));
  delivery::SharedEvents::retain(txn, delivery);
  changed(txn, arn);
  return {};
}

void Hooks::changed(store::Txn& txn, const std::string& arn) {
  txn.afterCommit([this, arn] { look(arn); });
}

void Hooks::look(const std::string& arn) {
  auto& lane = lanes_[arn];
  if (lane.looking || web_ == nullptr) return;
  lane.looking = true;
  auto out = std::make_shared<std::vector<Outgoing>>();
  context_.core.post(
      [this, arn, out](store::Txn& txn) {
        lanes_[arn].looking = false;
        out->clear();
        work(txn, arn, *out);
        return true;
      },
      [this, arn, out](const Error* error) {
        lanes_[arn].looking = false;
        for (auto& outgoing : *out) {
          if (error == nullptr) send(arn, std::move(outgoing));
          else released(arn, outgoing.key);
        }
        // The room that it was let have is another's.
        if (out->empty()) nextOfCrowd();
        // Nothing durable can tell us when there is room again.
        if (error != nullptr && error->code != "core.stopped") lookLater(arn, kAgain);
        const auto& lane = lanes_[arn];
        if (lane.over && lane.under_way.empty() && !lane.sleeping) lanes_.erase(arn);
      });
}

void Hooks::lookLater(const std::string& arn, Duration pause) {
  auto& lane = lanes_[arn];
  if (std::exchange(lane.sleeping, true)) return;
  context_.core.waiters().add("hooks", context_.core.clock().now() + pause, [this, arn] {
    lanes_[arn].sleeping = false;
    look(arn);
  });
}

// What of a destination's queue goes out now; what cannot go at all is handed back in the same commit.
void Hooks::work(store::Txn& txn, const std::string& arn, std::vector<Outgoing>& out) {
  auto& lane = lanes_[arn];
  const auto records = txn.records().scan(kHook, prefixOf(arn), "", lane.under_way.size() + Window::kMost);
  const auto destination = destinationOf(txn, arn);
  lane.over = records.empty() && !destination;
  const auto connection = destination ? connectionOf(txn, json::textOr(*destination, "ConnectionArn")) : std::nullopt;
  const auto auth = connection ? secretsOf(txn, json::textOr(*connection, "Name")) : json::Object();
  lane.connection = connection ? json::textOr(*connection, "ConnectionArn") : std::string();
  const auto now = context_.core.clock().boottime();
  const bool ages = now >= lane.ages_at;
  if (ages) lane.ages_at = now + kAges;
  bool handed_back = false;
  // Nothing more goes now; what is too old meanwhile is not kept for later.
  bool shut = false;
  for (const auto& record : records) {
    if (lane.under_way.contains(record.key)) continue;
    if (shut && !ages) break;
    auto delivery = decode(record.body);
    const auto hand_back = [&](const delivery::Failure& failure) {
      txn.records().erase(kHook, record.key);
      deliveries_.failed(txn, record.key.substr(record.key.find('\x1f') + 1), std::move(delivery), failure);
      handed_back = true;
    };
    const auto drop = [&] {
      log::error("a delivery of an event cannot be read and is dropped", {{"key", record.key}});
      txn.records().erase(kHook, record.key);
    };
    if (delivery.empty()) {
      drop();
      continue;
    }
    if (!destination) {
      hand_back(gone(arn).error());
      continue;
    }
    if (const auto ready = usable(connection, arn); !ready) {
      hand_back(ready.error());
      continue;
    }
    if (delivery::isTooOld(delivery, txn.now())) {
      hand_back(tooOld(arn));
      continue;
    }
    if (shut || lane.under_way.size() >= lane.window.size()) {
      shut = true;
      continue;
    }
    if (under_way_ >= kMostUnderWay) {
      if (!std::exchange(lane.crowded, true)) crowded_.push_back(arn);
      shut = true;
      continue;
    }
    if (const auto pause = lane.pace.wait(now, json::intOr(*destination, "InvocationRateLimitPerSecond", kDefaultRate));
        pause.count() > 0) {
      lookLater(arn, pause);
      shut = true;
      continue;
    }
    auto token = tokenFor(txn, *connection, auth, arn);
    if (!token) {
      hand_back(token.error());
      continue;
    }
    if (!*token) {
      shut = true;
      continue;
    }
    delivery = deliveries_.events().whole(txn, std::move(delivery));
    if (delivery.empty()) {
      drop();
      continue;
    }
    const auto id = json::textOr(delivery, "delivery-id");
    const auto input = input_of_(delivery);
    if (!input) {
      hand_back(input.error());
      continue;
    }
    auto request = requestOf({*destination, auth, **token, delivery.at("target").get_object(), delivery.at("event"), *input, id});
    if (!request) {
      hand_back(request.error());
      continue;
    }
    request->status_only = true;
    lane.under_way.insert(record.key);
    ++under_way_;
    lane.pace.sent(now);
    out.push_back({record.key, std::move(*request), lane.connection, **token});
  }
  if (!handed_back) return;
  lane.ages_at = now;
  changed(txn, arn);
}

std::expected<std::optional<std::string>, delivery::Failure> Hooks::tokenFor(store::Txn& txn, const json::Object& connection,
                                                                             const json::Object& auth, const std::string& arn) {
  if (json::textOr(connection, "AuthorizationType") != "OAUTH_CLIENT_CREDENTIALS") return std::string();
  const Parameters of{json::textOr(connection, "ConnectionArn"), json::intOr(connection, "version", 0)};
  const auto* oauth = json::find(auth, "OAuthParameters");
  if (oauth == nullptr || !oauth->is_object())
    return std::unexpected(delivery::Failure{"NO_PERMISSIONS", "The connection has no secrets.", false});
  auto& kept = tokens_[of.connection];
  const auto now = context_.core.clock().boottime();
  const bool mine = kept.version == of.version;
  if (mine && !kept.token.empty() && (!kept.until || now < *kept.until)) return kept.token;
  if (mine && kept.failure && now < kept.failure_until) return std::unexpected(*kept.failure);
  kept.waiting.insert(arn);
  if (mine && kept.fetching) return std::nullopt;
  txn.afterCommit([this, of, request = tokenRequestOf(oauth->get_object())] {
    auto& kept = tokens_[of.connection];
    // Another destination of the same batch.
    if (kept.version == of.version && kept.fetching) return;
    kept.version = of.version;
    kept.fetching = true;
    kept.token.clear();
    kept.failure.reset();
    fetch(of, request);
  });
  return std::nullopt;
}

void Hooks::authorise(store::Txn& txn, const json::Object& connection) {
  const Parameters of{json::textOr(connection, "ConnectionArn"), json::intOr(connection, "version", 0)};
  auto auth = secretsOf(txn, json::textOr(connection, "Name"));
  const auto* oauth = json::find(auth, "OAuthParameters");
  if (oauth == nullptr || !oauth->is_object()) return;
  txn.afterCommit([this, of, request = tokenRequestOf(oauth->get_object())] {
    auto& kept = tokens_[of.connection];
    kept.version = of.version;
    kept.fetching = true;
    kept.token.clear();
    kept.failure.reset();
    fetch(of, request);
  });
}

void Hooks::forget(const std::string& connection) {
  tokens_.erase(connection);
  for (const auto& [arn, lane] : lanes_)
    if (lane.connection == connection) look(arn);
}

void Hooks::fetch(const Parameters& of, WebRequest request) {
  if (web_ == nullptr) return;
  web_->send(std::move(request), [this, of](const std::expected<WebAnswer, delivery::Failure>& answer) {
    settle(of, answer ? tokenOf(*answer) : std::unexpected(answer.error()));
  });
}

// By any thread.
void Hooks::settle(const Parameters& of, const TokenOrFailure& token) {
  context_.core.post(
      [of, token](store::Txn& txn) {
        auto connection = connectionOf(txn, of.connection);
        if (!connection || json::textOr(*connection, "ConnectionState") != "AUTHORIZING" ||
            json::intOr(*connection, "version", 0) != of.version)
          return true;
        (*connection)["ConnectionState"] = token ? "AUTHORIZED" : "DEAUTHORIZED";
        if (token) (*connection)["authorized"] = toMicros(txn.now());
        else (*connection)["StateReason"] = cutText(token.error().message, kReasonLength);
        saveConnection(txn, *connection);
        return true;
      },
      [this, of, token](const Error* error) {
        if (error == nullptr) return fetched(of, token);
        if (error->code == "core.stopped") return;
        context_.core.waiters().add("hooks", context_.core.clock().now() + kAgain, [this, of, token] { settle(of, token); });
      });
}

void Hooks::fetched(const Parameters& of, const TokenOrFailure& token) {
  const auto found = tokens_.find(of.connection);
  if (found == tokens_.end() || found->second.version != of.version) return;
  auto& kept = found->second;
  const auto now = context_.core.clock().boottime();
  kept.fetching = false;
  if (token) {
    kept.token = token->value;
    kept.until = token->life.count() > 0 ? std::optional(now + std::max(token->life - kBeforeItsEnd, token->life / 2)) : std::nullopt;
    kept.failure.reset();
  } else {
    kept.failure = token.error();
    kept.failure_until = now + kFailureCounts;
    log::warn("a connection got no token", {{"connection", of.connection}, {"error", token.error().message}});
  }
  for (const auto& arn : std::exchange(kept.waiting, {})) look(arn);
}

void Hooks::send(const std::string& arn, Outgoing outgoing) {
  static_cast<void>(failpoint::hit("events.hook_sending"));
  auto request = std::move(outgoing.request);
  outgoing.request = {};
  web_->send(std::move(request), [this, arn, outgoing = std::move(outgoing)](const std::expected<WebAnswer, delivery::Failure>& answer) {
    answered(std::make_shared<const Answered>(arn, outgoing, answer));
  });
}

// By any thread.
void Hooks::answered(const std::shared_ptr<const Answered>& told) {
  context_.core.post(
      [this, told](store::Txn& txn) {
        const auto& [arn, sent, answer] = *told;
        const auto body = txn.records().get(kHook, sent.key);
        if (!body) return true;
        txn.records().erase(kHook, sent.key);
        const auto verdict = answer ? verdictOf(*answer, txn.now()) : delivery::Started(std::unexpected(answer.error()));
        auto delivery = decode(*body);
        if (verdict) delivery::SharedEvents::release(txn, delivery);
        else deliveries_.failed(txn, sent.key.substr(sent.key.find('\x1f') + 1), std::move(delivery), verdict.error());
        static_cast<void>(failpoint::hit("events.hook_answered"));
        return true;
      },
      [this, told](const Error* error) {
        const auto& [arn, sent, answer] = *told;
        if (error != nullptr) {
          // A full disk: it stays under way, so that nobody is called again, and its answer is written when there may be room.
          if (error->code != "core.stopped")
            context_.core.waiters().add("hooks", context_.core.clock().now() + kAgain, [this, told] { answered(told); });
          return;
        }
        if (answer) lanes_[arn].window.answered();
        else lanes_[arn].window.silent();
        // The next request gets another; one that was fetched meanwhile stays.
        if (const auto found = tokens_.find(sent.connection);
            answer && refusesToken(answer->status) && found != tokens_.end() && found->second.token == sent.token)
          found->second.token.clear();
        released(arn, sent.key);
        look(arn);
      });
}

void Hooks::released(const std::string& arn, const std::string& key) {
  if (lanes_[arn].under_way.erase(key) > 0) --under_way_;
  nextOfCrowd();
}

void Hooks::nextOfCrowd() {
  if (crowded_.empty() || under_way_ >= kMostUnderWay) return;
  const auto next = std::move(crowded_.front());
  crowded_.pop_front();
  lanes_[next].crowded = false;
  look(next);
}

}  // namespace sp::services::events
